"""A user who takes more than one changing request at Plex takes as many turns of its pace, also where one of them was refused."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from panel.config import Config
from panel.domain.statuses import MigrationStatus, MoveStatus, Removal
from panel.extensions import db
from panel.models import Migration, Pacemaker, PaceWaiter, SentRequest, Server
from panel.models.types import utc_now
from panel.services import pace
from panel.services import run as running
from panel.services.run import lease as leases
from panel.services.run import steer
from panel.services.run import turn as turns
from panel.simulators.http import Call, Fault
from tests.clock import Clock, clock
from tests.databases import ON_BOTH
from tests.run.one_worker import OneWorker
from tests.scene import Scene

__all__ = ["clock"]

PACE_S = 0.4
KIDS_ONLY = "contentRating=G%2CPG"
NOT_THERE = '{"errors":[{"code":1002,"message":"Resource not found","status":404}]}'


def left_over(scene: Scene) -> None:
    """The row of an invite that was withdrawn is in the way: it is deleted, then there is a new invite."""
    scene.tv.orphan_after_withdrawal = True
    scene.tv.withdraw(scene.tv.share(scene.target.sim, scene.tv.find("ada@example.test"), ["Home videos"], accepted=False))


def restricted(scene: Scene) -> None:
    """Only v1 is there, which takes restrictions and libraries in two requests."""
    scene.tv.v2_shares_gone = True
    scene.source.sim.share_of("ada@example.test").relation.settings["filterMovies"] = KIDS_ONLY
    scene.tv.share(scene.target.sim, scene.tv.find("ada@example.test"), ["Home videos"])


def not_made_by_v2(scene: Scene) -> None:
    """v2 knows no such call, so v1 is asked."""
    scene.tv.faults.append(Fault("POST", "^/api/v2/shared_servers$", times=None, status=404, body=NOT_THERE))


#: What makes ada take two requests, and their methods.
Twice = tuple[Callable[[Scene], None], list[str]]
CASES: dict[str, Twice] = {
    "a row that was left over": (left_over, ["DELETE", "POST"]),
    "restrictions in v1": (restricted, ["PUT", "PUT"]),
    "v2 that does not share": (not_made_by_v2, ["POST", "POST"]),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def twice(request: pytest.FixtureRequest, scene: Scene) -> Twice:
    """Ada is on one Plex account and goes to another, for which two requests are sent."""
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("ada")
    case: Twice = request.param
    case[0](scene)
    return case


def sent(scene: Scene) -> list[tuple[str, float]]:
    """The changing requests plex.tv was sent: method and when."""
    return [(entry.call.method, entry.at) for entry in scene.changes(scene.target)]


def methods(scene: Scene) -> list[str]:
    return [method for method, _ in sent(scene)]


def gaps(scene: Scene) -> list[float]:
    return [later - earlier for (_, earlier), (_, later) in itertools.pairwise(sent(scene))]


def is_moved(scene: Scene, run: Migration) -> bool:
    """Whether ada has or was sent exactly what was meant for her, once."""
    (share,) = [share for share in scene.tv.shares_of(scene.target.sim) if share.email == "ada@example.test" and not share.orphan]
    meant = {section.id for section in scene.target.sim.sections if section.title in ("Films", "Shows")}
    return set(scene.outcome(run).values()) <= {"moved", "invited"} and share.section_ids == meant


@ON_BOTH
def test_each_request_has_a_turn_of_its_own(scene: Scene, twice: Twice) -> None:
    run = scene.move(removal=Removal.KEEP, pace_s=PACE_S)
    assert methods(scene) == twice[1]
    assert min(gaps(scene)) >= PACE_S
    assert is_moved(scene, run)


def test_a_removal_that_v2_does_not_know_is_asked_of_v1_a_turn_later(scene: Scene) -> None:
    first = scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("ada")
    scene.tv.faults.append(Fault("DELETE", "^/api/v2/shared_servers/", times=None, status=410))
    run = scene.move(pace_s=PACE_S)
    assert [entry.call.method for entry in scene.changes(first)] == ["DELETE", "DELETE"]
    later, earlier = (entry.at for entry in reversed(scene.changes(first)))
    assert later - earlier >= PACE_S
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada", first) is None


def test_one_that_asks_to_slow_down_at_the_second_request_is_heeded(scene: Scene, twice: Twice) -> None:
    slow = Fault(twice[1][1], "", status=429, headers={"Retry-After": "3000"}, skip=1 if len(set(twice[1])) == 1 else 0)
    if twice[0] is not_made_by_v2:
        slow = Fault("POST", "^/api/servers/", status=429, headers={"Retry-After": "3000"})
    scene.tv.faults.append(slow)
    run = scene.start(removal=Removal.KEEP, pace_s=PACE_S)
    left = running.work(run.id)
    db.session.expire_all()
    until = pace.cooling_until([scene.target.row])
    assert until is not None and until > utc_now() + timedelta(minutes=40)
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=40)
    assert methods(scene) == twice[1] and min(gaps(scene)) >= PACE_S
    row = db.session.get_one(Pacemaker, pace.name_of(scene.target.row))
    assert (row.refusals, row.slowness) == (1, 2.0)
    assert not any(move.claim for move in run.moves)


class After:
    """Something happens right after the first changing request was carried out, before its answer leaves."""

    def __init__(self, app: Flask, scene: Scene, act: Callable[[], Any]) -> None:
        self.app, self.act, self.done = app, act, False
        scene.tv.on_call = self

    def __call__(self, call: Call, moment: str) -> None:
        if call.method != "GET" and moment == "after" and not self.done:
            self.done = True
            with self.app.app_context():
                self.act()
                db.session.commit()


def test_a_pause_between_the_two_is_not_waited_out_and_goes_on_from_a_look(app: Flask, scene: Scene, twice: Twice) -> None:
    run = scene.start(removal=Removal.KEEP, pace_s=600.0)
    run_id = run.id
    After(app, scene, lambda: steer.pause(db.session.get_one(Migration, run_id)))
    began = time.monotonic()
    running.work(run.id)
    assert time.monotonic() - began < 60
    db.session.expire_all()
    assert methods(scene) == twice[1][:1]
    (move,) = run.moves
    assert run.status is MigrationStatus.PAUSED and move.claim is None and move.needs_look
    assert len(db.session.scalars(db.select(SentRequest)).all()) == 1
    let_come(run)
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert is_moved(scene, run)


def let_come(run: Migration) -> None:
    """The next turns are due at once."""
    run.pace_s, run.wake_at = 0.0, None
    db.session.query(Pacemaker).update({"last_turn_at": None, "cool_until": None})
    db.session.commit()


def test_a_cancel_between_the_two_lets_whoever_is_in_hand_be_finished(app: Flask, scene: Scene, twice: Twice) -> None:
    run = scene.start(removal=Removal.KEEP, pace_s=PACE_S)
    run_id = run.id
    After(app, scene, lambda: steer.cancel(db.session.get_one(Migration, run_id)))
    scene.finish(run)
    assert methods(scene) == twice[1] and min(gaps(scene)) >= PACE_S
    assert run.status is MigrationStatus.CANCELLED and is_moved(scene, run)


def test_a_cool_down_of_somebody_else_between_the_two_lets_the_worker_go(app: Flask, scene: Scene, twice: Twice) -> None:
    run = scene.start(removal=Removal.KEEP, pace_s=PACE_S)
    server_id = scene.target.row.id
    After(app, scene, lambda: pace.cool_down(pace.name_of(db.session.get_one(Server, server_id)), 3000.0))
    left = running.work(run.id)
    db.session.expire_all()
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=40)
    assert methods(scene) == twice[1][:1]
    assert db.session.get_one(Pacemaker, pace.name_of(scene.target.row)).refusals == 1, "what was answered before says nothing"
    let_come(run)
    scene.finish(run)
    assert is_moved(scene, run)


def test_who_has_lost_its_hold_between_the_two_sends_nothing_more(app: Flask, scene: Scene, twice: Twice) -> None:
    run = scene.start(removal=Removal.KEEP, pace_s=PACE_S)
    run_id = run.id

    def somebody_else() -> None:
        """Another worker has taken the run."""
        row = db.session.get_one(Migration, run_id)
        row.epoch, row.lease_holder = row.epoch + 1, "another/worker"

    After(app, scene, somebody_else)
    run.pace_s = 600.0
    db.session.commit()
    assert running.work(run.id) == running.Verdict()
    assert methods(scene) == twice[1][:1]


def test_a_worker_killed_between_the_two_is_followed_by_one_that_keeps_the_pace(config: Config, scene: Scene, twice: Twice) -> None:
    pace_s = 3.0
    # So long that no machine is too slow to kill it while it waits.
    run = scene.start(removal=Removal.KEEP, pace_s=600.0)
    worker, deadline = OneWorker(config, run), time.monotonic() + 60
    while not (sent(scene) and db.session.scalar(db.select(PaceWaiter.since))) and time.monotonic() < deadline:
        db.session.rollback()
        time.sleep(0.02)
    db.session.rollback()
    worker.kill()
    assert methods(scene) == twice[1][:1]
    run.pace_s = pace_s
    db.session.commit()
    assert OneWorker(config, run).wait() == 0
    db.session.expire_all()
    assert min(gaps(scene)) >= pace_s and is_moved(scene, run)


def test_the_hold_is_kept_while_the_second_turn_is_waited_for(app: Flask, config: Config, scene: Scene, twice: Twice) -> None:
    # Longer than a hold lasts.
    pace_s = config.lease_s + 1.5
    run = scene.start(removal=Removal.KEEP, pace_s=pace_s)
    taken: list[bool] = []
    worker = OneWorker(config, run)
    deadline = time.monotonic() + 60
    while len(sent(scene)) < 2 and time.monotonic() < deadline:
        if sent(scene):
            taken.append(leases.acquire(run.id, config.lease_s) is not None)
        time.sleep(0.2)
    assert worker.wait() == 0
    db.session.expire_all()
    assert len(taken) > 10 and not any(taken)
    assert methods(scene) == twice[1] and min(gaps(scene)) >= pace_s and is_moved(scene, run)


def test_two_runs_of_an_account_share_it_also_where_users_take_two_turns(config: Config, scene: Scene, twice: Twice) -> None:
    scene.person("ben")
    third = scene.add_server("jellyfin", "Third")
    fourth = scene.add_server("plex", "Fourth", owner=scene.target.owner)
    scene.person("dora", on=third)
    scene.person("emil", on=third)
    first = scene.start(removal=Removal.KEEP, pace_s=PACE_S)
    scene.sides = [third, fourth, *scene.sides[:2]]
    second = scene.start(removal=Removal.KEEP, pace_s=PACE_S)
    workers = [OneWorker(config, run) for run in (first, second)]
    assert [worker.wait() for worker in workers] == [0, 0]
    scene.sides = [*scene.sides[2:], *scene.sides[:2]]
    db.session.expire_all()
    assert {scene.outcome(run)[name] for run, name in ((first, "ada"), (first, "ben"), (second, "dora"), (second, "emil"))} <= {
        "moved",
        "invited",
    }
    assert min(gaps(scene)) >= PACE_S


def test_a_database_that_is_gone_between_the_two_fails_nobody(scene: Scene, twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine, gone = pace.is_cooling, [True]

    def is_cooling(name: str) -> bool:
        if gone and gone.pop():
            raise OperationalError("SELECT", {}, Exception("The connection is gone."))
        return genuine(name)

    monkeypatch.setattr(pace, "is_cooling", is_cooling)
    run = scene.start(removal=Removal.KEEP, pace_s=2.0)
    running.work(run.id)
    db.session.expire_all()
    assert not gone and methods(scene) == twice[1][:1]
    assert [move.status for move in run.moves] == [MoveStatus.MOVING], "as after a crash"
    run.wake_at = None
    db.session.commit()
    scene.finish(run)
    assert min(gaps(scene)) >= 2.0 and is_moved(scene, run)


def test_nobody_is_kept_in_hand_for_a_turn_that_is_very_far_off(scene: Scene, twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONGEST_S", 0.1)
    run = scene.start(removal=Removal.KEEP, pace_s=600.0)
    running.work(run.id)
    db.session.expire_all()
    (move,) = run.moves
    assert methods(scene) == twice[1][:1] and move.claim is None
    assert (move.status, move.attempts, move.needs_look) == (MoveStatus.PENDING, 1, True)
    assert "looked at again" in move.detail


def test_a_removal_waits_for_another_look_where_the_target_was_asked_too_long_ago(scene: Scene, clock: Clock) -> None:
    first = scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("ada")

    def an_hour_later(call: Call, moment: str) -> None:
        if call.method == "DELETE" and moment == "after" and not clock.ahead:
            clock.ahead = timedelta(hours=1)

    scene.tv.on_call = an_hour_later
    scene.tv.faults.append(Fault("DELETE", "^/api/v2/shared_servers/", times=1, status=410))
    run = scene.start(pace_s=PACE_S)
    running.work(run.id)
    looks = [entry.at for entry in scene.target.sim.calls("GET", "/Users")]
    deletions = [entry.at for entry in scene.changes(first)]
    assert clock.ahead and any(deletions[0] < at < deletions[1] for at in looks), "the target was looked at between the two"
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada", first) is None
