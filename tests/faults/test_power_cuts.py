"""What happens to the machine: power cuts at random moments, a lost queue, a locked database, a full disk, a moved clock."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from flask import Flask

from panel.config import Config
from panel.models import Migration
from panel.simulators.http import Call, Fault
from tests.clock import Clock, clock
from tests.faults.crash import Zygote, zygote
from tests.faults.recovery import RECOVERY_S, has_ended
from tests.faults.stage import Stage, queued, stage
from tests.faults.state import differences, end_state, wrongs
from tests.faults.whose import unproved
from tests.fixtures import app, config, database_kind, scene, tv, watched
from tests.flask_up import flask_up, power_cut
from tests.processes import wait_until
from tests.scene import PAIRS, Scene

__all__ = ["app", "clock", "config", "database_kind", "scene", "tv", "watched"]

CUTS_EACH = 10
SEEDS = 20
CROWD = tuple(f"person{number}" for number in range(6))


def cut(workers: Zygote, after_s: float) -> bool:
    """A worker that is killed so many seconds after it has begun; whether it was still at work then."""
    workers.start()
    pid = workers.pid

    def strike() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(after_s, strike)
    timer.start()
    code = workers.go()
    timer.cancel()
    return code == -signal.SIGKILL


def cuts_until_ended(on: Stage, workers: Zygote, chance: random.Random, longest_s: float) -> tuple[int, float]:
    """A run whose workers are killed again and again, at moments up to `longest_s` after they began; answers how many were, and how long
    the one took that was left alone at last."""
    on.reset()
    cuts = 0
    while cuts < CUTS_EACH and cut(workers, chance.uniform(0, longest_s)):
        cuts += 1
    began = time.monotonic()
    workers.start(here=True)
    assert workers.go() == 0
    return cuts, time.monotonic() - began


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(SEEDS))
def test_power_cuts_at_random_moments_change_nothing(seed: int) -> None:
    chance = random.Random(seed)
    source, target = PAIRS[seed % len(PAIRS)]
    with stage(source, target, width=2) as on, zygote(on) as workers:
        on.reset()
        workers.start(here=True)
        assert workers.go() == 0
        began = time.monotonic()
        on.reset()
        workers.start(here=True)
        assert workers.go() == 0
        takes_s, expected = time.monotonic() - began, end_state(on)
        cuts = 0
        while cuts < CUTS_EACH:
            made, recovery_s = cuts_until_ended(on, workers, chance, takes_s)
            cuts += made
            assert not wrongs(on) + differences(expected, end_state(on)) + unproved(on), f"after {made} cuts"
            assert recovery_s < RECOVERY_S


def check(scene: Scene, run: Migration) -> None:
    """Everybody on the target once, nobody on the source, no account open."""
    from panel.extensions import db

    db.session.rollback()
    db.session.expire_all()
    assert scene.outcome(run) == dict.fromkeys(CROWD, "moved")
    sim = scene.target.sim
    assert sorted(account.name for account in sim.users.values()) == sorted(["admin", *CROWD])
    assert all(scene.opened(name) == {"Films", "Shows"} and scene.opened(name, scene.source) is None for name in CROWD)
    assert not sim.exposure.still_open()
    assert not any(changes > 1 for _, changes in sim.exposed_moments())


@pytest.mark.faults
@pytest.mark.parametrize("queue_lost", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_whole_tree_goes_on_after_power_cuts(app: Flask, config: Config, scene: Scene, seed: int, queue_lost: bool) -> None:
    chance = random.Random(seed)
    run = queued(scene, "jellyfin", "emby", people=CROWD)
    path = Path(config.database_url.removeprefix("sqlite:///"))
    for side in scene.sides:
        side.sim.faults.append(Fault(method="POST", times=None, delay_s=0.15))
    ready = config.ensure()
    for _ in range(3):
        before = len(scene.target.sim.calls(changes=True))
        if has_ended(run.id, path):
            break
        began = time.monotonic()
        with flask_up(ready, end=power_cut) as up:
            wait_until(lambda before=before: len(scene.target.sim.calls(changes=True)) > before or has_ended(run.id, path), 120)
            sys.stdout.write(f"first change {time.monotonic() - began:.1f} s after the start\n")
            assert time.monotonic() - began < RECOVERY_S
            threading.Event().wait(chance.uniform(0, 0.5))
            power_cut(up)
        if queue_lost:
            shutil.rmtree(ready.var / "redis", ignore_errors=True)
    with flask_up(ready, end=power_cut):
        wait_until(lambda: has_ended(run.id, path), 120)
    check(scene, run)


@pytest.mark.faults
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_full_disk_under_the_log_stops_nobody(app: Flask, config: Config, scene: Scene, as_json: bool) -> None:
    run = queued(scene, "jellyfin", "emby", people=CROWD)
    path = Path(config.database_url.removeprefix("sqlite:///"))
    environ = {**config.environ, "PANEL_LOG_JSON": str(int(as_json))}
    with flask_up(replace(config, environ=environ).ensure(), Path("/dev/full"), end=power_cut):
        wait_until(lambda: has_ended(run.id, path), 90)
    check(scene, run)


@pytest.mark.faults
@pytest.mark.parametrize("nth", [3, 9, 12, 20])
def test_a_database_locked_for_longer_than_the_hold_changes_nothing(nth: int) -> None:
    with stage("jellyfin", "emby", PANEL_LEASE_S="1") as on:
        on.reset()
        on.labour()
        expected = end_state(on)
        on.reset()
        seen, locked = [], threading.Event()

        def hold() -> None:
            with sqlite3.connect(on.database, timeout=20, isolation_level=None) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                locked.set()
                threading.Event().wait(2.5)
                connection.execute("COMMIT")

        def lock(call: Call, moment: str) -> None:
            seen.append(call)
            if len(seen) == 2 * nth:
                threading.Thread(target=hold).start()
                locked.wait(20)

        on.hook(lock)
        on.labour()
        assert locked.is_set()
        assert not wrongs(on) + differences(expected, end_state(on))


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("emby", "jellyfin")])
def test_a_clock_that_jumps_loses_nobody(clock: Clock, source: str, target: str, seed: int) -> None:
    chance = random.Random(seed)
    with stage(source, target, width=2) as on:
        on.reset()
        on.labour()
        expected = end_state(on)
        on.reset()

        def jump(call: Call, moment: str) -> None:
            if chance.random() < 0.3:
                clock.ahead = timedelta(hours=chance.choice([-1, 0, 1]))

        on.hook(jump)
        on.labour()
        clock.ahead = timedelta()
        assert not wrongs(on) + differences(expected, end_state(on))


@pytest.mark.faults
def test_a_clock_that_is_put_back_lets_nobody_go_sooner(clock: Clock) -> None:
    with stage("plex", "plex", same_account=True) as on:
        on.reset()
        run = on.run
        run.pace_s = 0.5
        from panel.extensions import db

        db.session.commit()

        def put_back(call: Call, moment: str) -> None:
            if call.method != "GET" and moment == "after":
                clock.ahead = timedelta(hours=-1)

        on.hook(put_back)
        on.labour()
        clock.ahead = timedelta()
        sent = [entry.at for entry in on.scene.tv.calls(changes=True)]
        assert min(later - earlier for earlier, later in pairwise(sent)) >= 0.5
        assert on.scene.outcome(on.run) == {"ada": "moved", "ben": "moved"}
        assert not wrongs(on)
