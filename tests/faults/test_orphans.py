"""A worker that dies alone in the middle of a run: the work-horse that has the run in hand is its child, and dies with it. Another one goes
on, everybody is moved exactly once."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from flask import Flask

from panel.config import Config
from panel.simulators.http import Fault
from tests.faults.recovery import RECOVERY_S, has_ended
from tests.faults.stage import queued
from tests.faults.test_power_cuts import CROWD, check
from tests.fixtures import app, config, database_kind, scene, tv, watched
from tests.flask_up import flask_up, power_cut
from tests.processes import alive, table, wait_until
from tests.scene import Scene

__all__ = ["app", "config", "database_kind", "scene", "tv", "watched"]

#: Seconds a work-horse may outlive its worker; each would send several requests in that time.
ORPHANED_S = 5.0
#: Changing requests before it dies.
FIRST = 5
WORKER = "panel.jobs.worker"


def horse_of(run_id: int, path: Path) -> int:
    """The process that has the run in hand; 0 while none has."""
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        (holder,) = connection.execute("SELECT lease_holder FROM migrations WHERE id = ?", (run_id,)).fetchone()
    return int(holder.split("/")[3]) if holder else 0


@pytest.mark.faults
def test_a_worker_that_dies_without_its_horse_changes_nothing(app: Flask, config: Config, scene: Scene) -> None:
    run = queued(scene, "jellyfin", "emby", people=CROWD)
    path = Path(config.database_url.removeprefix("sqlite:///"))
    for side in scene.sides:
        side.sim.faults.append(Fault(method="POST", times=None, delay_s=0.3))

    def changes() -> int:
        return sum(len(side.sim.calls(changes=True)) for side in scene.sides)

    with flask_up(config.ensure(), end=power_cut):
        wait_until(lambda: changes() >= FIRST and horse_of(run.id, path), 120)
        horse, processes = horse_of(run.id, path), table()
        worker = processes[horse][0]
        # Both are named alike: the horse is a fork of the worker.
        assert WORKER in processes[horse][1] and WORKER in processes[worker][1]
        os.kill(worker, signal.SIGKILL)
        began = time.monotonic()
        try:
            wait_until(lambda: not alive(horse), ORPHANED_S)
        finally:
            # An orphan is no part of the tree any more.
            with suppress(ProcessLookupError):
                os.kill(horse, signal.SIGKILL)
        assert not has_ended(run.id, path)
        before = changes()
        wait_until(lambda: changes() > before or has_ended(run.id, path), 120)
        sys.stdout.write(f"the run goes on {time.monotonic() - began:.1f} s after the worker's death\n")
        assert time.monotonic() - began < RECOVERY_S
        wait_until(lambda: has_ended(run.id, path), 120)
    check(scene, run)
