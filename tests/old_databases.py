"""Databases as earlier versions left them: a schema of that time with rows in every table, from `tests/schema_rows/REVISION.json`.

Each file adds to the ones before: new tables with their rows, and new columns for the rows of tables that were there, in their order.
Texts that begin with `secret:` are stored encrypted.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from cryptography.fernet import Fernet
from flask_migrate import upgrade
from sqlalchemy.engine import Engine

from panel.services import database
from panel.services.backup import rows as backup_rows

ROWS = Path(__file__).parent / "schema_rows"
SECRET = "secret:"

Rows = dict[str, list[dict[str, Any]]]


def revisions() -> list[str]:
    """All schemas there have been, oldest first."""
    return [script.revision for script in ScriptDirectory(database.SCHEMA).walk_revisions()][::-1]


def rows_at(revision: str) -> Rows:
    """The rows of a database of this schema. Fails where a schema has no file."""
    rows: Rows = {}
    for each in revisions()[: revisions().index(revision) + 1]:
        file = ROWS / f"{each}.json"
        assert file.is_file(), f"Schema {each} has no rows to be tested with: write {file.name} beside {ROWS.name}/0001.json."
        for table, more in json.loads(file.read_text(encoding="utf-8")).items():
            pairs = itertools.zip_longest(rows.get(table, []), more, fillvalue={})
            rows[table] = [{**before, **added} for before, added in pairs]
    return rows


def make_old(engine: Engine, revision: str, key: str) -> None:
    """Bring an empty database to this schema and put its rows in, secrets encrypted with `key`."""
    upgrade(directory=database.SCHEMA, revision=revision)
    rows = rows_at(revision)
    with engine.connect() as connection:
        tables = backup_rows.tables_of(connection)
    incomplete = [
        f"{name}.{column.name}"
        for name, table in tables.items()
        for column in table.columns
        if not any(column.name in row for row in rows.get(name, []))
    ]
    assert not incomplete, f"{ROWS.name}/{revision}.json says nothing about {', '.join(incomplete)}."
    with backup_rows.without_references(engine):
        for name, table in tables.items():
            columns = [column.name for column in table.columns]
            backup_rows.load(engine, name, columns, ([_stored(row[column], key) for column in columns] for row in rows[name]))
    backup_rows.go_on_counting(engine)


def content(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as it is stored."""
    with backup_rows.frozen(engine) as connection:
        return {
            name: [dict(zip(table.columns.keys(), row, strict=True)) for row in backup_rows.rows_of(connection, table)]
            for name, table in backup_rows.tables_of(connection).items()
        }


def _stored(value: Any, key: str) -> Any:
    if isinstance(value, str) and value.startswith(SECRET):
        return Fernet(key).encrypt(value.removeprefix(SECRET).encode()).decode()
    return json.dumps(value) if isinstance(value, (dict, list)) else value
