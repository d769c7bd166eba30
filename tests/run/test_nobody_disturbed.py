"""A server that has asked to be left alone is not asked about those whom a worker left behind either, on whichever side it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, User
from panel.services import pace
from panel.services import run as running
from panel.services.run import steer
from tests.clock import Clock, clock
from tests.run.test_looked_at_first import move_of
from tests.run.test_taken_late import set_up, work_until_taking
from tests.scene import Scene, Side

__all__ = ["clock"]


def cool_down(side: Side) -> None:
    """As another run leaves a server that has told it to slow down."""
    pace.cool_down(pace.name_of(side.row), 3000.0)
    db.session.commit()
    side.sim.journal.clear()


def asked(side: Side) -> list[str]:
    return [f"{entry.call.method} {entry.call.path}" for entry in side.sim.journal]


def go_on(scene: Scene, run: Migration, clock: Clock) -> None:
    """Once the time that was asked for is over."""
    clock.ahead += timedelta(hours=1)
    scene.finish(run)


def left_behind_at_give(run: Migration, name: str) -> None:
    """As a worker leaves somebody that died before or after its request, before it knew."""
    move = move_of(run, name)
    move.claim, move.status, move.step, move.given_at = run.epoch, MoveStatus.MOVING, Step.GIVE, None
    db.session.commit()


def work_until_prepared(run: Migration) -> None:
    for _ in range(10):
        db.session.expire_all()
        if run.prepared_at:
            return
        running.work(run.id, slice_s=0)
    raise AssertionError(run.status)


def test_a_source_that_cools_down_is_not_asked_about_those_left_behind(scene: Scene, clock: Clock) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    run = scene.start()
    work_until_taking(scene, run)
    run.moves[0].claim = run.epoch
    cool_down(scene.source)
    running.work(run.id)
    db.session.expire_all()
    assert asked(scene.source) == [] and run.wake_at is not None and run.wake_at == pace.cooling_until([scene.source.row])
    assert not any(move.claim for move in run.moves)
    go_on(scene, run, clock)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_target_that_cools_down_is_not_asked_about_those_left_behind(scene: Scene, clock: Clock, cancelled: bool) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    scene.place(db.session.scalars(db.select(User).where(User.name == "ada")).one(), scene.target, ("Home videos",))
    db.session.commit()
    run = scene.start()
    work_until_prepared(run)
    left_behind_at_give(run, "ada")
    cool_down(scene.target)
    running.work(run.id)
    db.session.expire_all()
    assert asked(scene.target) == [] and run.wake_at == pace.cooling_until([scene.target.row])
    assert not any(move.claim for move in run.moves)
    if cancelled:
        steer.cancel(run)
        db.session.commit()
    go_on(scene, run, clock)
    assert scene.outcome(run) == {"ada": "moved", "ben": "cancelled" if cancelled else "moved"}


def test_what_may_stand_open_is_closed_although_the_target_cools_down(scene: Scene, clock: Clock) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    run = scene.start()
    work_until_prepared(run)
    ada = move_of(run, "ada")
    ada.created_account = True
    left_behind_at_give(run, "ada")
    scene.target.sim.add_user(ada.account_name, "", libraries="all")
    cool_down(scene.target)
    running.work(run.id)
    assert scene.opened("ada") is None and not scene.target.sim.can_sign_in("ada", "")
    assert len(scene.target.sim.users) == 2, "nobody else was begun"
    go_on(scene, run, clock)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
