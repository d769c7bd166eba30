"""The database's own affairs: which schema it has, and bringing it to the newest."""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import Migrate
from flask_migrate import upgrade as alembic_upgrade
from sqlalchemy import inspect

from panel.config import ROOT
from panel.extensions import db

SCHEMA = str(ROOT / "panel" / "schema")

#: Bound where the commands are: only these bring a schema up to date.
schema = Migrate(directory=SCHEMA, render_as_batch=True)


class SchemaMismatch(RuntimeError):
    """The database has an older (or newer) schema than this program."""


def upgrade() -> None:
    """Bring the schema to the newest; makes all tables in an empty database."""
    alembic_upgrade(directory=SCHEMA)


def ensure() -> None:
    """Upgrade an empty database. Raises `SchemaMismatch` for one of another version: upgrading that is a decision."""
    if not inspect(db.engine).get_table_names():
        upgrade()
        return
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    newest = ScriptDirectory(SCHEMA).get_current_head()
    if current != newest:
        raise SchemaMismatch(f"The database is at schema {current}, this program needs {newest}. Run “flask db upgrade” (after a backup).")
