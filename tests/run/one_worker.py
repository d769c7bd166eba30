"""Worker processes for tests that kill them: each works on one run until it has ended. They are forked from one process per test session
that has imported everything, so that a test need not wait for that."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from panel.services import run as running

PATIENCE_S = 90.0

_warm = multiprocessing.get_context("forkserver")
_warm.set_forkserver_preload([__name__])


class OneWorker:
    """A running process with the installation's environment."""

    def __init__(self, config: Config, run: Migration) -> None:
        self._process = _warm.Process(target=work, args=(config.child_environ(), run.id), daemon=True)
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


def work(environ: Mapping[str, str], run_id: int) -> None:
    """What the process does: until the run has ended."""
    os.environ.clear()
    os.environ.update(environ)
    app = create_app(screens=False, commands=False)
    with app.app_context():
        while db.session.get_one(Migration, run_id, populate_existing=True).ended_at is None:
            db.session.commit()
            left = running.work(run_id)
            if left.wake_at:
                time.sleep(max(0.0, (left.wake_at - utc_now()).total_seconds()))
