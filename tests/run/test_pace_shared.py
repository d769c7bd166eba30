"""The pace of one Plex account, shared: whose turn it is, and what a request to slow down does to everybody."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Migration, Pacemaker
from panel.models.types import utc_now
from panel.services import pace, report, sync
from panel.services import run as running
from panel.services.run import steer
from panel.simulators.http import Answer, Call, Fault
from tests.clock import Clock as Times
from tests.clock import clock as now
from tests.databases import BOTH
from tests.scene import Scene
from tests.watched import by_hand

__all__ = ["now"]

INTERVAL_S = 30.0


class Clock:
    """Stands in for the time of day, so that no test depends on how fast it runs."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time by which turns are taken."""
    clock = Clock()
    monkeypatch.setattr(pace, "utc_now", clock)
    monkeypatch.setattr(pace, "shared_now", clock)
    return clock


@pytest.fixture
def runs(scene: Scene) -> list[Migration]:
    """Two runs at work on servers of one Plex account."""
    first = scene.add_server("plex", "One")
    others = [scene.add_server("plex", name, owner=first.owner) for name in ("Two", "Three", "Four")]
    rows = [first.row, *[side.row for side in others]]
    made = [Migration(source=rows[index], target=rows[index + 1], status=MigrationStatus.RUNNING, pace_s=INTERVAL_S) for index in (0, 2)]
    db.session.add_all(made)
    db.session.commit()
    return made


def name_of(runs: list[Migration]) -> str:
    return pace.name_for(runs[0], runs[0].source)


def test_two_runs_on_an_account_take_turns_however_often_one_asks(scene: Scene, runs: list[Migration], clock: Clock) -> None:
    name, had, at = name_of(runs), [], []
    while len(had) < 10:
        for run in (runs[0], runs[0], runs[1]):
            clock.now += timedelta(seconds=0.1)
            if pace.take_turn(name, INTERVAL_S, run.id) == 0.0:
                had.append(run.id)
                at.append(clock.now)
                pace.end_turn(name)
                db.session.commit()
    assert all(one != next_one for one, next_one in pairwise(had[1:])), "whoever has waited longest comes first"
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(at)]
    assert min(gaps) >= INTERVAL_S
    assert max(gaps) <= INTERVAL_S * 1.05


def test_a_run_that_does_not_come_back_holds_nobody_up(scene: Scene, runs: list[Migration], clock: Clock) -> None:
    name = name_of(runs)
    assert pace.take_turn(name, INTERVAL_S, runs[0].id) == 0.0
    assert pace.take_turn(name, INTERVAL_S, runs[1].id) == INTERVAL_S, "it waits, and then dies"
    clock.now += timedelta(seconds=1)
    pace.take_turn(name, INTERVAL_S, runs[0].id)
    clock.now += timedelta(seconds=INTERVAL_S)
    assert pace.take_turn(name, INTERVAL_S, runs[0].id) > 0, "the turn is kept for the other"
    clock.now += timedelta(seconds=INTERVAL_S * 0.05)
    assert pace.take_turn(name, INTERVAL_S, runs[0].id) == 0.0, "but not for long"


def test_a_paused_run_keeps_no_place(scene: Scene, runs: list[Migration], clock: Clock) -> None:
    name = name_of(runs)
    assert pace.take_turn(name, INTERVAL_S, runs[0].id) == 0.0
    pace.take_turn(name, INTERVAL_S, runs[1].id)
    runs[1].status = MigrationStatus.PAUSED
    db.session.commit()
    clock.now += timedelta(seconds=INTERVAL_S)
    assert pace.take_turn(name, INTERVAL_S, runs[0].id) == 0.0


def test_runs_on_different_accounts_do_not_wait_for_each_other(scene: Scene, runs: list[Migration]) -> None:
    other = scene.add_server("plex", "Elsewhere")
    assert pace.take_turn(name_of(runs), 600.0, runs[0].id) == 0.0
    assert pace.take_turn(pace.name_of(other.row), 600.0, runs[1].id) == 0.0


def test_after_a_429_the_pace_is_slower_and_recovers_turn_by_turn(scene: Scene, runs: list[Migration], clock: Clock) -> None:
    name = name_of(runs)
    pace.cool_down(name, None)
    pace.cool_down(name, None)
    row = db.session.get_one(Pacemaker, name)
    assert row.slowness == 4.0
    assert pace.slowness_of([runs[0].source]) == 4.0
    row.cool_until, row.last_turn_at = clock.now, clock.now
    db.session.commit()
    assert pace.take_turn(name, 100.0, runs[0].id) == 400.0
    seen = []
    for _ in range(20):
        pace.end_turn(name)
        seen.append(db.session.get_one(Pacemaker, name, populate_existing=True).slowness)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == pytest.approx(3.6), "not at once"
    assert seen[-1] == 1.0


def stands(name: str) -> tuple[int, float, datetime | None]:
    row = db.session.get_one(Pacemaker, name, populate_existing=True)
    return row.refusals, row.slowness, row.cool_until


@pytest.mark.parametrize("meanwhile", ["before the answer", "as it is written down"])
def test_a_request_that_went_well_undoes_no_cool_down_of_another_run(
    app: Flask, runs: list[Migration], clock: Clock, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    name = name_of(runs)
    assert pace.take_turn(name, INTERVAL_S, runs[0].id) == 0.0

    def refused() -> None:
        with app.app_context():
            pace.cool_down(name, 60.0)
            db.session.commit()

    def now() -> datetime:
        monkeypatch.setattr(pace, "shared_now", clock)
        in_another_thread(refused)
        return clock.now

    if meanwhile == "before the answer":
        in_another_thread(refused)
    else:
        # Its row has been read by then.
        monkeypatch.setattr(pace, "shared_now", now)
    pace.end_turn(name)
    db.session.commit()
    refusals, slowness, cool_until = stands(name)
    assert (refusals, slowness) == (1, 2.0)
    assert cool_until is not None
    clock.now = cool_until
    pace.end_turn(name)
    assert stands(name)[:2] == (0, 1.8), "one after it does"


def in_another_thread(what: Callable[[], None]) -> None:
    thread = threading.Thread(target=what)
    thread.start()
    thread.join(30)


def test_while_it_cools_down_nothing_at_all_is_asked_of_the_account(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("ada")
    run = scene.start()
    pace.cool_down(pace.name_of(scene.source.row), 30.0)
    db.session.commit()
    scene.tv.journal.clear()
    left = running.work(run.id)
    assert left.wake_at is not None
    assert left.wake_at > utc_now() + timedelta(seconds=20)
    assert not scene.tv.journal, "not even a list"
    line = report.run_line(run)
    assert "waiting_until" in line
    assert "Plex" in line["waiting_reason"]


def test_a_sync_that_is_throttled_stops_everybody_on_that_account(scene: Scene) -> None:
    side = scene.add_server("plex", "Old")
    scene.tv.faults.append(Fault(status=429, headers={"Retry-After": "120"}, times=None))
    assert sync.sync_server(side.row).problem
    until = pace.cooling_until([side.row])
    assert until is not None
    assert utc_now() + timedelta(seconds=100) < until < utc_now() + timedelta(seconds=140)
    scene.tv.journal.clear()
    with pytest.raises(sync.SyncRefused, match="asked to slow down"):
        sync.sync_server(side.row)
    assert not scene.tv.journal


@pytest.mark.parametrize("removal", [Removal.WHEN_ACTIVE, Removal.KEEP])
def test_a_media_server_that_is_asked_too_often_does_not_stop_the_plex_account_on_the_other_side(scene: Scene, removal: Removal) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    slow = Fault("POST", "/Users/New", status=429, headers={"Retry-After": "3000"})
    scene.target.sim.faults.append(slow)
    run = scene.start(removal=removal, pace_s=0.01)
    while not slow.seen:
        left = running.work(run.id)
    db.session.expire_all()
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=10), "the run waits for the server"
    assert pace.cooling_until([scene.source.row]) is None
    row = db.session.get(Pacemaker, pace.name_of(scene.source.row))
    assert row is None or (row.refusals, row.slowness) == (0, 1.0)


@pytest.mark.parametrize(("side", "path"), [("target", "/Users/New"), ("source", "/Policy")])
def test_a_media_server_that_was_asked_too_often_is_left_alone_by_everybody(scene: Scene, side: str, path: str) -> None:
    scene.add_server("emby", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("ada")
    slow = Fault("POST", path, status=429, headers={"Retry-After": "3000"})
    asked = getattr(scene, side)
    asked.sim.faults.append(slow)
    run = scene.start()
    while not slow.seen:
        running.work(run.id)
    asked.sim.journal.clear()
    db.session.expire_all()
    steer.pause(run)
    db.session.commit()
    running.work(run.id)
    steer.resume(run)
    db.session.commit()
    left = running.work(run.id)
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=40), "a resumed run waits all the same"
    with pytest.raises(sync.SyncRefused, match=f"{asked.row.name} has asked to slow down"):
        sync.sync_server(asked.row)
    assert not asked.sim.journal
    assert f"Slowed down by {asked.row.name}" in report.run_line(run)["waiting_reason"]


def test_a_media_server_that_was_left_in_peace_begins_anew(scene: Scene, clock: Clock) -> None:
    server = scene.add_server("emby", "Old").row
    name = pace.name_of(server)
    waits = [pace.cool_down(name, None) for _ in range(3)]
    assert waits == sorted(waits) and waits[-1] >= 4 * waits[0] / 1.2, "refusals in a row make it longer"
    clock.now += timedelta(seconds=3 * waits[-1])
    assert pace.cooling_until([server]) is None
    assert pace.cool_down(name, None) < 2 * waits[0]


def test_a_media_server_that_has_done_something_since_begins_anew(scene: Scene, clock: Clock) -> None:
    name = pace.name_of(scene.add_server("emby", "Old").row)
    first, second = (pace.cool_down(name, None) for _ in range(2))
    pace.forgive(name)
    assert pace.cool_down(name, None) > second, "what is answered while it is to be left alone says nothing"
    clock.now += timedelta(seconds=5 * second)
    pace.forgive(name)
    assert pace.cool_down(name, None) < 2 * first


def test_a_media_server_that_lets_so_many_requests_through_a_minute_is_waited_for_no_longer_each_time(scene: Scene, now: Times) -> None:
    scene.add_server("emby", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    for number in range(30):
        scene.person(f"p{number}")
    let_through: list[datetime] = []
    genuine = scene.target.sim.answer

    def answer(call: Call) -> Answer:
        if call.method == "POST":
            let_through[:] = [at for at in let_through if utc_now() - at < timedelta(minutes=1)]
            if len(let_through) >= 15:
                return Answer(429, b"slow down")
            let_through.append(utc_now())
        return genuine(call)

    scene.target.sim.answer = answer
    run, waits = scene.start(removal=Removal.KEEP), []
    for _ in range(60):
        left = running.work(run.id)
        if left.wake_at is not None:
            waits.append((left.wake_at - utc_now()).total_seconds())
            now.ahead += timedelta(seconds=waits[-1] + 0.1)
    db.session.expire_all()
    assert set(scene.outcome(run).values()) == {"moved"} and waits and max(waits) < 150


@pytest.mark.parametrize("database_kind", BOTH)
def test_of_two_that_are_refused_at_the_same_moment_the_longer_cool_down_stays(app: Flask, scene: Scene) -> None:
    server = scene.add_server("emby", "Old").row
    name = pace.name_of(server)
    pace.cool_down(name, 1.0)
    db.session.commit()
    genuine, told = pace.cool_down_s, []

    def meanwhile(*what: Any) -> float:
        """Another process is refused as well while this one is reckoning."""
        if not told:
            told.append(what)
            thread = threading.Thread(target=another)
            thread.start()
            thread.join(60)
        return genuine(*what)

    def another() -> None:
        with app.app_context():
            pace.cool_down(name, 3000.0)
            db.session.commit()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "cool_down_s", meanwhile)
        pace.cool_down(name, 60.0)
        db.session.commit()
    until = pace.cooling_until([server])
    assert until is not None and until > utc_now() + timedelta(seconds=2900)
    assert db.session.get_one(Pacemaker, name, populate_existing=True).refusals == 3


def moved_to_new(scene: Scene, target: str, *names: str) -> Migration:
    """A first run of these people, one user after another from now on."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    for name in names:
        scene.person(name)
    run = scene.move(removal=Removal.KEEP)
    assert set(scene.outcome(run).values()) == {"moved"}
    return run


def after_the_refusal(scene: Scene) -> list[str]:
    """What was asked of the target after it had answered 429."""
    calls = [(entry.status, f"{entry.call.method} {entry.call.path}") for entry in scene.target.sim.journal]
    (refused,) = [number for number, (status, _) in enumerate(calls) if status == 429]
    return [call for _, call in calls[refused + 1 :]]


def test_after_a_refused_question_about_one_who_stands_closed_the_others_are_left_alone(scene: Scene) -> None:
    moved_to_new(scene, "emby", "ada", "ben")
    sim = scene.target.sim
    for name in ("ada", "ben"):
        sim.user(name).password, sim.user(name).policy["IsDisabled"] = "", True
    sim.faults.append(Fault("GET", r"/Users/[0-9a-f-]{8,}$", status=429, headers={"Retry-After": "3000"}))
    sim.journal.clear()
    run = scene.start(removal=Removal.KEEP)
    left = running.work(run.id)
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=40)
    db.session.expire_all()
    assert after_the_refusal(scene) == [] and not any(move.claim or move.before or move.sealed for move in run.moves)


def test_after_a_refused_question_about_one_who_is_missing_the_one_who_was_found_is_left_alone(scene: Scene) -> None:
    run = moved_to_new(scene, "jellyfin", "ada", "ben")
    sim = scene.target.sim
    with by_hand():
        for move in run.moves:
            move.status, move.step, move.retryable, move.needs_look = MoveStatus.FAILED, Step.GIVE, True, True
    sim.user("ada").policy["EnabledFolders"] = []
    sim.delete_account(sim.user("ben"))
    steer.retry(run)
    db.session.commit()
    sim.faults.append(Fault("GET", r"/Users/[0-9a-f-]{8,}$", status=429, headers={"Retry-After": "3000"}))
    sim.journal.clear()
    running.work(run.id)
    db.session.expire_all()
    assert after_the_refusal(scene) == [] and not any(move.claim for move in run.moves)


@pytest.mark.parametrize("refused", ["the link", "the look at it"])
def test_nobody_else_is_begun_once_linking_with_emby_connect_was_refused(app: Flask, scene: Scene, now: Times, refused: str) -> None:
    app.extensions["panel_config"] = dataclasses.replace(app.extensions["panel_config"], side_by_side=1)
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    scene.person("ben")
    slow = Fault("POST", "/Connect/Link", status=429, headers={"Retry-After": "3000"})
    if refused == "the look at it":
        slow = Fault("GET", r"/Users/[0-9a-f-]{8,}$", status=429, headers={"Retry-After": "3000"})
        scene.target.sim.faults.append(Fault("POST", "/Connect/Link", status=500))
    scene.target.sim.faults.append(slow)
    run = scene.start(removal=Removal.KEEP)
    left = running.work(run.id)
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=40)
    assert after_the_refusal(scene) == []
    db.session.expire_all()
    assert sorted(move.given_at is not None for move in run.moves) == [False, True]
    assert "perhaps not linked" in " ".join(move.remark for move in run.moves), "who was refused has all the same what was meant for them"
    now.ahead += left.wake_at - utc_now() + timedelta(seconds=1)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
