"""Where a restored database grows, beside the one in use, and how it takes that one's place: at once, keeping the other."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ProgrammingError

from panel.services.backup.file import BackupRefused

BESIDE = ("", "-wal", "-shm")


class Place(Protocol):
    """The database of this installation, as something that can be replaced."""

    def require_alone(self) -> None:
        """Raises `BackupRefused` while somebody else has the database open."""

    def stage(self) -> Engine:
        """An empty database beside it."""

    def swap(self) -> str:
        """Let the staged one take its place; where the replaced one is kept, empty when there was none."""

    def clear(self) -> None:
        """Remove the staged one, where it has not taken the place."""


def place_of(database_url: str, now: datetime) -> Place:
    """The place for a database address; `now` marks what is kept."""
    url = make_url(database_url)
    stamp = now.strftime("%Y%m%d_%H%M%S")
    return SqlitePlace(Path(url.database or ""), stamp) if url.get_backend_name() == "sqlite" else PostgresPlace(url, stamp)


class SqlitePlace:
    """A file; the new one is made in the same folder and renamed over it."""

    def __init__(self, path: Path, stamp: str) -> None:
        self.path = path
        self.staged = path.with_name(f".{path.name}.restoring-{stamp}")
        self.kept = path.with_name(f"{path.name}.replaced-{stamp}")
        self._engine: Engine | None = None

    def require_alone(self) -> None:
        """Leaving write-ahead mode takes a file that nobody else has open; it also puts everything into the one file."""
        if self.path.exists():
            _close(self.path, f"{self.path} is in use by another process: stop Streamferry (web and workers) first.")

    def stage(self) -> Engine:
        """An empty file that its owner alone can read."""
        os.close(os.open(self.staged, os.O_CREAT | os.O_EXCL, 0o600))
        self._engine = create_engine(URL.create("sqlite", database=str(self.staged)))
        return self._engine

    def swap(self) -> str:
        """At no moment is there no database: the old one gets a second name first."""
        if self._engine is not None:
            self._engine.dispose()
        _close(self.staged, "The restored database is in use by another process.")
        self.require_alone()
        kept = self.path.exists()
        for suffix in BESIDE:
            _second_name(Path(f"{self.path}{suffix}"), Path(f"{self.kept}{suffix}"))
        for suffix in BESIDE[1:]:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self.staged.replace(self.path)
        _sync_folder(self.path.parent)
        return str(self.kept) if kept else ""

    def clear(self) -> None:
        """Nothing is left of a restore that was refused."""
        if self._engine is not None:
            self._engine.dispose()
        for suffix in (*BESIDE, "-journal"):
            Path(f"{self.staged}{suffix}").unlink(missing_ok=True)


class PostgresPlace:
    """A schema of the same database; at the swap both sets of tables change schemas in one transaction."""

    def __init__(self, url: URL, stamp: str) -> None:
        self.url = url
        self.staged = f"restoring_{stamp}"
        self.kept = f"replaced_{stamp}"
        self._engine: Engine | None = None

    def require_alone(self) -> None:
        """Other connections are other processes: ours have been closed."""
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        with _direct(self.url) as engine, engine.connect() as connection:
            others = connection.scalar(query)
        if others:
            raise BackupRefused(
                f"{others} other connections to the database are open: stop Streamferry (web and workers on all machines) first, "
                "and other programs that look into it."
            )

    def stage(self) -> Engine:
        """A schema of its own, to which all names lead."""
        try:
            with _direct(self.url) as engine, engine.begin() as connection:
                connection.exec_driver_sql(f"CREATE SCHEMA {self.staged}")
        except ProgrammingError as error:
            raise BackupRefused(
                f"The database user may not create what a restore needs: GRANT CREATE ON DATABASE {self.url.database} "
                f"TO {self.url.username}; then try again."
            ) from error
        options = f"{self.url.query.get('options', '')} -csearch_path={self.staged}".strip()
        self._engine = create_engine(self.url, connect_args={"options": options})
        return self._engine

    def swap(self) -> str:
        """All or nothing; waits for nobody, because nobody else is there."""
        if self._engine is not None:
            self._engine.dispose()
        self.require_alone()
        with _direct(self.url) as engine, engine.begin() as connection:
            here = connection.scalar(text("SELECT quote_ident(current_schema())"))
            mine = text("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = :name AND tableowner = current_user")
            old = list(connection.scalars(text(f"{mine.text.replace(':name', 'current_schema()')}")))
            new = list(connection.scalars(mine, {"name": self.staged}))
            if old:
                connection.exec_driver_sql(f"CREATE SCHEMA {self.kept}")
            for table in old:
                connection.exec_driver_sql(f"ALTER TABLE {here}.{table} SET SCHEMA {self.kept}")
            for table in new:
                connection.exec_driver_sql(f"ALTER TABLE {self.staged}.{table} SET SCHEMA {here}")
            connection.exec_driver_sql(f"DROP SCHEMA {self.staged}")
        return f"schema {self.kept}" if old else ""

    def clear(self) -> None:
        """Nothing is left of a restore that was refused."""
        if self._engine is not None:
            self._engine.dispose()
            with _direct(self.url) as engine, engine.begin() as connection:
                connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {self.staged} CASCADE")


@contextlib.contextmanager
def _direct(url: URL):  # type: ignore[no-untyped-def]
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _close(path: Path, otherwise: str) -> None:
    """Put all of a database into its one file. Raises `BackupRefused` when it is in use; a damaged one is left as it is."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.5)) as connection:
        try:
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            raise BackupRefused(otherwise) from None
        except sqlite3.DatabaseError:
            return
    if mode != "delete":
        raise BackupRefused(otherwise)


def _second_name(path: Path, name: Path) -> None:
    if not path.exists():
        return
    try:
        os.link(path, name)
    except OSError:
        # Some file systems know no second names.
        shutil.copy2(path, name)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
