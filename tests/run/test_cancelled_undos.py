"""An undo that is cancelled: whoever may have been given something back already is finished, nobody else is begun."""

from __future__ import annotations

import pytest

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration
from panel.services import run as running
from panel.services.run import steer, undo
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.run.test_nobody_disturbed import cool_down, go_on, left_behind_at_give, work_until_prepared
from tests.run.test_taken_late import set_up
from tests.scene import Scene

__all__ = ["clock"]


def taken_back(scene: Scene) -> Migration:
    set_up(scene, "jellyfin", "emby", "ada")
    back = undo.start_undo(scene.move())
    db.session.commit()
    return back


def cancelled(scene: Scene, back: Migration, clock: Clock) -> None:
    steer.cancel(back)
    db.session.commit()
    go_on(scene, back, clock)


@pytest.mark.parametrize("answer", [{"drop": True}, {"status": 503, "headers": {"Retry-After": "60"}}])
def test_an_undo_that_was_cancelled_finishes_whom_it_may_have_given_back(scene: Scene, clock: Clock, answer: dict[str, object]) -> None:
    back = taken_back(scene)
    account = scene.source.sim.user("ada").id
    scene.source.sim.faults.append(Fault("POST", f"/Users/{account}/Policy", effect=True, **answer))  # type: ignore[arg-type]
    for _ in range(20):
        running.work(back.id, slice_s=0)
        db.session.expire_all()
        if scene.opened("ada", scene.source) and not back.moves[0].claim:
            break
    assert back.moves[0].status is MoveStatus.PENDING and back.moves[0].step is Step.GIVE
    cancelled(scene, back, clock)
    assert scene.outcome(back) == {"ada": "moved"}
    assert (scene.opened("ada", scene.source), scene.opened("ada")) == ({"Films"}, None)


@pytest.mark.parametrize("held_up", ["cooling", "away", "paused"])
def test_an_undo_finishes_whom_a_dead_worker_had_in_hand_when_it_was_cancelled(scene: Scene, clock: Clock, held_up: str) -> None:
    back = taken_back(scene)
    work_until_prepared(back)
    scene.source.sim.user("ada").policy["IsDisabled"] = False
    left_behind_at_give(back, "ada")
    if held_up == "cooling":
        cool_down(scene.source)
    elif held_up == "away":
        scene.source.sim.faults.append(Fault("GET", "/Users", status=503, headers={"Retry-After": "60"}))
    else:
        key, scene.source.row.token = scene.source.row.token, "revoked"
        steer.pause(back)
        db.session.commit()
    running.work(back.id)
    db.session.expire_all()
    assert not back.moves[0].claim
    if held_up == "paused":
        scene.source.row.token = key
    cancelled(scene, back, clock)
    assert scene.outcome(back) == {"ada": "moved"}


def test_a_server_that_was_silent_before_anything_was_sent_has_begun_nobody(scene: Scene, clock: Clock) -> None:
    back = taken_back(scene)
    work_until_prepared(back)
    scene.source.sim.faults.append(Fault("GET", "/Users", status=503, times=None, headers={"Retry-After": "60"}))
    running.work(back.id)
    db.session.expire_all()
    assert back.moves[0].attempts == 0
    scene.source.sim.faults.clear()
    cancelled(scene, back, clock)
    assert scene.outcome(back) == {"ada": "cancelled"} and scene.opened("ada") is not None
