"""The periodic check: one host's turn is nobody else's, a chore that fails keeps no other from being done, and a reminder goes out."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from panel.config import Config
from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.jobs import housekeeping
from panel.models import Email, EmailStatus, Migration, Move, Pacemaker, Server, Setting
from panel.models.types import utc_now
from panel.services import invites, mail, reminders
from panel.services.sync import progress
from tests.databases import BOTH
from tests.fixtures import app, config, database_kind, scene, tv
from tests.flask_up import flask_up, power_cut
from tests.invited import remind_after, two_invited
from tests.mission.mailbox import running_mailbox
from tests.processes import wait_until
from tests.scene import Scene

__all__ = ["app", "config", "database_kind", "scene", "tv"]


@pytest.fixture
def run(scene: Scene) -> Migration:
    """A run that has invited two people to a Plex server of another account, 4 days ago; nobody has a mail."""
    done = two_invited(scene)
    for move in done.moves:
        move.given_at = utc_now() - timedelta(days=4)
    db.session.query(Email).delete()
    remind_after(3)
    db.session.commit()
    return done


class TestTwoHosts:
    """Whose ticks fall on the same moment, on both databases."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    @pytest.mark.parametrize("before", ["never asked", "asked long ago"])
    def test_ask_an_account_once_and_both_do_all_their_chores(
        self, app: Flask, run: Migration, monkeypatch: pytest.MonkeyPatch, before: str
    ) -> None:
        name = f"invites:{run.target_id}"
        if before == "asked long ago":
            db.session.add(Pacemaker(name=name, last_turn_at=utc_now() - timedelta(hours=1)))
            db.session.commit()
        asked: list[int] = []
        monkeypatch.setattr(housekeeping, "wake_invites", lambda server_id: asked.append(server_id) or True)
        done = at_the_same_moment(app, monkeypatch, name)
        assert asked == [run.target_id]
        assert done == ["done", "done"]

    def test_sync_a_server_once(self, app: Flask, run: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
        for server in db.session.scalars(db.select(Server)):
            server.synced_at = utc_now() - timedelta(days=30)
        db.session.query(Pacemaker).delete()
        Setting.current().sync_every_h = 24
        db.session.commit()
        woken: list[int] = []
        monkeypatch.setattr(housekeeping, "wake_sync", lambda server_id: woken.append(server_id) or True)
        done = at_the_same_moment(app, monkeypatch, f"sync:{run.source_id}")
        assert sorted(woken) == sorted([run.source_id, run.target_id])
        assert done == ["done", "done"]


def at_the_same_moment(app: Flask, monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Two ticks, both of which have just looked whose turn `name` is; answers how they ended."""
    for wake in ("wake", "wake_mail"):
        monkeypatch.setattr(housekeeping, wake, lambda *_: True)
    found, ends, both = set[int](), list[str](), threading.Barrier(2, timeout=30)
    session_type = type(db.session())
    get = session_type.get

    def looked(self: object, model: type, key: object, **options: object) -> object:
        row = get(self, model, key, **options)  # type: ignore[arg-type]
        if key == name and threading.get_ident() not in found:
            found.add(threading.get_ident())
            both.wait()
        return row

    monkeypatch.setattr(session_type, "get", looked)

    def tick() -> None:
        with app.app_context():
            try:
                housekeeping.tick()
                ends.append("done")
            except Exception as error:
                ends.append(repr(error))

    hosts = [threading.Thread(target=tick) for _ in range(2)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join(60)
    assert len(found) == 2, "both have looked"
    return ends


def test_one_chore_that_fails_each_time_keeps_no_other_from_being_done(
    run: Migration, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source_id, target_id = run.source_id, run.target_id
    db.session.get_one(Server, source_id).sync_queued_at = utc_now() - timedelta(hours=1)
    db.session.commit()
    woken: list[str] = []
    for wake in ("wake", "wake_mail", "wake_invites", "wake_sync"):
        monkeypatch.setattr(housekeeping, wake, lambda row_id, what=wake: woken.append(f"{what} {row_id}") or True)

    def fails() -> list[Email]:
        # What it has written by then is not to be stored with what comes after it.
        db.session.add(Email(event="x", recipient="half@example.test"))
        db.session.flush()
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(reminders, "remind_due", fails)
    monkeypatch.setattr(mail, "due", fails)
    housekeeping.tick()
    assert woken == [f"wake_invites {target_id}", f"wake_sync {source_id}"]
    assert "send mails failed" in caplog.text and "remind failed" in caplog.text
    assert caplog.text.count("RuntimeError: nobody foresaw this") == 1, "the same is not told at length twice"
    assert db.session.query(Email).count() == 0


def first_mail(run: Migration, name: str, **columns: object) -> Move:
    """Somebody's mail of back then, as it stands."""
    move = next(move for move in run.moves if move.name == name)
    db.session.add(Email(event="account_moved", migration_id=run.id, move_id=move.id, recipient=f"{name}@example.test", **columns))
    db.session.commit()
    return move


def test_whoever_has_a_first_mail_that_died_on_the_way_is_reminded_all_the_same(run: Migration) -> None:
    long_ago = utc_now() - timedelta(days=4)
    ada = first_mail(run, "ada", status=EmailStatus.SENDING, created_at=long_ago)
    mails = reminders.remind_due()
    assert sorted(mail.recipient for mail in mails) == ["ada@example.test", "ben@example.test"]
    assert ada.reminded_at is not None
    assert db.session.query(Email).filter_by(status=EmailStatus.SENDING).count() == 1, "the first one is left as it is"


def test_whoever_has_a_mail_on_the_way_at_this_moment_is_not_written_to_beside_it(run: Migration) -> None:
    # Nobody was there to send it until now.
    first_mail(run, "ada", status=EmailStatus.QUEUED, created_at=utc_now() - timedelta(days=4))
    on_its_way = db.session.query(Email).one()
    seen: list[list[str]] = []

    def remind() -> None:
        seen.append([mail.recipient for mail in reminders.remind_due()])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mail, "deliver", lambda *_args, **_options: remind() or mail.Taken("", "250 Taken"))
        mail.send(on_its_way.id)
    assert seen == [["ben@example.test"]]
    assert db.session.get_one(Email, on_its_way.id, populate_existing=True).status is EmailStatus.SENT
    assert [mail.recipient for mail in reminders.remind_due()] == ["ada@example.test"]


def test_nothing_is_written_about_those_whose_mail_is_on_the_way(run: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ada", "ben"):
        first_mail(run, name, status=EmailStatus.QUEUED)
    monkeypatch.setattr(invites, "remind", lambda move: pytest.fail(f"{move.name} is taken up at every tick"))
    assert reminders.remind_due() == []


def test_a_reminder_goes_out_by_itself(config: Config, scene: Scene, run: Migration, tmp_path: Path) -> None:
    with running_mailbox() as mailbox:
        Setting.current().admin_email = ""
        ben = next(move for move in run.moves if move.name == "ben")
        ben.given_at = utc_now() - timedelta(days=2)
        db.session.commit()
        with flask_up(config, tmp_path / "up.log", end=power_cut):
            wait_until(lambda: mailbox.mails)
            wait_until(lambda: statuses() == [EmailStatus.SENT])
            # Another tick has passed once this is done, and yet another with the sync of the second server.
            for server_id in (run.source_id, run.target_id):
                wait_until(lambda server_id=server_id: is_synced_anew(server_id))
        assert mailbox.recipients == [["ada@example.test"]]
        (message,) = mailbox.mails
        assert "New" in message["Subject"] + message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    db.session.expire_all()
    assert [(move.name, move.status, move.reminded_at is not None) for move in run.moves] == [
        ("ada", MoveStatus.INVITED, True),
        ("ben", MoveStatus.INVITED, False),
    ]


def statuses() -> list[EmailStatus]:
    db.session.rollback()
    return list(db.session.scalars(db.select(Email.status)))


_wanted: dict[int, object] = {}


def is_synced_anew(server_id: int) -> bool:
    """Whether a tick has found that a sync of this server was wanted since this was first asked, and a worker has done it."""
    db.session.rollback()
    server = db.session.get_one(Server, server_id, populate_existing=True)
    if server_id not in _wanted:
        _wanted[server_id] = server.synced_at
        assert progress.queue(server)
        server.sync_queued_at = utc_now() - progress.LOST_AFTER - timedelta(seconds=1)
        db.session.commit()
        return False
    return server.synced_at != _wanted[server_id]


def test_nothing_is_locked_after_a_chore(run: Migration, config: Config) -> None:
    path = config.database_url.removeprefix("sqlite:///")

    def others_can_write() -> bool:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other, suppress(sqlite3.OperationalError):
            other.execute("BEGIN IMMEDIATE")
            return True
        return False

    db.session.commit()
    for chore in housekeeping.CHORES:
        chore()
        assert others_can_write(), chore.__name__
