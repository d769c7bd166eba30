"""What is typed as an address can be written to, letter by letter; what is none is refused by the same rule wherever it is typed."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import getaddresses
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Email, EmailStatus, Server, Setting, User
from panel.models.types import utc_now
from panel.platforms.base import Member
from panel.services import estate, mail, notices, user_emails, users
from panel.services.addresses import missed, missed_by_sender, not_encoded, recipients_in
from panel.services.estate.kinds import Address, Addresses, Sender
from panel.services.sync.people import meet_members
from tests.fixtures import app, config, database_kind, tv

__all__ = ["app", "config", "database_kind", "tv"]

quick = settings(derandomize=True, deadline=None, max_examples=100)
SENDER = "panel@example.test"
#: What means something in a header, and letters of several scripts.
SIGNS = "ab1.,:;()[]<>\"'\\=?_@ \t\n\x01\x7f\x85%+-é密\u202e"

GOOD = [
    "ann@example.test",
    "root@localhost",
    "o'neill+films@example.test",
    "a..b.@example.test",
    "jürgen@bücher.test",
    "ann@[192.0.2.1]",
    "ann@[IPv6:2001:db8::1]",
    '"ann;eve"@example.test',
]
BAD = [
    ("nobody", "an e-mail address"),
    ("ann@", "an e-mail address"),
    ("ann at home@example.test", "an e-mail address"),
    ("ann@example.test\nBcc: eve@evil.test", "an e-mail address"),
    ("Ann <ann@example.test>", "an e-mail address"),
    ("ann@example.test,eve@evil.test", "an e-mail address"),
    ("ann,eve@example.test", "“,” may not be in it"),
    ("ann;eve@example.test", "“;” may not be in it"),
    ("ann(work)@example.test", "“(” may not be in it"),
    ("friends:ann@example.test", "“:” may not be in it"),
    ('an"n@example.test', '“"” may not be in it'),
    ("an\\n@example.test", "“\\” may not be in it"),
    ("ann@[192.0.2.1", "“[” may not be in it"),
    ("=?utf-8?q?eve=40evil.test=2C?=a@example.test", "“=?” may not be in it"),
    ("ann\x01@example.test", "a control character may not be in it"),
    ("ann\ud800@example.test", "a control character may not be in it"),
]
#: Refused only because no mail could be written to it, and text that every file and form can carry.
UNWRITABLE = ["ann(work)@example.test", "friends:ann@example.test", "=?utf-8?q?eve=40evil.test=2C?=a@example.test"]

signs = st.text(SIGNS, max_size=12)
written_down = st.emails() | st.tuples(signs, signs).map("@".join) | st.text(max_size=12).map(lambda text: f"{text}@example.test")


def written(recipients: str, sender: str = SENDER) -> tuple[EmailMessage, Sequence[str]]:
    """The mail that would be handed to a mail server, and for whom."""
    with patch.object(mail, "deliver", lambda message, addresses, *_, **__: (message, addresses)):
        found: Any = mail.send_test(recipients, Setting(smtp_sender=sender))
        return found


def line_of(message: EmailMessage, name: str, addresses: Sequence[str]) -> str:
    """A line of the head as it goes over the wire, without its folds."""
    is_plain = all(address.isascii() for address in addresses)
    head = message.as_bytes(policy=SMTP.clone(utf8=not is_plain)).partition(b"\r\n\r\n")[0].decode()
    (line,) = [line for line in head.replace("\r\n ", " ").split("\r\n") if line.startswith(f"{name}:")]
    return line.partition(":")[2].strip()


@pytest.mark.parametrize("address", GOOD)
def test_takes_what_a_mail_can_be_written_to(address: str) -> None:
    assert missed(address) == "" and TypeAdapter(Address).validate_python(f" {address} ") == address
    assert recipients_in(address) == [address]


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_says_what_is_wrong_with_what_is_none(text: str, sentence: str) -> None:
    assert missed(text).endswith(sentence) and missed(text).startswith("an e-mail address")
    if sentence == "an e-mail address":
        assert missed(text) == sentence


@quick
@given(written_down)
@example("a@b.")
@example('"a,b"@c')
@example("a@[")
def test_a_mail_goes_to_exactly_what_was_taken(text: str) -> None:
    assume(not missed(text))
    message, addresses = written(text)
    assert addresses == [text] and line_of(message, "To", [text]) == text
    assert smtplib.quoteaddr(text) == f"<{text}>", "what the mail server is told"


@quick
@given(st.lists(written_down.filter(lambda text: not missed(text) and "," not in text), min_size=1, max_size=4))
def test_a_mail_goes_to_all_of_several(texts: list[str]) -> None:
    stored = TypeAdapter(Addresses).validate_python(" ,".join(texts)) if len(", ".join(texts)) < 250 else ", ".join(texts)
    message, addresses = written(stored)
    assert addresses == texts and line_of(message, "To", texts) == ", ".join(texts)


@quick
@given(st.text(SIGNS, max_size=30) | st.text(max_size=30))
def test_whatever_is_stored_is_written_without_more_in_it_or_refused(text: str) -> None:
    try:
        message, addresses = written(text)
    except mail.MailRefused as refused:
        assert "could not be written" in str(refused)
    else:
        assert addresses and all("@" in address for address in addresses)
        assert not any(sign in address for address in addresses for sign in ("\r", "\n", "\0", "=?"))
        sent = message.as_bytes(policy=SMTP.clone(utf8=not all(address.isascii() for address in addresses)))
        assert message_from_bytes(sent).keys() == message.keys() and message["Bcc"] is None


@pytest.mark.parametrize(
    "name", ["", "Streamferry", '"Ferry, of Streams"', "Jürgens Filme", "Acme Inc.", "密" * 80, "=?utf-8?q?J=C3=BCrgen?="]
)
@pytest.mark.parametrize("address", ["panel@example.test", "root@localhost", "jürgen@example.test"])
def test_takes_a_sender_with_a_name(name: str, address: str) -> None:
    assert TypeAdapter(Sender).validate_python(f" {name} <{address}> ") == f"{name} <{address}>".strip()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nobody", "an e-mail address"),
        ("Panel <>", "an e-mail address"),
        ("Panel <panel(1)@example.test>", "“(” may not be in it"),
        ("Ferry, of Streams <panel@example.test>", "put the name in quotes"),
        ("eve@evil.test <panel@example.test>", "put the name in quotes"),
        ("Friends:; <panel@example.test>", "put the name in quotes"),
        ("=?utf-8?q?x=0ABcc:_eve=40evil.test?= <panel@example.test>", "write the name as it is to be read"),
        ("=?utf-8?q?eve=40evil.test=2C?= <panel@example.test>", "write the name as it is to be read"),
    ],
)
def test_says_what_is_wrong_with_a_sender(text: str, sentence: str) -> None:
    assert missed_by_sender(text).endswith(sentence)
    with pytest.raises(ValidationError, match="must be an? "):
        TypeAdapter(Sender).validate_python(text)


@quick
@given(st.text("aéß密 .'=?_+-!:\"", max_size=8).map(lambda name: f"{name}<{SENDER}>"))
@example(f"a.<{SENDER}>")
@example(f":;<{SENDER}>")
def test_a_mail_comes_from_exactly_the_sender_that_was_taken(sender: str) -> None:
    assume(not missed_by_sender(sender))
    message, _ = written("ann@example.test", sender)
    assert getaddresses([message["From"]])[0][1] == SENDER, "what the mail server is told"
    assert [one.addr_spec for one in message_from_bytes(message.as_bytes(policy=SMTP), policy=default)["From"].addresses] == [SENDER]


@quick
@given(st.text("=?ab\n", max_size=12))
def test_a_text_is_not_decoded(text: str) -> None:
    assert "=?" not in not_encoded(text) and not_encoded(text).replace(" ", "") == text


@pytest.mark.parametrize("address", UNWRITABLE)
def test_is_refused_for_a_user_with_a_sentence(app: Flask, address: str) -> None:
    with pytest.raises(users.WrongValue, match="is not an e-mail address that a mail can be written to: .* may not be in it") as wrong:
        users.write(User(), {"name": "Ann", "plex_email": address})
    assert wrong.value.column == "plex_email"


@pytest.mark.parametrize("address", UNWRITABLE)
def test_is_refused_in_its_line_of_a_table_only(app: Flask, address: str) -> None:
    db.session.add_all([User(name="Ann"), User(name="Ben")])
    db.session.commit()
    found = user_emails.preview(f"name,email\nAnn,{address}\nBen,ben@example.test\n")
    assert [(line, sentence.startswith(f"“{address}” is not an e-mail address that")) for line, sentence in found.problems] == [(2, True)]
    assert [(change.line, change.after) for change in found.changes] == [(3, "ben@example.test")]


@pytest.mark.parametrize("address", UNWRITABLE)
def test_is_refused_in_its_line_of_an_estate_file(address: str) -> None:
    people = f"users:\n- name: Ben\n  email: ben@example.test\n- name: Ann\n  email: '{address}'\n"
    text = f"{people}settings:\n  admin_email: 'a@b.test, {address}'\n"
    with pytest.raises(estate.EstateError) as error:
        estate.load(text, {})
    said = str(error.value).splitlines()
    assert [line.partition(": must be an e-mail address that a mail can be written to")[0] for line in said] == [
        "line 5, users[1].email",
        "line 7, settings.admin_email",
    ]


@pytest.mark.parametrize("address", UNWRITABLE)
def test_is_taken_as_it_is_from_a_media_server(app: Flask, address: str) -> None:
    server = Server(name="Cedar", platform=Platform.EMBY, url="http://cedar.example.test", token="key")
    db.session.add(server)
    db.session.flush()
    meet_members(server, [Member("1", "1", "Ann", email=address)], utc_now())
    assert [(user.name, user.emby_email) for user in db.session.scalars(db.select(User))] == [("Ann", address)]


def test_somebody_stored_with_an_odd_address_is_found_and_gets_a_good_one(app: Flask) -> None:
    db.session.add(User(name="Ann", email=UNWRITABLE[0]))
    db.session.commit()
    (change,) = user_emails.preview("name,email\nAnn,ann@example.test\n").changes
    assert (change.before, change.after) == (UNWRITABLE[0], "ann@example.test")
    estate.apply(estate.load("users:\n- name: Ann\n  email: ann@example.test\n", {}))
    assert [user.email for user in db.session.scalars(db.select(User))] == ["ann@example.test"]


@pytest.mark.parametrize("recipient", ["ann,eve@example.test", ":a;[@b", "friends:ann@example.test,x"])
def test_a_mail_to_what_was_stored_earlier_fails_with_a_sentence(app: Flask, recipient: str) -> None:
    row = Email(event=notices.ACCOUNT_MOVED, recipient=recipient, subject="Hello", text="Text", html="<p>Text</p>")
    db.session.add(row)
    db.session.commit()
    mail.send(row.id)
    assert row.status is EmailStatus.FAILED and "check its address" in row.error


@pytest.mark.parametrize("text", ["user@", "a@["])
def test_a_test_mail_from_what_cannot_be_a_sender_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(mail.MailRefused, match="could not be written"):
        written("ann@example.test", text)
