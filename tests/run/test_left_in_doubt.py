"""Accounts in doubt: two looks settle that none was made, however often they were put off without one, and a mistake of ours about one of
them neither comes back at every tick nor keeps the others open."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import PlatformError
from panel.services import run as running
from panel.services.run import steer
from panel.services.run.gift import Gift
from panel.services.run.give import Giving
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.run.test_killed_again_and_again import leave_dead
from tests.run.test_looks_in_trouble import is_list
from tests.run.test_taken_late import set_up
from tests.scene import Scene

__all__ = ["clock"]

secure_module = sys.modules["panel.services.run.secure"]
ON_THEIR_WAY = "ada", "ben"


def in_doubt(scene: Scene, *names: str) -> Migration:
    """A run at work, in which nobody knows whether accounts of these names have been made on Emby."""
    set_up(scene, "jellyfin", "emby", *ON_THEIR_WAY)
    run = scene.start()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    for move in run.moves:
        if move.name in names:
            move.status, move.step, move.needs_look, move.attempts = MoveStatus.PENDING, Step.GIVE, True, 1
            move.created_account, move.target_member_id, move.claim = True, "", None
    db.session.commit()
    return run


def paused(run: Migration) -> None:
    steer.pause(run)
    db.session.commit()


def ended(run: Migration) -> None:
    for move in run.moves:
        move.status, move.retryable = MoveStatus.FAILED, True
    run.status, run.ended_at = MigrationStatus.FAILED, utc_now()
    run.source.migration_id = run.target.migration_id = None
    db.session.commit()


def nothing(scene: Scene, run: Migration) -> None:
    """It is looked for at once."""


def deaths(scene: Scene, run: Migration) -> None:
    leave_dead(run)
    running.work(run.id)


def server_away(scene: Scene, run: Migration) -> None:
    scene.target.sim.faults.append(Fault(drop=True, times=None))
    running.work(run.id)
    scene.target.sim.faults.clear()


def resumed_and_paused(scene: Scene, run: Migration) -> None:
    running.work(run.id)
    db.session.execute(db.update(Move).values(secure_after=None))
    db.session.commit()


@pytest.mark.parametrize("before", [nothing, deaths, server_away, resumed_and_paused])
def test_only_two_looks_a_minute_apart_settle_that_no_account_was_made(
    scene: Scene, clock: Clock, before: Callable[[Scene, Migration], None]
) -> None:
    run = in_doubt(scene, "ada")
    paused(run)
    ada = run.moves[0]
    before(scene, run)
    db.session.expire_all()
    if ada.secure_after is not None:
        clock.ahead += ada.secure_after - utc_now() + timedelta(seconds=1)
    scene.target.sim.journal.clear()
    running.work(run.id)
    db.session.expire_all()
    assert [is_list(entry.call) for entry in scene.target.sim.journal].count(True) == 1 and ada.created_account
    # The request that was given up arrives now.
    scene.target.sim.add_user(ada.account_name, "", libraries=["Films"])
    clock.ahead += timedelta(seconds=61)
    assert run.id in running.due()
    running.work(run.id)
    db.session.expire_all()
    assert not scene.opened("ada") and not scene.target.sim.can_sign_in("ada", "") and ada.target_member_id


def test_two_looks_a_minute_apart_settle_it(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    paused(run)
    running.work(run.id)
    clock.ahead += timedelta(seconds=61)
    running.work(run.id)
    db.session.expire_all()
    assert not run.moves[0].created_account and run.id not in running.due()


def test_a_look_from_before_a_further_request_settles_nothing(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    paused(run)
    running.work(run.id)
    db.session.expire_all()
    ada, lost = run.moves[0], Fault("POST", "/Users/New", times=None, drop=True)
    assert ada.secure_after is not None, "one look was taken"
    steer.resume(run)
    db.session.commit()
    scene.target.sim.faults.append(lost)
    clock.ahead += timedelta(seconds=20)
    for _ in range(4):
        if not scene.target.sim.calls("POST"):
            running.work(run.id, slice_s=0)
    scene.target.sim.faults.clear()
    assert scene.target.sim.calls("POST"), "another request was lost"
    paused(run)
    clock.ahead += timedelta(seconds=61)
    running.work(run.id)
    db.session.expire_all()
    assert ada.created_account and not ada.target_member_id
    clock.ahead += timedelta(seconds=61)
    running.work(run.id)
    db.session.expire_all()
    assert not ada.created_account


def test_a_look_from_before_the_clock_was_put_back_is_taken_anew(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    paused(run)
    clock.ahead = timedelta(hours=3)
    assert run.id in running.due()
    running.work(run.id)
    clock.ahead = timedelta()
    for _ in range(4):
        if run.id in running.due():
            running.work(run.id)
        clock.ahead += timedelta(seconds=61)
    db.session.expire_all()
    assert not run.moves[0].created_account


def waits_that_no_busy_machine_outlasts(app: Flask) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(30.0, 60.0, 120.0, 300.0))


def a_mistake_in_closing(scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_what: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(secure_module, "_close", mistaken)


def a_token_nobody_can_read(scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    db.session.execute(text("UPDATE servers SET token = 'torn' WHERE id = :id"), {"id": run.target_id})
    db.session.commit()


@pytest.mark.parametrize("broken", [a_mistake_in_closing, a_token_nobody_can_read])
@pytest.mark.parametrize("as_it_is", [paused, ended])
def test_a_mistake_of_ours_does_not_come_back_at_every_tick(
    app: Flask,
    scene: Scene,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    as_it_is: Callable[[Migration], None],
    broken: Callable[[Scene, Migration, pytest.MonkeyPatch], None],
) -> None:
    waits_that_no_busy_machine_outlasts(app)
    run = in_doubt(scene, "ada")
    as_it_is(run)
    run_id, status = run.id, run.status
    broken(scene, run, monkeypatch)
    for _ in range(8):
        db.session.expunge_all()
        assert run_id in running.due()
        running.work(run_id)
        db.session.expunge_all()
        assert run_id not in running.due()
        run = db.session.get_one(Migration, run_id)
        assert run.status is status and run.moves[0].created_account
        assert run.moves[0].secure_after is not None and run.moves[0].secure_after <= utc_now() + timedelta(seconds=300)
        clock.ahead += timedelta(seconds=301)


def test_each_of_its_waits_is_waited_before_a_run_at_work_is_ended_by_it(
    app: Flask, scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_that_no_busy_machine_outlasts(app)
    run = in_doubt(scene, *ON_THEIR_WAY)
    # One of them comes sooner than the run.
    run.moves[1].secure_after = utc_now() + timedelta(seconds=20)
    db.session.commit()
    a_mistake_in_closing(scene, run, monkeypatch)
    for waits_s in (30, 60, 120, 300):
        running.work(run.id)
        db.session.expire_all()
        assert run.ended_at is None
        clock.ahead += timedelta(seconds=waits_s - 5)
        assert run.id not in running.due()
        clock.ahead += timedelta(seconds=6)
        assert run.id in running.due()
    running.work(run.id)
    db.session.expire_all()
    assert run.status is MigrationStatus.FAILED and run.ended_at is not None and run.id not in running.due()


def test_a_mistake_about_one_of_them_keeps_no_other_open(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run = in_doubt(scene, *ON_THEIR_WAY)
    paused(run)
    for name in ON_THEIR_WAY:
        scene.target.sim.add_user(name, "", libraries=["Films"])
    close = secure_module._close

    def mistaken_about_ada(move: Move, *what: object) -> None:
        if move.name == "ada":
            raise ZeroDivisionError
        close(move, *what)

    monkeypatch.setattr(secure_module, "_close", mistaken_about_ada)
    running.work(run.id)
    assert scene.opened("ada") and not scene.opened("ben") and not scene.target.sim.can_sign_in("ben", "")
    assert run.id not in running.due()


def test_a_mistake_about_somebody_else_lets_no_account_stand_open_until_the_next_try(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby", *ON_THEIR_WAY)
    sim = scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New", drop=True, effect=True))
    note = Giving.note

    def mistaken_afterwards(self: Giving, gift: Gift, outcome: object) -> None:
        note(self, gift, outcome)  # type: ignore[arg-type]
        if isinstance(outcome, PlatformError):
            self.let_go_of_waiting()
            raise ZeroDivisionError

    run = scene.start()
    with monkeypatch.context() as patched:
        patched.setattr(Giving, "note", mistaken_afterwards)
        running.work(run.id)
    db.session.expire_all()
    assert any(sim.can_sign_in(name, "") for name in ON_THEIR_WAY) and run.wake_at is not None, "the trap is set"
    assert run.id in running.due()
    running.work(run.id)
    assert not any(sim.can_sign_in(name, "") for name in ON_THEIR_WAY)
