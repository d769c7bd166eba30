"""Runs that begin later, and further rounds for those an earlier one has left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Email, Migration, Move, Pacemaker, Server, Setting
from panel.models.types import utc_now
from panel.services import report
from panel.services import run as running
from panel.services.preflight import Preflight
from panel.services.run import rounds as rounds_module
from panel.services.run import steer
from panel.services.run.give import Giving
from panel.services.run.rounds import next_round_of
from panel.services.run.rows import Wait
from panel.services.run.start import Schedule, start
from panel.simulators.http import Fault
from tests.run.test_judged_again import move_of, put_off, retry
from tests.run.test_steering import PEOPLE, Press, set_up, work_until
from tests.scene import Scene
from tests.watched import by_hand


@pytest.fixture
def stage(scene: Scene) -> Scene:
    """Two servers, one who can move, and one who has not paid."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    scene.person("ben", days=(-40, -10))
    return scene


def start_with(scene: Scene, schedule: Schedule) -> Migration:
    run = start(scene.preflight(), schedule)
    db.session.commit()
    return run


def hold_of(scene: Scene) -> int | None:
    return db.session.scalar(db.select(Server.migration_id).where(Server.id == scene.source.row.id))


def make_due(run: Migration) -> None:
    run.start_at = run.wake_at = utc_now() - timedelta(seconds=1)
    db.session.commit()


def test_a_run_that_begins_later_holds_nothing_and_does_nothing_until_then(stage: Scene) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    assert hold_of(stage) is None
    assert run.id not in running.due()
    left = running.work(run.id)
    assert left.wake_at == run.start_at
    assert run.status is MigrationStatus.QUEUED
    assert stage.opened("ada") is None
    assert report.run_line(run)["waiting_until"] == run.start_at.isoformat()


@pytest.mark.parametrize("nth", range(1, 9))
def test_after_a_request_to_slow_down_nothing_more_is_asked_of_the_account(scene: Scene, nth: int) -> None:
    first = scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New", owner=first.owner)
    scene.person("ada")
    run = start(scene.preflight(pace_s=0.0), Schedule(start_at=utc_now() + timedelta(hours=5)))
    make_due(run)
    scene.tv.journal.clear()
    scene.tv.faults.append(Fault(skip=nth - 1, status=429))
    left = running.work(run.id)
    asked = [entry.status for entry in scene.tv.journal]
    assert asked[nth - 1 :] == [429]
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(seconds=20)
    db.session.execute(update(Pacemaker).values(cool_until=None, last_turn_at=None))
    run.wake_at = None
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}


def test_who_moves_is_found_out_when_it_begins(stage: Scene) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    stage.person("cleo")
    make_due(run)
    assert run.id in running.due()
    stage.finish(run)
    assert stage.outcome(run) == {"ada": "moved", "cleo": "moved", "ben": "skipped"}
    assert hold_of(stage) is None


def test_a_run_whose_time_has_come_waits_for_its_servers(stage: Scene) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    other = stage.start()
    make_due(run)
    left = running.work(run.id)
    assert left.wake_at is not None
    assert run.status is MigrationStatus.QUEUED
    stage.finish(other)
    run.wake_at = None
    db.session.commit()
    stage.finish(run)
    assert run.status is MigrationStatus.FINISHED


def test_one_that_is_cancelled_before_it_begins_ends_without_a_mail(stage: Scene) -> None:
    setting = Setting.current()
    setting.admin_email, setting.smtp_host = "admin@example.test", "mail.example.test"
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    steer.cancel(run)
    db.session.commit()
    stage.finish(run)
    assert (run.status, run.ended_at is not None) == (MigrationStatus.CANCELLED, True)
    assert db.session.query(Email).count() == 0
    assert "before it began" in report.mail_of(run).reason


def test_one_that_is_paused_and_resumed_before_it_begins_still_begins_at_its_time(stage: Scene) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    steer.pause(run)
    db.session.commit()
    make_due(run)
    assert running.work(run.id).wake_at is None
    steer.resume(run)
    db.session.commit()
    stage.finish(run)
    assert stage.outcome(run)["ada"] == "moved"


def test_one_that_is_resumed_before_its_time_is_queued_until_then(stage: Scene) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    steer.pause(run)
    db.session.commit()
    steer.resume(run)
    db.session.commit()
    assert (run.status, running.work(run.id).wake_at, hold_of(stage)) == (MigrationStatus.QUEUED, run.start_at, None)
    make_due(run)
    stage.finish(run)
    assert (run.status, stage.outcome(run)["ada"]) == (MigrationStatus.FINISHED, "moved")


def test_a_pause_at_the_moment_it_begins_writes_nobody_down_and_a_resume_each_of_them_once(
    app: Flask, stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    make_due(run)
    judged = rounds_module._judged

    def pause_meanwhile(run: Migration) -> Preflight | Wait:
        flight = judged(run)
        db.session.commit()
        with app.app_context():
            steer.pause(db.session.get_one(Migration, run.id))
            db.session.commit()
        return flight

    with monkeypatch.context() as patched:
        patched.setattr(rounds_module, "_judged", pause_meanwhile)
        stage.finish(run)
    assert (run.status, run.started_at, run.moves) == (MigrationStatus.PAUSED, None, [])
    steer.resume(run)
    db.session.commit()
    stage.finish(run)
    assert (run.status, stage.outcome(run)["ada"]) == (MigrationStatus.FINISHED, "moved")


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("plex", "plex")])
@pytest.mark.parametrize("status", [401, 503])
def test_a_pause_holds_whatever_the_servers_do_and_no_round_follows(
    app: Flask, scene: Scene, source: str, target: str, status: int
) -> None:
    set_up(scene, source, target)
    run = start(scene.preflight(pace_s=0.0), Schedule(repeat_every_h=1.0, rounds=3))
    db.session.commit()
    sim = scene.tv if target == "plex" else scene.target.sim

    def pause(run: Migration) -> None:
        steer.pause(run)
        sim.faults.append(Fault(times=None, status=status))

    press = Press(app, scene, run, pause)
    for _ in range(20):
        scene.finish(run)
        run.wake_at = None
        db.session.execute(update(Move).values(not_before=None, secure_after=None))
        db.session.commit()
    assert press.pressed.is_set() and run.status is MigrationStatus.PAUSED and run.ended_at is None
    assert next_round_of(run) is None and hold_of(scene) == run.id
    assert not any(move.claim for move in run.moves) and set(scene.outcome(run).values()) <= {"pending", "moving"}
    assert bool(run.problem) is (status == 401), "what does not pass by itself is said"
    sim.faults.clear()
    scene.finish(run)
    assert run.status is MigrationStatus.PAUSED and all(scene.opened(name, scene.source) for name in PEOPLE), "it goes on unasked"
    steer.resume(run)
    db.session.commit()
    assert run.problem == ""
    scene.finish(run)
    assert set(scene.outcome(run).values()) <= {"moved", "invited"} and run.status is MigrationStatus.FINISHED


def test_a_mistake_about_somebody_in_hand_does_not_end_a_pause_either(app: Flask, stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_with(stage, Schedule(repeat_every_h=1.0, rounds=3))
    Press(app, stage, run, steer.pause)

    def note(*what: object) -> None:
        raise RuntimeError("nobody foresaw this")

    with monkeypatch.context() as patched:
        patched.setattr(Giving, "note", note)
        for _ in range(8):
            running.work(run.id)
            db.session.expire_all()
            run.wake_at = None
            db.session.commit()
    assert run.status is MigrationStatus.PAUSED and run.problem and next_round_of(run) is None
    assert not any(move.claim for move in run.moves) and stage.outcome(run)["ada"] == "pending", "it waits for the run to be resumed"


def test_a_pair_that_is_blocked_by_then_stops_the_run_with_a_sentence(stage: Scene) -> None:
    run = start_with(stage, Schedule(start_at=utc_now() + timedelta(hours=5)))
    stage.target.row.enabled = False
    make_due(run)
    stage.finish(run)
    assert run.status is MigrationStatus.FAILED
    assert "New" in run.problem
    assert hold_of(stage) is None


def test_another_round_takes_exactly_those_who_are_left(stage: Scene) -> None:
    first = start_with(stage, Schedule(repeat_every_h=1.0, rounds=2))
    stage.finish(first)
    assert stage.outcome(first) == {"ada": "moved", "ben": "skipped"}
    second = next_round_of(first)
    assert second is not None
    assert second.start_at is not None
    assert timedelta(minutes=59) < second.start_at - utc_now() <= timedelta(hours=1)
    assert (second.rounds_left, second.follows_id) == (1, first.id)
    ben = next(move.user for move in first.moves if move.name == "ben")
    db.session.add(stage.payment(ben, "Basic", (-1, 30)))
    make_due(second)
    stage.finish(second)
    assert stage.outcome(second)["ben"] == "moved"
    assert second.ended_at is not None
    assert next_round_of(second) is None, "nobody is left"


def test_rounds_end_when_their_number_is_up_or_the_run_is_cancelled(stage: Scene) -> None:
    run = start_with(stage, Schedule(repeat_every_h=1.0, rounds=1))
    stage.finish(run)
    second = next_round_of(run)
    assert second is not None
    make_due(second)
    stage.finish(second)
    assert next_round_of(second) is None
    third = start_with(stage, Schedule(repeat_every_h=1.0, rounds=5))
    steer.cancel(third)
    db.session.commit()
    stage.finish(third)
    assert next_round_of(third) is None


def test_a_run_that_was_cancelled_is_not_repeated_because_somebody_in_it_is_retried(stage: Scene) -> None:
    stage.person("cleo")
    stage.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    run = start_with(stage, Schedule(repeat_every_h=1.0, rounds=5))
    put_off(run, "cleo")
    work_until(run, lambda: move_of(run, "ada").status is MoveStatus.FAILED)
    steer.cancel(run)
    db.session.commit()
    stage.finish(run)
    assert stage.outcome(run) == {"ada": "failed", "ben": "skipped", "cleo": "cancelled"} and next_round_of(run) is None
    retry(run, move_of(run, "ada"))
    stage.finish(run)
    assert stage.outcome(run)["ada"] == "moved" and run.ended_at is not None and next_round_of(run) is None


def test_a_retry_of_a_run_does_not_make_a_second_next_round(stage: Scene) -> None:
    run = start_with(stage, Schedule(repeat_every_h=1.0, rounds=3))
    stage.finish(run)
    first = next_round_of(run)
    ada = next(move for move in run.moves if move.name == "ada")
    with by_hand():
        ada.status, ada.step = MoveStatus.FAILED, Step.CHECK
    steer.retry(run, ada.id)
    db.session.commit()
    stage.finish(run)
    assert next_round_of(run) is first
    assert db.session.query(Migration).filter(Migration.follows_id == run.id).count() == 1


def test_a_round_in_which_nobody_could_move_sends_no_mail_while_another_follows(stage: Scene) -> None:
    setting = Setting.current()
    setting.admin_email, setting.smtp_host = "admin@example.test", "mail.example.test"
    first = start_with(stage, Schedule(repeat_every_h=1.0, rounds=2))
    stage.finish(first)
    assert db.session.query(Email).filter(Email.migration_id == first.id, Email.move_id.is_(None)).count() == 1
    second = next_round_of(first)
    assert second is not None
    # Ada has moved already: only Ben, who still has not paid, is left.
    make_due(second)
    stage.finish(second)
    assert db.session.query(Email).filter(Email.migration_id == second.id).count() == 0
    assert "next one follows" in report.mail_of(second).reason
    third = next_round_of(second)
    assert third is not None
    make_due(third)
    stage.finish(third)
    assert db.session.query(Email).filter(Email.migration_id == third.id).count() == 1, "the last one reports"
