"""The mail server: its form, and trying it with what was typed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Email, EmailStatus, Setting, SmtpSecurity
from panel.services import mail, notices
from tests.mission.mailbox import Mailbox, running_mailbox
from tests.web.asking import by_htmx


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Mailbox]:
    """A mail server the installation knows."""
    with running_mailbox() as running:
        yield running


def typed(**change: object) -> dict[str, object]:
    """A form filled in well."""
    return {
        "smtp_host": "mail.example.test",
        "smtp_port": "2525",
        "smtp_security": "tls",
        "smtp_username": "panel",
        "smtp_password": "a secret of ours",
        "smtp_sender": "Streamferry <panel@example.test>",
        "test_to": "",
        **change,
    }


def here(mailbox: Mailbox, **change: object) -> dict[str, object]:
    """What leads to the mailbox."""
    return typed(smtp_host="127.0.0.1", smtp_port=mailbox.port, smtp_security="none", smtp_username="", smtp_password="", **change)


def test_stores_the_settings_and_never_shows_the_password(ada: FlaskClient) -> None:
    answer = ada.post("/settings/mail", data=typed(), follow_redirects=True)
    row = Setting.current()
    assert (row.smtp_host, row.smtp_port, row.smtp_security, row.smtp_username) == ("mail.example.test", 2525, SmtpSecurity.TLS, "panel")
    assert row.smtp_password == "a secret of ours"
    assert "a secret of ours" not in answer.text and "leave this empty to keep it" in answer.text
    entry = db.session.scalars(db.select(AuditEntry)).one()
    assert entry.action == "mail.edited" and "password was changed" in entry.detail and "secret of ours" not in entry.detail


def test_keeps_the_password_for_the_same_server_only(ada: FlaskClient) -> None:
    ada.post("/settings/mail", data=typed())
    ada.post("/settings/mail", data=typed(smtp_password="", smtp_port="465"))
    assert Setting.current().smtp_password == "a secret of ours"
    for change in ({"smtp_host": "evil.example.test"}, {"smtp_username": "another"}, {"smtp_security": "none"}):
        for address in ("/settings/mail", "/settings/mail/test"):
            answer = ada.post(address, data=typed(smtp_password="", test_to="ada@example.test", **change))
            assert answer.status_code == 422 and "type the password again" in answer.text
    assert Setting.current().smtp_host == "mail.example.test"


def test_forgets_the_password_with_the_user_name(ada: FlaskClient) -> None:
    ada.post("/settings/mail", data=typed())
    ada.post("/settings/mail", data=typed(smtp_username="", smtp_password=""))
    assert Setting.current().smtp_password is None


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("smtp_port", "0", "from 1 to 65535"),
        ("smtp_port", "smtp", "from 1 to 65535"),
        ("smtp_host", "smtp://mail.example.test", "the host alone"),
        ("smtp_sender", "nobody", "must be an e-mail address"),
        ("smtp_sender", "Ferry, of Streams <panel@example.test>", "put the name in quotes"),
        ("smtp_security", "magic", "not a valid choice"),
    ],
)
def test_keeps_what_was_typed_beside_what_is_wrong(ada: FlaskClient, field: str, value: str, sentence: str) -> None:
    answer = ada.post("/settings/mail", data=typed(**{field: value}))
    assert answer.status_code == 422
    assert sentence.casefold() in answer.text.casefold()
    assert "a secret of ours" not in answer.text and 'value="panel"' in answer.text


def test_sends_a_test_mail_with_what_is_typed_before_it_is_saved(ada: FlaskClient, mailbox: Mailbox) -> None:
    before = Setting.current().smtp_sender
    answer = ada.post("/settings/mail/test", data=here(mailbox, test_to="bob@example.test, eve@example.test"), headers=by_htmx("smtp"))
    assert answer.status_code == 200 and answer.text.lstrip().startswith('<form id="smtp"')
    told = f"The mail server 127.0.0.1:{mailbox.port} has taken the mail to bob@example.test, eve@example.test. It answered: 250 "
    assert told in answer.text
    assert mailbox.recipients == [["bob@example.test", "eve@example.test"]]
    assert mailbox.mails[0]["From"] == "Streamferry <panel@example.test>"
    assert Setting.current().smtp_sender == before != "Streamferry <panel@example.test>"


def test_knows_that_mail_works_once_a_server_has_taken_one_with_these_settings(ada: FlaskClient, mailbox: Mailbox) -> None:
    mailbox.refusal = "550 No."
    ada.post("/settings/mail", data=here(mailbox))
    ada.post("/settings/mail/test", data=here(mailbox))
    assert not Setting.current().mail_works
    mailbox.refusal = ""
    ada.post("/settings/mail/test", data=here(mailbox))
    assert Setting.current().mail_works
    ada.post("/settings/mail", data=here(mailbox) | {"smtp_host": "elsewhere.example.test"})
    assert not Setting.current().mail_works


def test_sends_the_test_mail_to_the_administrator_where_nobody_is_named(ada: FlaskClient, mailbox: Mailbox) -> None:
    ada.post("/settings/mail/test", data=here(mailbox))
    assert mailbox.recipients == [["olga@example.test"]]
    Setting.current().admin_email = ""
    db.session.commit()
    answer = ada.post("/settings/mail/test", data=here(mailbox))
    assert answer.status_code == 422 and "Needed for a test mail." in answer.text


def test_shows_what_the_mail_server_itself_answers(ada: FlaskClient, mailbox: Mailbox) -> None:
    mailbox.refusal = "550 No <mail> from you."
    text = ada.post("/settings/mail/test", data=here(mailbox)).text
    assert "refused the mail (550 No &lt;mail&gt; from you.)" in text
    assert mailbox.mails == []


def test_says_so_when_nobody_listens(ada: FlaskClient) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        fields = typed(smtp_host="127.0.0.1", smtp_port=closed.getsockname()[1], test_to="bob@example.test")
        assert "could not be reached" in ada.post("/settings/mail/test", data=fields).text


def test_sends_result_mails_to_all_administrators(app: Flask, mailbox: Mailbox) -> None:
    row = Email(event=notices.SYSTEM_MESSAGE, recipient="ada@example.test, bob@example.test", subject="Result", text="x", html="<p>x</p>")
    Setting.current().smtp_sender = ""
    db.session.add(row)
    db.session.commit()
    mail.send(row.id)
    assert row.status is EmailStatus.SENT and row.error == ""
    assert mailbox.recipients == [["ada@example.test", "bob@example.test"]]
    assert (mailbox.mails[0]["To"], mailbox.mails[0]["From"]) == ("ada@example.test, bob@example.test", "ada@example.test")


def test_says_whom_the_mail_server_left_out(app: Flask, mailbox: Mailbox) -> None:
    async def some_only(_server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address.startswith("bob"):
            return "550 No Bob here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    mailbox.handle_RCPT = some_only  # type: ignore[attr-defined]
    row = Email(event=notices.SYSTEM_MESSAGE, recipient="ada@example.test, bob@example.test", subject="Result", text="x", html="<p>x</p>")
    db.session.add(row)
    db.session.commit()
    mail.send(row.id)
    assert row.status is EmailStatus.SENT
    assert row.error == "Not everybody got it. The mail server refused bob@example.test: 550 No Bob here."
    assert mailbox.recipients == [["ada@example.test"]]


def test_lets_a_viewer_look_only(vic: FlaskClient) -> None:
    assert "<fieldset disabled>" in vic.get("/settings/mail").text
    assert vic.post("/settings/mail/test", data=typed()).status_code == 403
