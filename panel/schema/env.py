"""How Alembic runs here: inside the app, in batch mode (SQLite), with our column types written as the plain ones they are stored as."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from alembic import context
from flask import current_app
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Our own types in a revision are their plain twins, so that old revisions never depend on today's code."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


@contextmanager
def references_at_rest(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, and dropping the old one would take along every row that refers to it. Raises `ValueError`
    when rows refer to nothing afterwards."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # Only outside a transaction does the switch do anything.
    raw = connection.connection.cursor()
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
        broken = raw.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise ValueError(f"After the change of the schema {len(broken)} rows refer to rows that are not there, first: {broken[0]}")
    finally:
        raw.execute("PRAGMA foreign_keys=ON")
        raw.close()


def run() -> None:
    """Upgrade or downgrade on a connection of the app's engine, or of the one that the caller has put among the attributes."""
    extension = current_app.extensions["migrate"]
    engine = context.config.attributes.get("engine", None)
    with (extension.db.engine if engine is None else engine).connect() as connection, references_at_rest(connection):
        context.configure(
            connection=connection,
            target_metadata=extension.db.metadata,
            render_item=render_item,
            **extension.configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
