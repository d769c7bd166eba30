"""A mail is sent once: whatever a mail server answers, or does not answer, after it has the message."""

from __future__ import annotations

import base64
import hmac
import select
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from flask import Flask
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from panel.demo.mail_server import MailServer
from panel.extensions import db
from panel.models import Email, EmailStatus, Setting
from panel.models.types import utc_now
from panel.services import mail
from panel.services.report import mail_of
from tests.fixtures import app, config, database_kind, scene, tv
from tests.mission.mailbox import ADMIN, Mailbox, tell
from tests.scene import Scene

__all__ = ["app", "config", "database_kind", "scene", "tv"]

UMLAUT = ("straße@example.test", "pässwört 密码")


class Odd(threading.Thread):
    """A mail server that takes every message, up to its oddness: `after_quit` and `after_message` are what it answers to those (empty:
    it hangs up), `at_data` the same for DATA; `hangs_up_within`: in the middle of the message; `silent_s`: seconds before it answers to
    the message, unless the client gives it up before; `offers`: a way to sign in."""

    def __init__(self, **oddness: Any) -> None:
        super().__init__(daemon=True)
        self.after_message, self.after_quit, self.at_data = "250 2.0.0 Ok: queued as 4F2", "221 Bye", "354 Go ahead"
        self.hangs_up_within, self.silent_s, self.offers = False, 0.0, ""
        self.__dict__.update(oddness)
        self.messages: list[bytes] = []
        self.signed_in: list[str] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self) -> None:
        """One client after another."""
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, client.makefile("rwb") as file:
                try:
                    self._serve(client, file)
                except OSError:
                    continue

    def _serve(self, client: socket.socket, file: Any) -> None:
        self._say(file, "220 odd.example.test")
        while line := file.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"EHLO":
                self._say(file, f"250-odd\r\n250 AUTH {self.offers}" if self.offers else "250 odd")
            elif word == b"AUTH":
                self._say(file, "334 " + base64.b64encode(b"<1.2@odd>").decode())
                self.signed_in.append(base64.b64decode(file.readline()).decode(errors="replace"))
                self._say(file, "235 Welcome")
            elif word == b"DATA" and not self._take(client, file):
                return
            elif word == b"QUIT":
                if self.after_quit:
                    self._say(file, self.after_quit)
                return
            elif word not in (b"DATA",):
                self._say(file, "250 Ok")

    def _take(self, client: socket.socket, file: Any) -> bool:
        if not self.at_data:
            return False
        self._say(file, self.at_data)
        if not self.at_data.startswith("354"):
            return True
        message = b""
        while (line := file.readline()) not in (b".\r\n", b""):
            message += line
            if self.hangs_up_within:
                return False
        self.messages.append(message)
        if self.silent_s:
            select.select([client], [], [], self.silent_s)
        if self.after_message:
            self._say(file, self.after_message)
        return bool(self.after_message)

    @staticmethod
    def _say(file: Any, words: str) -> None:
        file.write(words.encode() + b"\r\n")
        file.flush()


@pytest.fixture
def server() -> Iterator[list[Odd]]:
    """The odd servers of a test, which are closed after it."""
    servers: list[Odd] = []
    yield servers
    for each in servers:
        # Whoever waits for a client there is woken: its number may be that of another socket soon.
        each.socket.shutdown(socket.SHUT_RDWR)
        each.socket.close()


def odd(servers: list[Odd], **oddness: Any) -> Odd:
    """One that the installation is told of."""
    servers.append(Odd(**oddness))
    tell(servers[-1].port)
    return servers[-1]


def put_in_outbox() -> Email:
    row = Email(event="system_message", recipient=ADMIN, subject="Run 1", text=".a line that begins with a dot\n..\n", html="<p>x</p>")
    db.session.add(row)
    db.session.commit()
    return row


def sent_as_often_as_due(row: Email) -> Email:
    """The row once nothing would be sent any more; waits are left out."""
    for _ in range(10):
        db.session.refresh(row)
        if row.status is not EmailStatus.QUEUED:
            break
        row.not_before = None
        db.session.commit()
        for email_id in mail.due():
            mail.send(email_id)
    db.session.refresh(row)
    return row


@pytest.mark.parametrize("answer", ["221 Bye", "421 4.4.2 Closing", "", "nonsense"])
def test_what_a_server_does_at_the_farewell_changes_nothing(app: Flask, server: list[Odd], answer: str) -> None:
    there = odd(server, after_quit=answer)
    row = sent_as_often_as_due(put_in_outbox())
    assert (row.status, row.error, row.attempts) == (EmailStatus.SENT, "", 1) and row.sent_at
    assert len(there.messages) == 1
    assert Setting.current().mail_works


@pytest.mark.parametrize("oddness", [{"after_message": ""}, {"after_message": "nonsense"}, {"silent_s": 60.0}], ids=str)
def test_a_message_without_an_answer_is_left_to_a_person(
    app: Flask, server: list[Odd], oddness: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "ANSWER_S", 0.2)
    there = odd(server, **oddness)
    row = sent_as_often_as_due(put_in_outbox())
    assert row.status is EmailStatus.SENDING and row.sent_at is None and row.attempts == 1
    assert "did not say whether it took it" in row.error and "may have arrived" in row.error
    assert len(there.messages) == 1 and not mail.due() and not Setting.current().mail_works
    there.after_message, there.silent_s = "250 Ok", 0.0
    mail.send_again(row)
    db.session.commit()
    assert sent_as_often_as_due(row).status is EmailStatus.SENT and len(there.messages) == 2


def test_the_answer_to_the_message_is_waited_for_longer_than_the_others(
    app: Flask, server: list[Odd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 1.5)
    there = odd(server, silent_s=3.0)
    assert sent_as_often_as_due(put_in_outbox()).status is EmailStatus.SENT and len(there.messages) == 1
    assert mail.ANSWER_S >= 120


@pytest.mark.parametrize(
    "oddness", [{"hangs_up_within": True}, {"at_data": ""}, {"at_data": "451 Later"}, {"after_message": "451 Later"}], ids=str
)
def test_what_was_certainly_not_taken_is_tried_again(app: Flask, server: list[Odd], oddness: dict[str, Any]) -> None:
    there = odd(server, **oddness)
    row = put_in_outbox()
    # More than fits between the two of them while nobody reads.
    row.attachment_name, row.attachment = "report.csv", "x" * (12_000_000 if there.hangs_up_within else 1)
    db.session.commit()
    mail.send(row.id)
    db.session.refresh(row)
    assert row.status is EmailStatus.QUEUED and row.not_before and row.error
    there.hangs_up_within, there.at_data, there.after_message, row.attachment = False, "354 Go ahead", "250 Ok", "x"
    db.session.commit()
    row = sent_as_often_as_due(row)
    assert (row.status, row.error, row.attempts) == (EmailStatus.SENT, "", 2)


@pytest.mark.parametrize("answer", ["250 2.0.0 Ok", "252 Taken"])
def test_a_message_arrives_as_it_was_written(app: Flask, server: list[Odd], answer: str) -> None:
    there = odd(server, after_message=answer)
    assert sent_as_often_as_due(put_in_outbox()).status is EmailStatus.SENT
    assert b"\r\n..a line that begins with a dot\r\n...\r\n" in there.messages[0], "dots are doubled on the way"


def test_a_run_says_that_its_mail_may_have_arrived(scene: Scene, server: list[Odd]) -> None:
    odd(server, after_message="")
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada", email="", plex_email="", emby_email="")
    run = scene.move()
    (email_id,) = mail.due()
    mail.send(email_id)
    db.session.expire_all()
    state = mail_of(run)
    assert not state.sent and "may have arrived" in state.reason


class Doorkeeper:
    """Lets in whoever has this user name and password."""

    def __init__(self, user: str, password: str) -> None:
        self.known = user.encode(), password.encode()

    def __call__(self, server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        """What aiosmtpd asks."""
        return AuthResult(success=isinstance(given, LoginPassword) and (given.login, given.password) == self.known, handled=False)


@pytest.fixture(params=["PLAIN", "LOGIN"])
def mailbox(app: Flask, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A real mail server that takes mail from one user only, who signs in by this way."""
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[request.param]
    monkeypatch.setattr(
        Controller,
        "factory",
        lambda self: SMTP(
            self.handler, authenticator=Doorkeeper(*UMLAUT), auth_required=True, auth_require_tls=False, auth_exclude_mechanism=[other]
        ),
    )
    mailbox = Mailbox()
    server = MailServer(mailbox)
    server.start()
    mailbox.port = server.port
    tell(mailbox.port)
    yield mailbox
    server.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize("password", [UMLAUT[1], "wröng"])
def test_user_name_and_password_may_be_of_any_script(mailbox: Mailbox, password: str) -> None:
    setting = Setting.current()
    setting.smtp_username, setting.smtp_password = UMLAUT[0], password
    db.session.commit()
    row = sent_as_often_as_due(put_in_outbox())
    if password == UMLAUT[1]:
        assert row.status is EmailStatus.SENT and len(mailbox.mails) == 1
    else:
        assert row.status is EmailStatus.FAILED and "refused the user name or password" in row.error and not mailbox.mails


def test_a_keyed_digest_is_made_of_the_password_in_utf_8(app: Flask, server: list[Odd]) -> None:
    there = odd(server, offers="CRAM-MD5")
    setting = Setting.current()
    setting.smtp_username, setting.smtp_password = UMLAUT
    db.session.commit()
    assert sent_as_often_as_due(put_in_outbox()).status is EmailStatus.SENT
    assert there.signed_in == [f"{UMLAUT[0]} {hmac.new(UMLAUT[1].encode(), b'<1.2@odd>', 'md5').hexdigest()}"]


@pytest.mark.parametrize(("column", "value"), [("smtp_host", "no\ufffehost..example"), ("smtp_username", "half a pair \ud800")])
def test_what_cannot_be_sent_as_it_is_fails_with_a_sentence(
    app: Flask, server: list[Odd], monkeypatch: pytest.MonkeyPatch, column: str, value: str
) -> None:
    odd(server, offers="CRAM-MD5")
    row = put_in_outbox()
    asked = mail._setting_by_itself

    def setting() -> Setting:
        found = asked()
        found.smtp_username, found.smtp_password = "panel", "secret"
        setattr(found, column, value)
        return found

    monkeypatch.setattr(mail, "_setting_by_itself", setting)
    mail.send(row.id)
    db.session.refresh(row)
    assert row.status is EmailStatus.FAILED and "look at host, user name, password" in row.error


def test_a_mail_server_is_not_asked_inside_a_transaction(app: Flask, server: list[Odd], monkeypatch: pytest.MonkeyPatch) -> None:
    there = odd(server)
    row = put_in_outbox()
    seen: list[bool] = []
    genuine = mail.deliver

    def deliver(message: Any, addresses: list[str], setting: Setting, *, hurried: bool = False) -> mail.Taken:
        seen.append(db.session().in_transaction())
        return genuine(message, addresses, setting, hurried=hurried)

    monkeypatch.setattr(mail, "deliver", deliver)
    mail.send(row.id)
    assert seen == [False] and len(there.messages) == 1


def test_one_that_was_sent_and_is_to_be_sent_again_is_not_said_to_be_sent(app: Flask, server: list[Odd]) -> None:
    odd(server)
    row = sent_as_often_as_due(put_in_outbox())
    assert row.status is EmailStatus.SENT and row.sent_at
    assert mail.send_again(row) == "" and row.status is EmailStatus.QUEUED and row.sent_at is None


def test_one_whose_sender_died_before_the_clock_was_put_back_is_lost_at_once(app: Flask) -> None:
    row = put_in_outbox()
    row.status, row.not_before = EmailStatus.SENDING, utc_now() + timedelta(days=30)
    db.session.commit()
    assert mail.due() == []
    db.session.refresh(row)
    assert row.error == mail.LOST and mail.why_not_again(row) == ""


@pytest.mark.parametrize("error", [OperationalError, InternalError])
def test_a_database_that_is_busy_while_a_mail_is_written_fails_none(
    app: Flask, server: list[Odd], monkeypatch: pytest.MonkeyPatch, error: type[DBAPIError]
) -> None:
    odd(server)
    row, genuine, busy = put_in_outbox(), mail.recipients_in, [True]

    def recipients_in(typed: str) -> list[str]:
        if busy.pop() if busy else False:
            raise error("SELECT", {}, Exception("The database is locked."))
        return genuine(typed)

    monkeypatch.setattr(mail, "recipients_in", recipients_in)
    mail.send(row.id)
    db.session.refresh(row)
    assert row.status is EmailStatus.QUEUED and "database" in row.error
    assert sent_as_often_as_due(row).status is EmailStatus.SENT
