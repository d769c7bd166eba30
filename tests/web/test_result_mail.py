"""The result mail is sent once: “Send again” waits for a sender that is at it, and one that was overtaken changes nothing."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.demo.mail_server import MailServer
from panel.extensions import db
from panel.models import Email, EmailStatus, Migration
from panel.services import mail, notices, report
from tests.clock import Clock, clock
from tests.mission.mailbox import Mailbox, tell
from tests.scene import Scene
from tests.web.asking import by_htmx

__all__ = ["clock"]

pytestmark = pytest.mark.usefixtures("worker")

DISABLED = f'id="send-mail" disabled title="{mail.BEING_SENT}"'
TAKEN, LATER = "250 Taken", "451 Later"


class Deliberate(Mailbox):
    """Says nothing to a message before it is told what."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Future[str]] = []
        self.arrived = threading.Semaphore(0)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """One mail, taken or not."""
        answer: Future[str] = Future()
        self.asked.append(answer)
        self.arrived.release()
        return await asyncio.wrap_future(answer)


Begin = Callable[[], Future[None]]


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Deliberate]:
    """The installation is told of it."""
    mailbox = Deliberate()
    server = MailServer(mailbox)
    server.start()
    tell(server.port)
    yield mailbox
    for answer in mailbox.asked:
        if not answer.done():
            answer.set_result(LATER)
    server.stop()


@pytest.fixture
def run(pair: Scene, mailbox: Deliberate) -> Migration:
    """One that has ended; its mail waits in the outbox, and no other."""
    run = pair.start()
    pair.finish(run)
    db.session.execute(db.delete(Email).where(Email.event != notices.SYSTEM_MESSAGE))
    db.session.commit()
    return run


@pytest.fixture
def begin(app: Flask, run: Migration, mailbox: Deliberate) -> Iterator[Begin]:
    """Has a worker send the mail, up to where the mail server has all of it and is silent."""
    email_id = mail_of(run).id

    def send() -> None:
        with app.app_context():
            mail.send(email_id)

    with ThreadPoolExecutor(2) as workers:

        def begun() -> Future[None]:
            sender = workers.submit(send)
            assert mailbox.arrived.acquire(timeout=30)
            return sender

        yield begun
        for answer in mailbox.asked:
            if not answer.done():
                answer.set_result(LATER)


def mail_of(run: Migration) -> Email:
    """As it stands now."""
    db.session.rollback()
    db.session.expire_all()
    row = report.result_mail(run.id)
    assert row
    return row


@pytest.mark.parametrize(("answer", "status"), [(TAKEN, EmailStatus.SENT), (LATER, EmailStatus.QUEUED)])
def test_it_is_not_sent_again_while_it_is_being_sent(
    ada: FlaskClient, run: Migration, mailbox: Deliberate, begin: Begin, answer: str, status: EmailStatus
) -> None:
    sender = begin()
    assert DISABLED in ada.get(f"/migrations/{run.id}").text
    refused = ada.post(f"/migrations/{run.id}/mail", headers=by_htmx("migration-mail"))
    assert refused.status_code == 422 and mail.BEING_SENT in refused.text
    row = mail_of(run)
    assert row.status is EmailStatus.SENDING and mail.send_again(row) == mail.BEING_SENT
    assert mail_of(run).status is EmailStatus.SENDING and not mail.due()
    mailbox.asked[0].set_result(answer)
    sender.result(30)
    row = mail_of(run)
    assert (row.status, row.attempts) == (status, 1) and ("451" in row.error) is (answer == LATER)
    assert DISABLED not in ada.get(f"/migrations/{run.id}").text


@pytest.mark.parametrize("answer", [TAKEN, LATER, "550 No"])
@pytest.mark.parametrize("wakes_up", ["before it is sent again", "while it is sent again", "after that"])
def test_a_sender_that_slept_until_it_was_sent_again_changes_nothing(
    ada: FlaskClient,
    run: Migration,
    mailbox: Deliberate,
    begin: Begin,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    wakes_up: str,
    answer: str,
) -> None:
    sleeper = begin()

    def wakes() -> None:
        mailbox.asked[0].set_result(answer)
        with caplog.at_level(logging.WARNING, mail.__name__):
            sleeper.result(30)

    clock.ahead = mail.LASTS + timedelta(seconds=1)
    assert DISABLED not in ada.get(f"/migrations/{run.id}").text, "also where nobody has said yet that it is lost"
    assert not mail.due() and mail_of(run).error == mail.LOST
    assert ada.post(f"/migrations/{run.id}/mail").status_code == 303
    if wakes_up == "before it is sent again":
        wakes()
        row = mail_of(run)
        assert (row.status, row.attempts, row.error, mail.due()) == (EmailStatus.QUEUED, 0, "", [row.id])
    other = begin()
    if wakes_up == "while it is sent again":
        wakes()
        row = mail_of(run)
        assert (row.status, row.attempts, row.error) == (EmailStatus.SENDING, 1, "")
    mailbox.asked[1].set_result(TAKEN)
    other.result(30)
    if wakes_up == "after that":
        wakes()
    row = mail_of(run)
    assert (row.status, row.attempts, row.error, mail.due()) == (EmailStatus.SENT, 1, "", []) and row.sent_at
    assert [record.message for record in caplog.records].count(
        f"Mail {row.id} was put back into the outbox while it was being sent: how that went is not recorded."
    ) == 1
