"""A database as it was at some moment, to be brought back any number of times."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg

from tests.databases import postgresql


class KeptFile:
    """A SQLite database as it was, in a file beside it. Nobody may have it open."""

    def __init__(self, url: str) -> None:
        self._file = Path(url.removeprefix("sqlite:///"))
        self._kept = self._file.with_suffix(".kept")
        shutil.copy(self._file, self._kept)

    def bring_back(self) -> None:
        """It is again as it was."""
        for suffix in ("-wal", "-shm"):
            Path(f"{self._file}{suffix}").unlink(missing_ok=True)
        shutil.copy(self._kept, self._file)

    def forget(self) -> None:
        """Only the database itself is left."""
        self._kept.unlink()


class KeptTemplate:
    """A PostgreSQL database as it was, in another one of the same server."""

    def __init__(self, url: str) -> None:
        self._name = url.rpartition("?")[0].rpartition("/")[2]
        self._ask(f"CREATE DATABASE {self._name}_kept TEMPLATE {self._name}")

    def bring_back(self) -> None:
        """It is again as it was; whoever is connected is thrown out."""
        self._ask(f"DROP DATABASE {self._name} WITH (FORCE)", f"CREATE DATABASE {self._name} TEMPLATE {self._name}_kept")

    def forget(self) -> None:
        """Only the database itself is left."""
        self._ask(f"DROP DATABASE {self._name}_kept WITH (FORCE)")

    def _ask(self, *statements: str) -> None:
        with psycopg.connect(postgresql(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


def keep_database(url: str) -> KeptFile | KeptTemplate:
    """What the database is now, to be brought back."""
    return KeptFile(url) if url.startswith("sqlite:") else KeptTemplate(url)
