"""The whole process tree at work, and its parts killed under it: everybody is moved exactly once, and nothing is left running."""

from __future__ import annotations

import os
import signal
from contextlib import AbstractContextManager

import pytest
import requests
from flask import Flask

from panel import jobs
from panel.config import Config
from panel.extensions import db
from panel.models import Migration
from panel.simulators.http import Fault
from tests.flask_up import Up, flask_up
from tests.processes import descendants, wait_until
from tests.scene import Scene
from tests.web.test_metrics import numbers

PEOPLE = tuple(f"person{number}" for number in range(8))
METRICS_TOKEN = "a-token-of-32-characters-or-more"


def tree(config: Config) -> AbstractContextManager[Up]:
    """`flask up` on this installation, which shows its counters to whoever has the token."""
    return flask_up(config, config.var / "up.log", PANEL_METRICS_TOKEN=METRICS_TOKEN)


def ask(up: Up, path: str) -> requests.Response:
    """What the web of the tree answers; it may just be starting again."""
    return requests.get(up.address + path, headers={"Authorization": f"Bearer {METRICS_TOKEN}"}, timeout=30)


def has_told_everything(up: Up) -> bool:
    """Whether what the workers counted has arrived at the page, after all that happened to them."""
    told = numbers(ask(up, "/metrics").text)
    asked = [told.get(("streamferry_requests_total", "ok", platform), 0) for platform in ("emby", "jellyfin")]
    return all(asked) and told["streamferry_users", "moved"] == len(PEOPLE) and told["streamferry_workers",] >= 1


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
            for pid in up.parts(word):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: ended(run), 120)
        # What the killed have counted is lost: there is more to count.
        for side in scene.sides:
            wait_until(lambda number=side.row.id: jobs.wake_sync(number))
        wait_until(lambda: has_told_everything(up), 60)
        wait_until(lambda: ask(up, "/readyz").json() == {"ready": True, "database": True, "redis": True, "worker": True}, 60)
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
