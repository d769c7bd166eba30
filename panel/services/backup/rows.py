"""Rows of a whole database, out of one and into another, SQLite or PostgreSQL: by the tables as they stand there, not by today's models."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Date,
    DateTime,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    cast,
    func,
    insert,
    select,
    text,
    type_coerce,
)
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import NoSuchTableError

AT_ONCE = 500
#: Says which schema a database has; a backup keeps it in its manifest.
VERSION_TABLE = "alembic_version"


@contextmanager
def frozen(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one moment of the database for as long as the block lasts, while others go on writing."""
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if is_sqlite:
            # The driver begins no transaction for reading; with this one all reads see the same moment.
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection
        connection.rollback()


def tables_of(connection: Connection) -> dict[str, Table]:
    """All tables as they stand, but the schema's version."""
    found = MetaData()
    found.reflect(connection)
    return {name: table for name, table in sorted(found.tables.items()) if name != VERSION_TABLE}


def rows_of(connection: Connection, table: Table) -> Iterator[list[Any]]:
    """All rows of a table in the order of its key, as values that JSON can hold; a few hundred at a time."""
    is_json = [isinstance(column.type, JSON) for column in table.columns]
    for row in connection.execution_options(yield_per=AT_ONCE).execute(_all_of(table, connection)):
        yield [value if text_of_json else _plain(value) for value, text_of_json in zip(row, is_json, strict=True)]


def load(engine: Engine, name: str, columns: list[str], rows: Iterator[list[Any]]) -> None:
    """Put rows into an empty table. Raises SQLAlchemy's errors for what does not fit, `KeyError` for what is not there."""
    if name == VERSION_TABLE:
        raise KeyError(name)
    with engine.connect() as connection:
        try:
            table = Table(name, MetaData(), autoload_with=connection, resolve_fks=False)
        except NoSuchTableError:
            raise KeyError(name) from None
    readers = [_reader(table.columns[column]) for column in columns]
    with _unchecked(engine) as connection:
        while batch := list(islice(rows, AT_ONCE)):
            connection.execute(
                insert(table),
                [{column: read(value) for column, read, value in zip(columns, readers, row, strict=True)} for row in batch],
            )
        connection.commit()


@contextmanager
def _unchecked(engine: Engine) -> Iterator[Connection]:
    """A connection that does not look at references: on SQLite each has to be told so, outside of a transaction."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            return
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        try:
            yield connection
        finally:
            connection.rollback()
            connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def count(engine: Engine, name: str) -> int:
    """How many rows a table has."""
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(text(f'"{name}"'))) or 0)


@contextmanager
def without_references(engine: Engine) -> Iterator[None]:
    """Foreign keys do not count inside of the block, so that tables may be filled in any order; at its end they are checked and count.

    Raises `BrokenReference` or SQLAlchemy's errors when they do not hold.
    """
    if engine.dialect.name == "sqlite":
        yield
        with engine.connect() as connection:
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise BrokenReference(f"{broken[0]} refers to {broken[2]}")
        return
    constraints = _drop_references(engine)
    yield
    with engine.begin() as connection:
        for table, name, definition in constraints:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


class BrokenReference(Exception):
    """A row refers to one that is not there."""


def go_on_counting(engine: Engine) -> None:
    """New rows get numbers after those that were put in with theirs (PostgreSQL counts apart from the rows)."""
    if engine.dialect.name == "sqlite":
        return
    with engine.begin() as connection:
        for table in tables_of(connection).values():
            for column in table.primary_key.columns:
                sequence = connection.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
                if sequence is not None:
                    highest = select(func.coalesce(func.max(column), 0) + 1).scalar_subquery()
                    connection.execute(select(func.setval(sequence, highest, False)))


def _drop_references(engine: Engine) -> list[tuple[str, str, str]]:
    query = text(
        "SELECT quote_ident(t.relname), quote_ident(c.conname), pg_get_constraintdef(c.oid) FROM pg_constraint c "
        "JOIN pg_class t ON t.oid = c.conrelid WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace"
    )
    with engine.begin() as connection:
        found = [(row[0], row[1], row[2]) for row in connection.execute(query)]
        for table, name, _definition in found:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    return found


def _all_of(table: Table, connection: Connection) -> Select[Any]:
    """JSON as the text it is stored as: nothing about it may change on the way."""
    as_text = type_coerce if connection.dialect.name == "sqlite" else cast
    columns = [as_text(column, Text) if isinstance(column.type, JSON) else column for column in table.columns]
    return select(*columns).order_by(*table.primary_key.columns)


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _reader(column: Column[Any]) -> Callable[[Any], Any]:
    readers: tuple[tuple[type, Callable[[Any], Any]], ...] = (
        (JSON, lambda value: JSON.NULL if value == "null" else json.loads(value)),
        (DateTime, datetime.fromisoformat),
        (Date, date.fromisoformat),
        (LargeBinary, base64.b64decode),
    )
    read = next((reader for kind, reader in readers if isinstance(column.type, kind)), lambda value: value)
    if isinstance(column.type, JSON):
        column.type = JSON(none_as_null=True)
    return lambda value: None if value is None else read(value)
