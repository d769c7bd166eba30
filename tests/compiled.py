"""What a test session compiles once, although each of its many apps would do it again: address builders, templates, SQL. And what it does
not wait for: passwords that are slow to guess, disks that survive a power cut. The outcome is the same; a test costs half the time."""

from __future__ import annotations

import functools
import gc
import os
import sqlite3
from collections.abc import Callable
from types import CodeType
from typing import Any

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import event
from sqlalchemy.engine import Engine
from werkzeug.routing import Rule
from werkzeug.security import generate_password_hash

from panel.models import admin

#: A real scrypt hash, but made in no time: `has_password` reads from the hash itself how much work it is.
quick_password_hash = functools.partial(generate_password_hash, method="scrypt:256:8:1")


class Route(Rule):
    """An address, whose builder is a function of the rule's text alone and shared by all apps."""

    builders: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if self.defaults:
            return super()._compile_builder(append_unknown)
        key = (self.rule, *self._trace, append_unknown)
        if key not in self.builders:
            self.builders[key] = super()._compile_builder(append_unknown)
        return self.builders[key]


class Templates(BytecodeCache):
    """The compiled templates, in memory, by name and content."""

    def __init__(self) -> None:
        self.codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket if its template was compiled before."""
        bucket.code = self.codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what the bucket has."""
        if bucket.code is not None:
            self.codes[bucket.key, bucket.checksum] = bucket.code


def once_per_session() -> None:
    """From now on, for every app of this process."""
    Flask.url_rule_class = Route
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": Templates()}
    admin.generate_password_hash = quick_password_hash  # type: ignore[attr-defined]
    # Tests kill processes, never the machine.
    os.fsync = lambda _file: None
    event.listen(Engine, "connect", _leave_the_disk_alone)


def _leave_the_disk_alone(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


_statements: dict[Any, Any] = {}
_dialects: dict[str, Any] = {}


def remember_statements(engine: Engine) -> None:
    """SQL compiled for one engine serves all others of its kind (the cache's keys name the dialect, so they share that too)."""
    if engine.dialect.name not in _dialects:
        # The first connection makes a dialect ready for use.
        engine.connect().close()
        _dialects[engine.dialect.name] = engine.dialect
    engine.dialect = _dialects[engine.dialect.name]
    engine.update_execution_options(compiled_cache=_statements)


def spare_the_collector() -> None:
    """What is imported by now stays for the whole session: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
