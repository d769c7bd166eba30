"""A worker killed (SIGKILL) around every changing request of a run: the next one finishes, everybody is moved exactly once."""

from __future__ import annotations

import threading

import pytest
from flask import Flask

from panel.config import Config
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Account, Email, Migration, Share
from panel.simulators.http import Call
from tests.run.one_worker import OneWorker
from tests.scene import Scene

PEOPLE = ("ada", "ben")


class Killer:
    """Kills a worker process at the nth changing request, before or after it is carried out."""

    def __init__(self, nth: int, moment: str) -> None:
        self.nth, self.moment = nth, moment
        self.worker: OneWorker | None = None
        self.struck = threading.Event()
        self.seen = 0
        self.second = False
        "Whether the worker that takes over has been started."
        self.lock = threading.Lock()

    def wait(self) -> None:
        """Until the worker has ended, and who killed it has said so."""
        assert self.worker is not None
        self.worker.wait()
        with self.lock:
            pass

    def on_call(self, call: Call, moment: str) -> None:
        """Hooked into every simulator."""
        if self.struck.is_set() and not self.second:
            raise ConnectionError("What the dead worker had on its way does not arrive.")
        if call.method == "GET" or moment != self.moment or self.struck.is_set():
            return
        with self.lock:
            self.seen += 1
            if self.seen == self.nth and self.worker is not None:
                self.worker.kill()
                self.struck.set()
                if moment == "before":
                    raise ConnectionError("The worker died before this left.")


def run_with_kill(scene: Scene, config: Config, killer: Killer) -> Migration:
    """A run whose first worker is killed; a second one, started at once, ends it."""
    run = scene.start()
    for sim in (scene.tv, scene.source.sim, scene.target.sim):
        sim.on_call = killer.on_call
    killer.worker = OneWorker(config, run)
    killer.wait()
    killer.second = True
    assert OneWorker(config, run).wait() == 0
    db.session.expire_all()
    return run


@pytest.mark.parametrize(
    ("source", "target", "nth", "moment"),
    [
        ("jellyfin", "emby", 1, "after"),
        ("jellyfin", "emby", 3, "before"),
        ("plex", "plex", 2, "before"),
    ],
)
def test_moves_everyone_exactly_once(app: Flask, config: Config, scene: Scene, source: str, target: str, nth: int, moment: str) -> None:
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner)
    for name in PEOPLE:
        scene.person(name)
    killer = Killer(nth, moment)
    run = run_with_kill(scene, config, killer)
    assert killer.struck.is_set(), f"there were only {killer.seen} changing requests"
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    for name in PEOPLE:
        assert scene.opened(name) == {"Films", "Shows"}
        assert scene.opened(name, scene.source) is None
    assert len(db.session.scalars(db.select(Share)).all()) == len(PEOPLE), "one share each, on the target"
    if scene.target.kind is Platform.PLEX:
        assert len(scene.tv.shares_of(scene.target.sim)) == len(PEOPLE)
    else:
        assert len(scene.target.sim.users) == 1 + len(PEOPLE), "the administrator and one account each"
        assert db.session.scalars(db.select(Account).where(Account.server_id == scene.target.row.id)).all()
        assert not [moment for moment in scene.target.sim.exposed_moments() if moment[1] > 1]
        assert not any(scene.target.sim.can_sign_in(name, "") for name in PEOPLE)
    assert db.session.query(Email).count() == 0
