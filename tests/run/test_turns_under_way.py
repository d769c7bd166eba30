"""A turn lasts until its request is over: whatever lies between taking it and the answer, nobody else sends in the meantime."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from panel.config import Config
from panel.domain.statuses import MigrationStatus, Removal
from panel.extensions import db
from panel.models import Migration, Pacemaker, PlexAccount
from panel.models.types import utc_now
from panel.services import by_hand, pace, throttling
from panel.services.run import lease as leases
from panel.simulators.http import Call
from tests.clock import Clock, clock
from tests.databases import ON_BOTH
from tests.run.buttons import before
from tests.run.one_worker import OneWorker
from tests.scene import Scene

__all__ = ["clock"]

INTERVAL_S, PACE_S = 30.0, 0.4
HOLD_S = 20.0


class HeldUp:
    """The first changing request that arrives at Plex is held up until another one comes beside it, or for many times the pace."""

    def __init__(self, scene: Scene) -> None:
        self._another, self._lock, self._arrived = threading.Event(), threading.Lock(), 0
        scene.tv.on_call = self

    def __call__(self, call: Call, moment: str) -> None:
        if call.method == "GET" or moment != "before":
            return
        with self._lock:
            self._arrived += 1
            is_first = self._arrived == 1
        if is_first:
            self._another.wait(10 * PACE_S)
        else:
            self._another.set()


@ON_BOTH
def test_another_run_does_not_send_beside_a_request_that_takes_longer_than_the_pace(config: Config, scene: Scene) -> None:
    first, second = scene.add_server("jellyfin", "Old"), scene.add_server("plex", "New")
    scene.plan("Basic")
    third, fourth = scene.add_server("jellyfin", "Third"), scene.add_server("plex", "Fourth", owner=second.owner)
    for name, side in (("ada", first), ("ben", first), ("dora", third), ("emil", third)):
        scene.person(name, on=side)
    runs = [scene.start(removal=Removal.KEEP, pace_s=PACE_S)]
    scene.sides = [third, fourth, first, second]
    runs.append(scene.start(removal=Removal.KEEP, pace_s=PACE_S))
    HeldUp(scene)
    assert [worker.wait() for worker in [OneWorker(config, run) for run in runs]] == [0, 0]
    sent = [entry.at for entry in scene.changes(second)]
    assert len(sent) == 4 and min(later - earlier for earlier, later in itertools.pairwise(sent)) >= PACE_S


@pytest.fixture
def runs(scene: Scene) -> list[Migration]:
    """Two runs at work on servers of one Plex account."""
    first = scene.add_server("plex", "One")
    rows = [first.row, *[scene.add_server("plex", name, owner=first.owner).row for name in ("Two", "Three", "Four")]]
    made = [Migration(source=rows[index], target=rows[index + 1], status=MigrationStatus.RUNNING, pace_s=INTERVAL_S) for index in (0, 2)]
    db.session.add_all(made)
    db.session.commit()
    return made


def take(run: Migration) -> float:
    return pace.take_turn(pace.name_of(run.target), INTERVAL_S, run.id)


def hold(run: Migration) -> leases.Lease:
    lease = leases.acquire(run.id, HOLD_S)
    assert lease is not None
    return lease


def pass_by(clock: Clock, seconds: float, *held: leases.Lease) -> None:
    """Time goes by; who lives renews its hold."""
    clock.ahead += timedelta(seconds=seconds)
    for lease in held:
        assert lease._renew()


def test_the_interval_begins_when_the_request_of_the_other_run_is_over(runs: list[Migration], clock: Clock) -> None:
    one = hold(runs[0])
    assert take(runs[0]) == 0.0
    pass_by(clock, 10 * INTERVAL_S, one)
    assert take(runs[1]) >= INTERVAL_S, "it is on its way still"
    pace.end_turn(pace.name_of(runs[0].target), one.hold)
    db.session.commit()
    assert take(runs[1]) > INTERVAL_S - 5
    pass_by(clock, INTERVAL_S, one)
    assert take(runs[1]) == 0.0


def test_a_turn_in_which_nothing_is_sent_is_left_to_others(runs: list[Migration], clock: Clock) -> None:
    one = hold(runs[0])
    assert take(runs[0]) == 0.0
    pace.leave_turn(pace.name_of(runs[0].target), one.hold)
    db.session.commit()
    pass_by(clock, INTERVAL_S, one)
    assert take(runs[1]) == 0.0


def test_the_turn_of_a_dead_worker_ends_with_its_hold_and_is_nothing_to_the_next_one_of_its_run(
    runs: list[Migration], clock: Clock
) -> None:
    hold(runs[0])
    assert take(runs[0]) == 0.0
    pass_by(clock, HOLD_S + 1)
    seconds = take(runs[1])
    assert 0 < seconds < INTERVAL_S, "only the interval is left to be waited for"
    one = hold(runs[0])
    pass_by(clock, seconds, one)
    assert take(runs[0]) == pace.NEXT_IN_S, "whoever has waited longer comes first"
    assert take(runs[1]) == 0.0


def test_whoever_comes_late_does_not_end_the_turn_of_another_run(runs: list[Migration], clock: Clock) -> None:
    one, two = hold(runs[0]), hold(runs[1])
    assert take(runs[1]) == 0.0
    pace.end_turn(pace.name_of(runs[0].target), one.hold)
    pace.leave_turn(pace.name_of(runs[0].target), one.hold)
    pace.end_turn(pace.name_of(runs[0].target))
    db.session.commit()
    pass_by(clock, 2 * INTERVAL_S, two)
    assert take(runs[0]) >= INTERVAL_S


@pytest.mark.parametrize("late", [pace.end_turn, pace.leave_turn])
def test_a_worker_that_has_lost_its_run_does_not_end_the_turn_of_the_next_one(
    runs: list[Migration], clock: Clock, late: Callable[[str, pace.Hold], None]
) -> None:
    asleep = hold(runs[0])
    assert take(runs[0]) == 0.0
    pass_by(clock, HOLD_S + INTERVAL_S)
    awake = hold(runs[0])
    assert take(runs[0]) == 0.0
    late(pace.name_of(runs[0].target), asleep.hold)
    db.session.commit()
    pass_by(clock, 2 * INTERVAL_S, awake)
    assert take(runs[1]) >= INTERVAL_S


def test_one_that_falls_asleep_right_after_taking_a_run_over_does_not_end_the_turn_of_the_next_one(
    runs: list[Migration], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    awake: list[leases.Lease] = []

    def while_it_sleeps() -> None:
        pass_by(clock, HOLD_S + 1)
        awake.append(hold(runs[0]))
        assert take(runs[0]) == 0.0

    before(monkeypatch, pace, "give_up_turns", while_it_sleeps)
    hold(runs[0])
    pass_by(clock, 2 * INTERVAL_S, *awake)
    assert awake and take(runs[1]) >= INTERVAL_S, "the request of the other run is on its way still"


def test_a_page_and_a_run_wait_for_each_other(runs: list[Migration], clock: Clock) -> None:
    one = hold(runs[0])
    server, name = runs[1].target, pace.name_of(runs[1].target)
    with by_hand.turn(server):
        pass_by(clock, 3 * INTERVAL_S, one)
        assert take(runs[0]) >= INTERVAL_S
    assert INTERVAL_S - 5 < take(runs[0]) <= INTERVAL_S
    pass_by(clock, INTERVAL_S, one)
    assert take(runs[0]) == 0.0
    pass_by(clock, 3 * INTERVAL_S, one)
    with pytest.raises(throttling.NotYet, match="nothing was done yet"), by_hand.turn(server):
        pass
    assert db.session.get_one(Pacemaker, name, populate_existing=True).turn_of == runs[0].id


def test_a_page_that_was_killed_holds_nobody_up_for_long(scene: Scene, runs: list[Migration], clock: Clock) -> None:
    name = pace.name_of_account(db.session.scalars(db.select(PlexAccount.id)).one())
    assert pace.take_turn(name, INTERVAL_S) == 0.0
    pass_by(clock, INTERVAL_S)
    assert take(runs[0]) >= INTERVAL_S
    pass_by(clock, pace.BY_HAND_S)
    assert take(runs[0]) == 0.0


def test_a_turn_from_before_the_clock_was_put_back_counts_for_nothing(runs: list[Migration], clock: Clock) -> None:
    name = pace.name_of(runs[0].target)
    assert pace.take_turn(name, INTERVAL_S) == 0.0
    row = db.session.get_one(Pacemaker, name)
    row.turn_until, row.last_turn_at = utc_now() + timedelta(days=400), None
    db.session.commit()
    assert take(runs[0]) == 0.0
