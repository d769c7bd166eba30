"""Accounts in doubt: two looks settle that none was made, however often they were put off without one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import steer
from panel.simulators.http import Call, Fault
from tests.clock import Clock, clock
from tests.run.buttons import pressed
from tests.run.doubts import in_doubt, paused
from tests.run.outages import waiting_for
from tests.run.test_killed_again_and_again import leave_dead
from tests.run.test_looks_in_trouble import is_list
from tests.scene import Scene

__all__ = ["clock"]

secure_module = sys.modules["panel.services.run.secure"]


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


def test_who_fell_asleep_while_the_target_was_asked_writes_nothing(app: Flask, scene: Scene) -> None:
    run = in_doubt(scene, "ada")
    (ada,) = [move for move in run.moves if move.name == "ada"]
    ada.from_backup, ada.attempts = True, 100
    db.session.commit()

    def another_takes_over(call: Call, moment: str) -> None:
        if moment == "before":
            with app.app_context(), db.engine.begin() as connection:
                connection.execute(text("UPDATE migrations SET epoch = epoch + 1"))

    scene.target.sim.on_call = another_takes_over
    scene.target.sim.faults.append(Fault(drop=True, times=None))
    running.work(run.id)
    db.session.expire_all()
    assert (ada.status, ada.attempts, ada.detail, ada.remark) == (MoveStatus.PENDING, 100, "", "")
    assert ada.secure_after is None


def test_a_clock_that_is_put_back_leaves_nobody_in_doubt_for_longer(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    paused(run)
    running.go_by_the_clock()
    clock.ahead += timedelta(days=1)
    running.go_by_the_clock()
    secure_module.leave_in_doubt(run.id, utc_now() + timedelta(minutes=5))
    db.session.commit()
    clock.ahead -= timedelta(days=1)
    running.go_by_the_clock()
    db.session.expire_all()
    (ada,) = [move for move in run.moves if move.name == "ada"]
    assert ada.secure_after is not None and ada.secure_after <= utc_now() + timedelta(minutes=5)


@pytest.mark.parametrize(("acts", "attempts"), [((steer.pause,), 1), ((steer.pause, steer.resume), 1)])
def test_what_is_pressed_while_the_target_is_asked_counts(
    app: Flask, scene: Scene, acts: tuple[Callable[[Migration], None], ...], attempts: int
) -> None:
    waiting_for(app, 60.0)
    run = in_doubt(scene, "ada")
    (ada,) = [move for move in run.moves if move.name == "ada"]
    ada.from_backup, ada.attempts = True, 1
    db.session.commit()
    refusals: list[str] = []

    def asked(_call: Call, moment: str) -> None:
        if moment == "before" and not refusals:
            refusals.append(pressed(app, run, *acts))

    scene.target.sim.on_call = asked
    scene.target.sim.faults.append(Fault(drop=True, times=None))
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert refusals == [""] and (ada.status, ada.attempts) == (MoveStatus.PENDING, attempts)


def test_whoever_failed_for_not_knowing_is_told_what_was_found_also_after_a_cancel(app: Flask, scene: Scene, clock: Clock) -> None:
    waiting_for(app, 60.0)
    run = in_doubt(scene, "ada")
    (ada,) = [move for move in run.moves if move.name == "ada"]
    ada.from_backup, ada.attempts = True, 1
    scene.target.sim.faults.append(Fault(drop=True, times=None))
    db.session.commit()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert ada.status is MoveStatus.FAILED and "could not be found out" in ada.detail
    steer.cancel(run)
    db.session.commit()
    scene.target.sim.faults.clear()
    scene.target.sim.add_user("ada", "", libraries=["Films"])
    clock.ahead += timedelta(seconds=61)
    running.work(run.id)
    db.session.expire_all()
    assert "it is there, and closed" in ada.detail and not scene.target.sim.can_sign_in("ada", "")
