"""Hosts whose clocks differ, on one PostgreSQL: a run that one of them has in hand is left to it, and a dead one costs no more than its
hold."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from panel.config import Config
from panel.extensions import db
from panel.models import Migration
from panel.simulators.http import Call
from tests.processes import wait_until
from tests.run.one_worker import OnAnotherHost
from tests.scene import Scene

HOUR_S = 3600.0
#: For a process to notice on a busy machine that a hold is free, and to write down that it has it.
SLACK_S = 5.0


@pytest.fixture
def database_kind() -> str:
    """The one that several hosts can share."""
    return "postgresql"


@pytest.fixture
def run(scene: Scene) -> Migration:
    """A run that makes two accounts."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("ada", "ben"):
        scene.person(name)
    return scene.start()


@contextmanager
def held_up(scene: Scene) -> Iterator[threading.Event]:
    """The first account is made once this is left; the event: it is asked for."""
    asked, go_on = threading.Event(), threading.Event()

    def wait(call: Call, moment: str) -> None:
        if moment == "before" and call.path.endswith("/Users/New") and not asked.is_set():
            asked.set()
            go_on.wait(20)

    scene.target.sim.on_call = wait
    try:
        yield asked
    finally:
        go_on.set()


def epoch(run: Migration) -> int:
    db.session.rollback()
    found = db.session.scalar(db.select(Migration.epoch).where(Migration.id == run.id))
    db.session.rollback()
    assert found is not None
    return found


@pytest.mark.parametrize(("one", "other"), [(0.0, 25.0), (-25.0, 0.0), (0.0, HOUR_S), (0.0, -HOUR_S)])
def test_a_living_hold_is_left_alone_however_much_the_clocks_differ(
    config: Config, scene: Scene, run: Migration, one: float, other: float
) -> None:
    with held_up(scene) as asked:
        holds = OnAnotherHost(config, run, 1, one)
        assert asked.wait(30)
        held_under = epoch(run)
        comes = OnAnotherHost(config, run, 2, other)
        wait_until(comes.has_looked, 30)
        assert epoch(run) == held_under
    assert [holds.wait(), comes.wait()] == [0, 0]
    made = Counter(entry.call.body for entry in scene.target.sim.calls(path="/Users/New", changes=True))
    assert sorted(made.values()) == [1, 1]
    db.session.expire_all()
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}


@pytest.mark.parametrize(("one", "other"), [(0.0, HOUR_S), (0.0, -HOUR_S), (HOUR_S, 0.0)])
def test_a_dead_holder_costs_its_hold_and_no_more_however_much_the_clocks_differ(
    config: Config, scene: Scene, run: Migration, one: float, other: float
) -> None:
    with held_up(scene) as asked:
        dies = OnAnotherHost(config, run, 1, one)
        assert asked.wait(30)
        held_under = epoch(run)
        comes = OnAnotherHost(config, run, 2, other)
        wait_until(comes.has_looked, 30)
        dies.kill()
        since = time.monotonic()
        wait_until(lambda: epoch(run) > held_under, 30)
        assert config.lease_s / 2 < time.monotonic() - since < config.lease_s + SLACK_S, "it may be alive, for all that can be told here"
    assert comes.wait() == 0
    db.session.expire_all()
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
