"""Worker processes for tests that kill them: each works on one run until it has ended. They are forked from one process per test session
that has imported everything, so that a test need not wait for that. Some are as if on another host, with a clock of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from multiprocessing.synchronize import Event

from flask import Flask

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Migration, types
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import holder
from tests.clock import Clock

PATIENCE_S = 90.0
#: Between two looks whether the run is to be gone on with.
LOOK_EVERY_S = 0.1

_warm = multiprocessing.get_context("forkserver")
_warm.set_forkserver_preload([__name__])


class OneWorker:
    """A running process with the installation's environment."""

    def __init__(self, config: Config, run: Migration) -> None:
        self._begin(work, config.child_environ(), run.id)

    def _begin(self, target: Callable[..., None], *arguments: object) -> None:
        self._process = _warm.Process(target=target, args=arguments, daemon=True)
        self._ending = threading.Lock()
        self._process.start()

    def kill(self) -> None:
        """SIGKILL; returns once it is gone. From any thread."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """How it ended: its exit code, or the number of the signal that killed it, negative."""
        with self._ending:
            self._process.join(PATIENCE_S)
            code = self._process.exitcode
        assert code is not None, "it has not ended"
        return code


class OnAnotherHost(OneWorker):
    """A process that nobody on another host can tell dead, and whose time of day is `ahead_s` seconds ahead. `has_looked` once it has
    looked for the first time whether it can have the run, and come back."""

    def __init__(self, config: Config, run: Migration, number: int, ahead_s: float) -> None:
        self._looked = _warm.Event()
        self._begin(work_elsewhere, config.child_environ(), run.id, number, ahead_s, self._looked)

    def has_looked(self) -> bool:
        """From any thread."""
        return self._looked.is_set()


def work_elsewhere(environ: Mapping[str, str], run_id: int, number: int, ahead_s: float, looked: Event) -> None:
    """What a process on another host does: as the periodic check has it done, until the run has ended."""
    clock = Clock()
    clock.ahead = timedelta(seconds=ahead_s)
    types.datetime = clock  # type: ignore[assignment, misc]
    holder._machine_id = lambda: f"{number:032x}"
    with _app(environ).app_context():
        while db.session.get_one(Migration, run_id, populate_existing=True).ended_at is None:
            db.session.commit()
            if run_id in running.due():
                running.work(run_id)
            looked.set()
            time.sleep(LOOK_EVERY_S)


def work(environ: Mapping[str, str], run_id: int) -> None:
    """What the process does: until the run has ended."""
    with _app(environ).app_context():
        while db.session.get_one(Migration, run_id, populate_existing=True).ended_at is None:
            db.session.commit()
            left = running.work(run_id)
            if left.wake_at:
                time.sleep(max(0.0, (left.wake_at - utc_now()).total_seconds()))


def _app(environ: Mapping[str, str]) -> Flask:
    os.environ.clear()
    os.environ.update(environ)
    return create_app(screens=False, commands=False)
