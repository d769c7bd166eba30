"""M13: the result e-mail, sent by SMTP to the administrator when the run ends; without it the run still ends well and says why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.models import EmailTemplate, Migration, Setting, User
from panel.services import mail, report
from panel.simulators.http import Fault
from tests.mission.mailbox import ADMIN, Mailbox, running_mailbox
from tests.mission.stage import cli, document, set_up
from tests.mission.visitor import Visitor, element, words
from tests.scene import Scene


@pytest.fixture
def mailbox(app: Flask) -> Iterator[Mailbox]:
    """A mail server that the installation knows."""
    with running_mailbox() as running:
        yield running


def mixed_run(scene: Scene) -> None:
    """Two move, one lacks an e-mail, one has not paid, one fails."""
    set_up(scene, "jellyfin", "emby", people=("ada", "ben", "cleo", "emil"))
    db.session.scalars(db.select(User).where(User.name == "ben")).one().emby_email = ""
    scene.person("dora", days=(-60, -30))
    scene.target.sim.add_user("emil", "somebody else's", libraries=["Films"])
    db.session.commit()


def part(message: EmailMessage, kind: str) -> str:
    """The text of one part."""
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def attached(message: EmailMessage) -> tuple[str, list[dict[str, str]]]:
    """File name and rows of the one attachment."""
    (attachment,) = message.iter_attachments()
    assert attachment.get_content_type() == "text/csv"
    return str(attachment.get_filename()), list(csv.DictReader(io.StringIO(str(attachment.get_content()))))


def send_all() -> None:
    """As the worker does."""
    for email_id in mail.due():
        mail.send(email_id)


# M13
def test_counts_and_everyone_who_did_not_move_with_the_reason_reach_the_administrator(app: Flask, scene: Scene, mailbox: Mailbox) -> None:
    mixed_run(scene)
    answer = document(cli(app, "migrate-users", "Old", "New", "--wait", "--json"))
    assert answer["email"] == {"sent": True, "reason": ""}
    (message,) = [message for message in mailbox.mails if message["To"] == ADMIN]
    assert message["From"] == "panel@example.test"
    assert "Old" in message["Subject"] and "New" in message["Subject"]
    for kind in ("plain", "html"):
        text = " ".join(part(message, kind).split())
        for name, why in (("ben", "Emby e-mail is missing"), ("dora", "no active subscription"), ("emil", "already has this account name")):
            assert name in text and why in text
    plain = part(message, "plain")
    for label, count in (("total", 5), ("Moved", 2), ("Invited", 0), ("Skipped", 3), ("Failed", 0)):
        assert any(line.split()[-1:] == [str(count)] for line in plain.splitlines() if f"{label}:" in line), (label, plain)
    file_name, rows = attached(message)
    assert file_name == f"migration-{answer['id']}.csv"
    assert {row["user"]: (row["status"], row["reasons"]) for row in rows} == {
        "ada": ("moved", ""),
        "ben": ("skipped", "emby_email_missing"),
        "cleo": ("moved", ""),
        "dora": ("skipped", "no_active_subscription"),
        "emil": ("skipped", "name_taken"),
    }


# M13
def test_who_failed_is_named_with_what_the_platform_said(scene: Scene, mailbox: Mailbox) -> None:
    set_up(scene, "jellyfin", "plex", people=("ada",))
    scene.tv.faults.append(Fault("POST", "/shared_servers", times=None, status=422, body='{"errors": [{"message": "Nobody like that."}]}'))
    run = scene.move()
    send_all()
    assert scene.outcome(run) == {"ada": "failed"}
    (message,) = mailbox.mails
    text = " ".join(part(message, "plain").split())
    assert "ada" in text and "Nobody like that." in text


# M13
def test_it_is_sent_once_however_often_workers_look(scene: Scene, mailbox: Mailbox) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    for _ in range(3):
        scene.finish(run)
        send_all()
    assert len([message for message in mailbox.mails if message["To"] == ADMIN]) == 1


# M13
def test_with_the_template_off_the_run_ends_well_and_says_why_nothing_was_sent(app: Flask, scene: Scene, mailbox: Mailbox) -> None:
    set_up(scene, "jellyfin", "emby")
    db.session.add(EmailTemplate(event="system_message", enabled=False))
    db.session.commit()
    result = cli(app, "migrate-users", "Old", "New", "--wait", "--json")
    assert result.exit_code == 0
    answer = document(result)
    assert answer["status"] == "finished"
    assert answer["email"] == {"sent": False, "reason": "The System Message template is switched off."}
    assert not [message for message in mailbox.mails if message["To"] == ADMIN]
    page = Visitor(app).get(f"/migrations/{answer['id']}")
    assert "Not sent. The System Message template is switched off." in words(page)


# M13
@pytest.mark.parametrize("what", ["refused for good", "nobody answers", "no address", "no server set"])
def test_a_mail_that_cannot_be_sent_never_spoils_the_run_and_the_page_says_why(
    app: Flask, scene: Scene, mailbox: Mailbox, what: str
) -> None:
    set_up(scene, "jellyfin", "emby", people=("ada",))
    setting = Setting.current()
    reasons = {
        "refused for good": "550 Mailbox is gone",
        "nobody answers": "could not be reached",
        "no address": "No administrator address is set.",
        "no server set": "No mail server (SMTP) is set.",
    }
    mailbox.refusal = "550 Mailbox is gone" if what == "refused for good" else ""
    if what == "nobody answers":
        setting.smtp_port = 9
    elif what == "no address":
        setting.admin_email = ""
    elif what == "no server set":
        setting.smtp_host = ""
    db.session.commit()
    run = scene.move()
    send_all()
    db.session.expire_all()
    assert run.status is MigrationStatus.FINISHED
    assert scene.outcome(run) == {"ada": "moved"}
    assert not report.mail_of(run).sent
    assert reasons[what] in report.mail_of(run).reason
    page = Visitor(app).get(f"/migrations/{run.id}")
    assert "Not sent." in words(page) and reasons[what] in words(page)


# M13
@pytest.mark.parametrize("into", ["migration-mail", ""], ids=["with HTMX", "without JavaScript"])
def test_a_button_sends_it_again(app: Flask, scene: Scene, mailbox: Mailbox, into: str) -> None:
    set_up(scene, "jellyfin", "emby", people=("ada",))
    mailbox.refusal = "550 Mailbox is gone"
    run = scene.move()
    send_all()
    visitor = Visitor(app)
    page = visitor.get(f"/migrations/{run.id}")
    assert element(page, "send-mail") and "disabled" not in element(page, "send-mail")
    mailbox.refusal = ""
    answer = visitor.post(f"/migrations/{run.id}/mail", {}, page, into=into)
    assert answer.status_code == (200 if into else 303)
    send_all()
    assert [message["To"] for message in mailbox.mails if message["To"] == ADMIN] == [ADMIN]
    assert report.mail_of(run) == report.MailState(True)
    assert f"Sent to {ADMIN}" in words(visitor.get(f"/migrations/{run.id}"))


# M13
def test_the_button_sends_it_for_the_first_time_once_what_was_missing_is_set(app: Flask, scene: Scene, mailbox: Mailbox) -> None:
    set_up(scene, "jellyfin", "emby", people=("ada",))
    template = EmailTemplate(event="system_message", enabled=False)
    db.session.add(template)
    db.session.commit()
    run = scene.move()
    visitor = Visitor(app)
    page = visitor.get(f"/migrations/{run.id}")
    assert "disabled" in element(page, "send-mail")
    template.enabled = True
    db.session.commit()
    visitor.post(f"/migrations/{run.id}/mail", {}, visitor.get(f"/migrations/{run.id}"))
    send_all()
    assert report.mail_of(db.session.get_one(Migration, run.id)).sent
    assert len([message for message in mailbox.mails if message["To"] == ADMIN]) == 1
