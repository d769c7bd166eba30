"""A PostgreSQL that takes everything and says nothing, over connections that stand: what a worker does goes on by itself, over new ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

import worker
from panel import patience
from panel.config import Config
from panel.extensions import db
from panel.jobs import housekeeping
from panel.models import Email, Migration
from panel.services import run as running
from panel.simulators.http import Call
from panel.simulators.plex_tv import PlexTv
from tests.fixtures import QUICK, app, scene, tv, watched
from tests.processes import wait_until
from tests.scene import Scene
from tests.web.silent import Line, line

__all__ = ["app", "line", "scene", "tv", "watched"]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def config(line: Line, tv: PlexTv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """An installation whose PostgreSQL is at the far end of that line, and is waited for less long."""
    monkeypatch.setattr(patience, "QUESTION_S", 2.0)
    return Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": line.url, "PLEX_TV_URL": tv.url, **QUICK})


@pytest.fixture
def woken(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The mails that the chores of a worker have had taken up, again and again: one is due."""
    db.session.add(Email(event="x", recipient="ada@example.test"))
    db.session.commit()
    found: list[int] = []
    monkeypatch.setattr(housekeeping, "wake_mail", found.append)
    monkeypatch.setattr(worker, "HOUSEKEEPING_EVERY_S", 0.05)
    stop = threading.Event()
    chores = threading.Thread(target=worker.keep_house, args=(app, stop), daemon=True)
    chores.start()
    yield found
    stop.set()
    chores.join(60)


def test_the_chores_of_a_worker_are_done_again(line: Line, woken: list[int]) -> None:
    for _ in range(2):
        wait_until(lambda: woken, 30)
        line.forget()
        woken.clear()
    wait_until(lambda: woken, 30)


def test_the_chores_of_a_worker_are_done_again_after_a_silence_of_everything(line: Line, woken: list[int]) -> None:
    wait_until(lambda: woken, 30)
    line.fall_silent()
    asked = len(line.taken)
    wait_until(lambda: len(line.taken) > asked, 30)
    line.forget()
    woken.clear()
    wait_until(lambda: woken, 30)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_goes_on_and_moves_everybody_once(app: Flask, line: Line, scene: Scene, moment: str) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("ada", "ben", "cleo"):
        scene.person(name)
    run = scene.start()
    silences = list[Call]()

    def fall_silent(call: Call, when: str) -> None:
        if (when, call.method) == (moment, "POST") and len(silences) < 2:
            silences.append(call)
            line.forget()

    scene.target.sim.on_call = fall_silent
    wait_until(lambda: has_ended(app, run.id), 90)
    assert len(silences) == 2
    db.session.expire_all()
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved", "cleo": "moved"}
    assert sorted(account.name for account in scene.target.sim.users.values()) == ["ada", "admin", "ben", "cleo"]


def has_ended(app: Flask, run_id: int) -> bool:
    """Whether it has, after a worker has worked on it: one whose job fails is given it again."""
    with app.app_context():
        try:
            running.work(run_id)
            return db.session.get_one(Migration, run_id, populate_existing=True).ended_at is not None
        except SQLAlchemyError:
            return False
