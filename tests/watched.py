"""Every change of a status of a run, or of a user in it, is noted by the database itself, whoever makes it, in whichever process, and
compared with the tables from which the documentation is printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import inspect, text

from panel.domain.statuses import MIGRATION_TRANSITIONS, MOVE_TRANSITIONS
from panel.extensions import db

#: Which status may follow which, by the table they stand in.
FOLLOWS: Mapping[str, Mapping[Any, frozenset[Any]]] = {"migrations": MIGRATION_TRANSITIONS, "moves": MOVE_TRANSITIONS}

NOTES = "CREATE TABLE seen_{table} (old TEXT, new TEXT)"
STATEMENTS = {
    "sqlite": (
        NOTES,
        "CREATE TRIGGER watch_{table} AFTER UPDATE OF status ON {table} WHEN OLD.status <> NEW.status "
        "BEGIN INSERT INTO seen_{table} VALUES (OLD.status, NEW.status); END",
    ),
    "postgresql": (
        NOTES,
        "CREATE OR REPLACE FUNCTION note_{table}() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO seen_{table} VALUES (OLD.status, NEW.status); RETURN NULL; END $$",
        "CREATE TRIGGER watch_{table} AFTER UPDATE OF status ON {table} FOR EACH ROW WHEN (OLD.status <> NEW.status) "
        "EXECUTE FUNCTION note_{table}()",
    ),
}


def watch() -> None:
    """From now on. Committed."""
    with db.engine.begin() as connection:
        for statement in STATEMENTS[db.engine.dialect.name]:
            for table in FOLLOWS:
                connection.exec_driver_sql(statement.format(table=table))


def unwatch() -> None:
    """Until now each status has followed from the one before; from now on nothing is noted, and the database has no tables but its own, as
    a backup needs it. Committed."""
    db.session.rollback()
    assert violations() == []
    with db.engine.begin() as connection:
        for table in FOLLOWS:
            on = "" if db.engine.dialect.name == "sqlite" else f" ON {table}"
            connection.exec_driver_sql(f"DROP TRIGGER watch_{table}{on}")
            connection.exec_driver_sql(f"DROP TABLE seen_{table}")


@contextmanager
def by_hand() -> Iterator[None]:
    """What a test arranges itself inside is committed, and not noted; before it each status has followed from the one before."""
    assert violations() == []
    yield
    db.session.commit()
    with db.engine.begin() as connection:
        for table in FOLLOWS:
            connection.exec_driver_sql(f"DELETE FROM seen_{table}")


def seen(table: str) -> set[tuple[str, str]]:
    """Which status has followed which since; none where that is not noted."""
    with db.engine.connect() as connection:
        if not inspect(connection).has_table(f"seen_{table}"):
            return set()
        return {(old, new) for old, new in connection.execute(text(f"SELECT DISTINCT old, new FROM seen_{table}"))}


def violations() -> list[str]:
    """What has followed and may not."""
    return [
        f"{table}: {old} -> {new}"
        for table, follows in FOLLOWS.items()
        for old, new in sorted(seen(table))
        if new not in {status.value for status in follows[_status(follows, old)]}
    ]


def _status(follows: Mapping[Any, Any], value: str) -> Any:
    return next(status for status in follows if status.value == value)
