"""A backup of an installation at work, restored elsewhere: people sign in there, tokens can be read, and the run can be gone on with."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask

from panel import create_app
from panel.config import ROOT, Config
from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.models import Migration, Server
from panel.services import admins, run
from panel.services.run import steer
from panel.simulators.http import Fault
from tests.fixtures import QUICK, app, config, database_kind, scene, tv
from tests.flask_up import flask_up, power_cut
from tests.processes import wait_until
from tests.scene import Scene

__all__ = ["app", "config", "database_kind", "scene", "tv"]

PEOPLE = tuple(f"person{number}" for number in range(6))
PASSWORD = "a long enough password"


def flask(config: Config, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flask", *arguments], cwd=ROOT, env=config.child_environ(), capture_output=True, text=True, check=False
    )


def signs_in(url: str, email: str) -> bool:
    """Whether somebody can sign in there as in a browser."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(f"{url}/sign-in", timeout=20).read().decode()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None
    form = urlencode({"csrf_token": token[1], "email": email, "password": PASSWORD}).encode()
    sent = urllib.request.Request(f"{url}/sign-in", form, {"Referer": f"{url}/sign-in", "Origin": url})
    with browser.open(sent, timeout=20) as answer:
        return not answer.geturl().endswith("/sign-in") and answer.status == 200


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_backup_of_a_run_at_work_goes_on_elsewhere(config: Config, app: Flask, scene: Scene, tmp_path: Path) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in PEOPLE:
        scene.person(name)
    admins.create("ada@example.test", PASSWORD)
    db.session.commit()
    for side in scene.sides:
        side.sim.faults.append(Fault(method="POST", times=None, delay_s=1.0))
    token, saved = scene.target.row.token, str(tmp_path / "saved.zip")
    with flask_up(config, tmp_path / "first.log", end=power_cut) as up:
        assert up.address
        assert flask(config, "backup", str(tmp_path / "early.zip")).returncode == 0
        refused = flask(config, "restore", str(tmp_path / "early.zip"))
        assert (refused.returncode, "already running" in refused.stderr) == (1, True)
        first = scene.start()
        wait_until(lambda: len(scene.target.sim.users) > 2, 60)
        done = flask(config, "backup", saved)
        assert done.returncode == 0, done.stderr
    for side in scene.sides:
        side.sim.faults.clear()
    other = Config.from_env({"PANEL_VAR": str(tmp_path / "other"), "PLEX_TV_URL": scene.tv.url, **QUICK})
    done = flask(other, "restore", saved)
    assert done.returncode == 0, done.stderr
    assert "1 migration was at work then and is paused now" in done.stdout
    with flask_up(other, tmp_path / "second.log") as up:
        assert signs_in(up.address, "ada@example.test")
    elsewhere = create_app(other)
    with elsewhere.app_context():
        again = db.session.get_one(Migration, first.id)
        assert again.status is MigrationStatus.PAUSED
        assert db.session.get_one(Server, scene.target.row.id).token == token
        steer.resume(again)
        db.session.commit()
        wait_until(lambda: finished(again), 60)
        outcome = scene.outcome(again)
        db.session.remove()
        db.engine.dispose()
    moved = [name for name in PEOPLE if outcome[name] == "moved"]
    assert moved, "whom the first installation had not begun is moved by the other"
    assert all((scene.opened(name), scene.opened(name, scene.source)) == ({"Films", "Shows"}, None) for name in moved)
    # Who was in hand when it was stopped may have been moved since the backup; of them nothing is presumed.
    assert all(scene.opened(name) or scene.opened(name, scene.source) for name in PEOPLE), "nobody is lost"
    assert len(scene.target.sim.users) <= 1 + len(PEOPLE), "nobody is doubled"


def finished(again: Migration) -> bool:
    run.work(again.id)
    db.session.expire_all()
    return db.session.get_one(Migration, again.id).ended_at is not None
