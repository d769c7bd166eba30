"""A look at the target that takes long, meets a request to slow down, or gets no answer about somebody: nobody is judged by what was not
said, and the run ends all the same."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from panel.domain.statuses import MoveStatus, Removal, Step
from panel.extensions import config, db
from panel.models import Migration
from panel.models.types import utc_now
from panel.services import pace
from panel.services import run as running
from panel.services.run import steer, undo
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.run.claiming import choose, link_to, pair
from tests.run.test_claims_beside_runs import moving_on
from tests.run.test_faults import work_off
from tests.run.test_looked_at_first import Hidden, later, move_of
from tests.run.test_taken_late import set_up, work_until_taking
from tests.scene import Scene, Side

__all__ = ["clock"]

BY_ID = r"/Users/[0-9a-f-]{8,}$"


def is_list(call: Any) -> bool:
    """Whether everybody of an Emby or Jellyfin server is asked for."""
    return call.method == "GET" and call.path.rstrip("/").endswith(("/Users", "/Users/Query"))


def work_until_checking(scene: Scene, run: Migration) -> None:
    """Up to the moment in which everybody has been given access and nobody has been read back."""
    for _ in range(20):
        db.session.expire_all()
        if all(move.step is Step.CHECK for move in run.moves):
            return
        running.work(run.id, slice_s=0)
    raise AssertionError([(move.name, move.step, move.status) for move in run.moves])


def asked_after(side: Side, status: int) -> list[str]:
    """What a server was asked after it first answered with this status."""
    answered = [entry.status for entry in side.sim.journal]
    return [entry.call.path for entry in list(side.sim.journal)[answered.index(status) + 1 :]]


@pytest.mark.parametrize("by_id", [False, True])
def test_a_target_that_takes_minutes_to_list_everybody_is_moved_to_all_the_same(scene: Scene, clock: Clock, by_id: bool) -> None:
    set_up(scene, "emby", "jellyfin", *(f"person{number}" for number in range(6)))
    run = scene.start()
    if by_id:
        work_until_taking(scene, run)
        Hidden(scene.target, ("ada",), 1000)
        later(hours=1)
    asked: list[Any] = []

    def slowly(call: Any, moment: str) -> None:
        if moment == "after" and (call.method == "GET" and "/Users/" in call.path if by_id else is_list(call)):
            asked.append(call)
            clock.ahead += timedelta(minutes=5)

    scene.target.sim.on_call = slowly
    for _ in range(30):
        running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert run.ended_at is not None and set(scene.outcome(run).values()) == {"moved"}
    assert len(asked) < 12


@pytest.mark.parametrize("step", [Step.CHECK, Step.TAKE])
def test_a_request_to_slow_down_while_somebody_is_asked_for_is_heeded(scene: Scene, clock: Clock, step: Step) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben", "cleo")
    run = scene.start()
    (work_until_checking if step is Step.CHECK else work_until_taking)(scene, run)
    later(hours=1)
    Hidden(scene.target, ("ada",), 1000)
    scene.target.sim.faults.append(Fault("GET", BY_ID, status=429, headers={"Retry-After": "3000"}))
    scene.target.sim.journal.clear()
    scene.finish(run)
    assert asked_after(scene.target, 429) == []
    until = pace.cooling_until([scene.target.row])
    assert until is not None and run.wake_at is not None and run.wake_at >= until > utc_now() + timedelta(seconds=2900)
    assert (move_of(run, "ada").attempts, move_of(run, "ada").status) == (0, MoveStatus.MOVING)
    assert all(move.claim is None for move in run.moves)
    clock.ahead += timedelta(hours=1)
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}


def test_an_outage_in_the_middle_of_a_look_fails_nobody_of_an_undo(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    run = scene.move(removal=Removal.KEEP)
    back = undo.start_undo(run)
    db.session.commit()
    Hidden(scene.source, ("ada",), 1000)
    scene.source.sim.faults.append(Fault("GET", BY_ID, status=503, times=3))
    work_off(scene, back)
    assert set(scene.outcome(back).values()) == {"moved"}
    assert scene.opened("ada") is None and scene.opened("ada", scene.source) == {"Films"}


@pytest.mark.parametrize("status", [403, 500, 503])
@pytest.mark.parametrize("step", [Step.CHECK, Step.TAKE])
def test_about_whom_a_look_gets_no_answer_fails_alone_without_a_word_about_their_access(scene: Scene, step: Step, status: int) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben", "cleo")
    run = scene.start()
    (work_until_checking if step is Step.CHECK else work_until_taking)(scene, run)
    later(hours=1)
    hidden, silent = Hidden(scene.target, ("ada",), 1000), Fault("GET", BY_ID, status=status, times=None)
    scene.target.sim.faults.append(silent)
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    ada = move_of(run, "ada")
    assert ada.retryable and "is looked up by a retry" in ada.detail and "as access" not in ada.detail
    assert scene.opened("ada", scene.source) == {"Films"}
    scene.target.sim.faults.clear()
    hidden.left = 0
    steer.retry(run)
    db.session.commit()
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"} and len(scene.target.sim.users) == 4


def test_nobody_is_kept_from_choosing_a_password_by_a_run_whose_other_server_cools_down(scene: Scene, clock: Clock) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    new, third, onward = moving_on(scene)
    work_until_taking(scene, onward)
    onward.moves[0].claim = onward.epoch
    pace.cool_down(pace.name_of(third.row), 3000.0)
    db.session.commit()
    running.work(onward.id)
    db.session.expire_all()
    choose(token)
    clock.ahead += timedelta(hours=1)
    scene.finish(onward)
    assert scene.outcome(onward) == {"ada": "moved"} and scene.opened("ada", new) is None and scene.opened("ada", third)


@pytest.mark.parametrize("slow", ["an account of the target", "the source's list", "the source's list without a look"])
def test_nobody_is_removed_on_what_the_target_told_minutes_ago(scene: Scene, clock: Clock, slow: str) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    run = scene.start()
    work_until_taking(scene, run)
    by_id = slow == "an account of the target"
    if by_id:
        Hidden(scene.target, ("ada",), 1000)
    if slow != "the source's list without a look":
        later(hours=1)
    done: list[str] = []

    def slowly(call: Any, moment: str) -> None:
        asked = (call.method == "GET" and "/Users/" in call.path and not is_list(call)) if by_id else is_list(call)
        if moment == "after" and asked and not done:
            clock.ahead += timedelta(minutes=5)
            scene.target.sim.user("ben").policy["IsDisabled"] = True
            done.append(call.path)

    (scene.target if by_id else scene.source).sim.on_call = slowly
    for _ in range(30):
        running.work(run.id, slice_s=0)
        # Whoever has lost the one has the other.
        assert scene.opened("ben", scene.source) or scene.opened("ben")
    db.session.expire_all()
    assert done and run.ended_at is not None and set(scene.outcome(run).values()) == {"moved"}


@pytest.mark.parametrize("side", ["source", "both"])
def test_a_source_that_always_takes_minutes_to_list_everybody_is_removed_from_all_the_same(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    set_up(scene, "emby", "jellyfin", *(f"person{number}" for number in range(6)))
    run = scene.start()
    work_until_taking(scene, run)
    by_the_clock = SimpleNamespace(monotonic=lambda: clock.ahead.total_seconds())
    monkeypatch.setattr(sys.modules["panel.services.run.source_list"], "time", by_the_clock)
    asked: list[str] = []

    def slowly(call: Any, moment: str) -> None:
        if moment == "after" and is_list(call):
            asked.append(call.path)
            clock.ahead += timedelta(minutes=5)

    for one in scene.sides if side == "both" else (scene.source,):
        one.sim.on_call = slowly
    for _ in range(30):
        running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert run.ended_at is not None and set(scene.outcome(run).values()) == {"moved"}
    assert len(asked) < 20


@pytest.mark.parametrize("others", [0, 5])
def test_who_is_put_off_is_not_looked_at_before_their_time(scene: Scene, monkeypatch: pytest.MonkeyPatch, others: int) -> None:
    set_up(scene, "plex", "emby", "ada", *(f"person{number}" for number in range(others)))
    run = scene.start(pace_s=0.01)
    work_until_taking(scene, run)
    ada = move_of(run, "ada")
    patient = replace(config(), retry_waits_s=(60.0, 300.0, 900.0))
    monkeypatch.setattr(sys.modules["panel.services.run.trouble"], "config", lambda: patient)
    Hidden(scene.target, ("ada",), 1000)
    scene.target.sim.faults.append(Fault("GET", BY_ID, status=500, times=None))
    run.looked_at = None
    db.session.commit()
    for _ in range(12):
        running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert (ada.step, ada.status, ada.attempts) == (Step.TAKE, MoveStatus.MOVING, 1)
    assert all(move.status is MoveStatus.MOVED for move in run.moves if move is not ada)


def test_a_look_at_others_makes_no_older_one_fresh(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    run = scene.start()
    work_until_taking(scene, run)
    later(hours=1)
    ada = move_of(run, "ada")
    # Ada was looked at long ago and put off since: her person was choosing a password.
    ada.needs_look, ada.not_before = False, utc_now() + timedelta(minutes=5)
    db.session.commit()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert move_of(run, "ben").status is MoveStatus.MOVED
    assert ada.step is Step.TAKE and ada.needs_look


def test_a_source_that_asks_to_slow_down_before_the_look_is_not_asked_again(scene: Scene, clock: Clock) -> None:
    set_up(scene, "emby", "jellyfin", "ada", "ben")
    run = scene.start()
    work_until_taking(scene, run)
    later(hours=1)
    scene.source.sim.faults.append(Fault("GET", "/Users", status=429, headers={"Retry-After": "120"}))
    verdict = running.work(run.id)
    assert asked_after(scene.source, 429) == []
    db.session.expire_all()
    assert verdict.wake_at is not None and not any(move.claim for move in run.moves)
    clock.ahead += timedelta(minutes=3)
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}
