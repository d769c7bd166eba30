"""A mistake of ours about an account in doubt neither comes back at every tick nor keeps the others open."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import PlatformError
from panel.services import run as running
from panel.services.run.gift import Gift
from panel.services.run.give import Giving
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.run.doubts import ON_THEIR_WAY, in_doubt, paused
from tests.run.outages import waiting_for
from tests.run.test_taken_late import set_up
from tests.scene import Scene

__all__ = ["clock"]

secure_module = sys.modules["panel.services.run.secure"]
#: No busy machine outlasts them.
WAITS_S = (30.0, 60.0, 120.0, 300.0)


def ended(run: Migration) -> None:
    for move in run.moves:
        move.status, move.retryable = MoveStatus.FAILED, True
    run.status, run.ended_at = MigrationStatus.FAILED, utc_now()
    run.source.migration_id = run.target.migration_id = None
    db.session.commit()


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
    waiting_for(app, *WAITS_S)
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
    waiting_for(app, *WAITS_S)
    run = in_doubt(scene, *ON_THEIR_WAY)
    # One of them comes sooner than the run.
    run.moves[1].secure_after = utc_now() + timedelta(seconds=20)
    db.session.commit()
    a_mistake_in_closing(scene, run, monkeypatch)
    for waits_s in WAITS_S:
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


def test_a_mistake_about_one_of_them_keeps_no_other_open(app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting_for(app, *WAITS_S)
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
