"""The whole process tree at work, and its parts killed under it: everybody is moved exactly once, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask

from panel.config import ROOT, Config
from panel.extensions import db
from panel.models import Migration
from panel.simulators.http import Fault
from tests.processes import descendants, wait_until
from tests.scene import Scene

PEOPLE = tuple(f"person{number}" for number in range(8))


@contextmanager
def tree(config: Config) -> Iterator[subprocess.Popen[bytes]]:
    """`flask up` on this installation, stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "up", "--port", "0"], cwd=ROOT, env=config.child_environ(), start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def parts(process: subprocess.Popen[bytes], word: str) -> list[int]:
    """The processes of the tree with this word on their command line."""
    return [pid for pid, command in descendants(process.pid).items() if word in command]


def ended(run: Migration) -> bool:
    """Whether the run has ended, read afresh."""
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Migration, run.id).ended_at is not None


def begun(scene: Scene, people: int) -> bool:
    """Whether so many accounts stand on the target."""
    return len(scene.target.sim.users) > people


@pytest.fixture
def run(app: Flask, scene: Scene) -> Migration:
    """A run of eight people that takes a few seconds, because both servers are slow."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in PEOPLE:
        scene.person(name)
    run = scene.start()
    for side in scene.sides:
        side.sim.faults.append(Fault(method="POST", times=None, delay_s=0.1))
    return run


def check(scene: Scene, run: Migration) -> None:
    """Everybody on the target once, nobody on the source, no account open."""
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert len(scene.target.sim.users) == 1 + len(PEOPLE)
    assert all(scene.opened(name) == {"Films", "Shows"} for name in PEOPLE)
    assert all(scene.opened(name, scene.source) is None for name in PEOPLE)
    assert not any(scene.target.sim.can_sign_in(name, "") for name in PEOPLE)


@pytest.mark.timeout(400)
def test_survives_the_death_of_each_of_its_parts(config: Config, scene: Scene, run: Migration) -> None:
    with tree(config.ensure()) as up:
        for people, word in ((1, "panel.jobs.worker"), (3, "panel.serve"), (4, "valkey"), (6, "worker.py")):
            wait_until(lambda people=people: begun(scene, people) or ended(run), 120)
            for pid in parts(up, word):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: ended(run), 120)
        everything = [up.pid, *descendants(up.pid)]
    check(scene, run)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in everything))


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_goes_on_after_a_power_cut(config: Config, scene: Scene, run: Migration) -> None:
    with tree(config.ensure()) as up:
        wait_until(lambda: begun(scene, 2), 120)
        everything = descendants(up.pid)
        os.killpg(up.pid, signal.SIGKILL)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in everything))
    with tree(config.ensure()):
        wait_until(lambda: ended(run), 120)
    check(scene, run)
