"""The whole process tree of an installation, and the power cut that ends it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from panel.config import ROOT, Config
from tests.processes import descendants, wait_until

#: Within so many seconds after a restart the run goes on.
RECOVERY_S = 30.0


@contextmanager
def tree(config: Config, log: str = os.devnull) -> Iterator[subprocess.Popen[bytes]]:
    """`flask up` on this installation; whatever is left of it at the end is killed."""
    with open(log, "wb") as out:
        command = [sys.executable, "-m", "flask", "up", "--port", "0"]
        up = subprocess.Popen(command, cwd=ROOT, env=config.child_environ(), stdout=out, stderr=out, start_new_session=True)
    try:
        yield up
    finally:
        power_cut(up)


def power_cut(up: subprocess.Popen[bytes]) -> None:
    """SIGKILL for the whole tree; all of it is dead when this returns."""
    everything = [up.pid, *descendants(up.pid)]
    for pid in everything:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    up.wait(timeout=60)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in everything))


def has_ended(run_id: int, path: Path) -> bool:
    """Whether the run has ended, asked without a connection of ours staying open."""
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        row = connection.execute("SELECT ended_at FROM migrations WHERE id = ?", (run_id,)).fetchone()
        return row[0] is not None
