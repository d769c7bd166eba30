"""Invites that nobody accepts: gone ones fail and can be tried again, late ones are still handled, and people are reminded once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.jobs import housekeeping
from panel.jobs import invites as job
from panel.jobs import sync as sync_job
from panel.models import Email, EmailStatus, Migration, Move, Pacemaker, Setting
from panel.models.types import utc_now
from panel.platforms.base import TooManyRequests
from panel.services import invites as waiting_invites
from panel.services import pace, reminders
from panel.services import run as running
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.invited import remind_after, two_invited
from tests.scene import Scene

__all__ = ["clock"]


@pytest.fixture
def run(scene: Scene) -> Migration:
    """A run that has invited two people to a Plex server of another account."""
    return two_invited(scene)


def move_of(run: Migration, name: str) -> Move:
    db.session.expire_all()
    return next(move for move in run.moves if move.name == name)


def share_of(scene: Scene, name: str) -> Any:
    return next(share for share in scene.tv.shares_of(scene.target.sim) if share.email == f"{name}@example.test")


def test_names_the_day_the_source_access_went_where_the_admin_is(scene: Scene, run: Migration) -> None:
    move_of(run, "ada").taken_at = datetime(2026, 7, 31, 23, 30, tzinfo=UTC)
    Setting.current().time_zone = "Europe/Berlin"
    db.session.commit()
    scene.tv.withdraw(share_of(scene, "ada"))
    job.check(scene.target.row.id)
    assert "The source access was removed on 1 Aug 2026 and is not restored by this." in move_of(run, "ada").detail


def test_a_declined_invite_fails_and_a_retry_invites_again(scene: Scene, run: Migration) -> None:
    scene.tv.withdraw(share_of(scene, "ada"))
    job.check(scene.target.row.id)
    ada = move_of(run, "ada")
    assert (ada.status, ada.retryable) == (MoveStatus.FAILED, True)
    assert "declined or withdrawn, or it has expired" in ada.detail
    assert move_of(run, "ben").status is MoveStatus.INVITED
    assert scene.opened("ada", scene.source) == {"Films"}, "nothing was removed for somebody without access"
    steer.retry(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "invited", "ben": "invited"}
    assert share_of(scene, "ada")


def test_somebody_who_accepts_a_year_later_is_still_handled(
    scene: Scene, run: Migration, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    remind_after(3)
    db.session.query(Email).delete()
    db.session.commit()
    run_id, servers, mails, synced = run.id, {side.row.id for side in scene.sides}, set[int](), set[int]()

    def sync(server_id: int) -> None:
        synced.add(server_id)
        sync_job.sync(server_id)

    for name, done_at_once in (("wake", running.work), ("wake_invites", job.check), ("wake_mail", mails.add), ("wake_sync", sync)):
        monkeypatch.setattr(housekeeping, name, done_at_once)
    for days in (*range(0, 361, 30), 366):
        clock.ahead = timedelta(days=days)
        housekeeping.tick()
        assert scene.outcome(db.session.get_one(Migration, run_id)) == {"ada": "invited", "ben": "invited"}, f"after {days} days"
    assert (synced, len(mails)) == (servers, 2), "all that time the panel was at work; each was reminded once"
    scene.tv.accept(share_of(scene, "ada"))
    for minutes in (6, 12):
        clock.ahead = timedelta(days=366, minutes=minutes)
        housekeeping.tick()
    assert scene.outcome(db.session.get_one(Migration, run_id)) == {"ada": "moved", "ben": "invited"}
    assert [scene.source.sim.user(name).policy["IsDisabled"] for name in ("ada", "ben")] == [True, False]


def test_an_accepted_share_that_somebody_changed_is_not_waited_for_forever(scene: Scene, run: Migration) -> None:
    share = share_of(scene, "ada")
    scene.tv.accept(share)
    share.section_ids = [section.id for section in scene.target.sim.sections]
    job.check(scene.target.row.id)
    ada = move_of(run, "ada")
    assert (ada.status, ada.retryable) == (MoveStatus.FAILED, True)
    steer.retry(run)
    db.session.commit()
    scene.finish(run)
    assert move_of(run, "ada").status is MoveStatus.MOVED
    assert scene.opened("ada") == {"Films", "Shows"}


def test_a_throttled_account_is_left_alone_while_it_cools_down(scene: Scene, run: Migration) -> None:
    scene.tv.faults.append(Fault(status=429, headers={"Retry-After": "60"}, times=1))
    with pytest.raises(TooManyRequests):
        check_invites(scene.target.row)
    assert pace.cooling_until([scene.target.row]) is not None
    scene.tv.journal.clear()
    with pytest.raises(TooManyRequests, match="asked to slow down"):
        check_invites(scene.target.row)
    assert not scene.tv.journal
    db.session.get_one(Pacemaker, pace.name_of(scene.target.row)).cool_until = utc_now()
    scene.tv.accept(share_of(scene, "ada"))
    assert check_invites(scene.target.row) == [run.id]


def test_a_reminder_goes_out_once_after_the_days_that_are_set(scene: Scene, run: Migration) -> None:
    move_of(run, "ada").given_at = utc_now() - timedelta(days=3, minutes=1)
    remind_after(3)
    db.session.query(Email).delete()
    db.session.commit()
    mails = reminders.remind_due()
    assert [mail.recipient for mail in mails] == ["ada@example.test"]
    mails[0].status = EmailStatus.SENT
    db.session.commit()
    assert reminders.remind_due() == [], "once is enough"
    move_of(run, "ben").given_at = utc_now() - timedelta(days=400)
    remind_after(0)
    db.session.commit()
    assert reminders.remind_due() == [], "switched off"


@pytest.mark.parametrize(("attempts", "again"), [(4, ["ada@example.test"]), (1, [])], ids=["was tried in vain", "has refused it"])
def test_a_reminder_is_written_anew_a_day_later_where_the_mail_server(run: Migration, attempts: int, again: list[str]) -> None:
    move_of(run, "ada").given_at = utc_now() - timedelta(days=4)
    remind_after(3)
    db.session.query(Email).delete()
    db.session.commit()
    (reminder,) = reminders.remind_due()
    reminder.status, reminder.attempts = EmailStatus.FAILED, attempts
    db.session.commit()
    assert reminders.remind_due() == [], "not at once"
    move_of(run, "ada").reminded_at = utc_now() - timedelta(days=1, minutes=1)
    db.session.commit()
    anew = reminders.remind_due()
    assert [mail.recipient for mail in anew] == again
    assert reminders.remind_due() == []
    for _ in range(20):
        for mail in anew:
            mail.status, mail.attempts = EmailStatus.FAILED, attempts
        db.session.commit()
        move_of(run, "ada").reminded_at = utc_now() - timedelta(days=1, minutes=1)
        db.session.commit()
        anew = reminders.remind_due()
    assert db.session.query(Email).count() == (1 + reminders.MOST_AGAIN if again else 1), "not for ever"


def test_who_was_reminded_by_hand_is_not_reminded_again_by_itself(run: Migration) -> None:
    remind_after(3)
    db.session.query(Email).delete()
    for name, minutes in (("ada", -1), ("ben", 1)):
        move_of(run, name).given_at = utc_now() - timedelta(days=3, minutes=minutes)
    db.session.commit()
    by_hand = waiting_invites.remind(move_of(run, "ada"))
    by_hand.status = EmailStatus.SENT
    db.session.commit()
    move_of(run, "ada").given_at = utc_now() - timedelta(days=3, minutes=1)
    db.session.commit()
    assert [mail.recipient for mail in reminders.remind_due()] == ["ben@example.test"]
    assert move_of(run, "ada").reminded_at is not None
    again = waiting_invites.remind(move_of(run, "ada"))
    assert again.recipient == "ada@example.test", "by hand, as often as somebody wants"


def test_a_reminder_that_is_refused_is_not_taken_for_one(run: Migration) -> None:
    Setting.current().smtp_host = "mail.example.test"
    db.session.commit()
    assert waiting_invites.remind(move_of(run, "ben")).status is EmailStatus.QUEUED
    with pytest.raises(waiting_invites.NotNow):
        waiting_invites.remind(move_of(run, "ben"))
