"""What is expected of a whole installation after it was struck: its run goes on soon, and to the end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

#: Within so many seconds after a restart the run goes on.
RECOVERY_S = 30.0


def has_ended(run_id: int, path: Path) -> bool:
    """Whether the run has ended, asked without a connection of ours staying open."""
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        row = connection.execute("SELECT ended_at FROM migrations WHERE id = ?", (run_id,)).fetchone()
        return row[0] is not None
