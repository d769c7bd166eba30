"""The schema: what the revisions make is what the models say, on both databases, up and down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import inspect

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.services import database
from tests.databases import BOTH, database_url


@pytest.fixture(params=BOTH)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app on an empty database."""
    with database_url(request.param, tmp_path) as url:
        app = create_app(Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": url}))
        with app.app_context():
            yield app
            db.session.remove()
            db.engine.dispose()


def test_the_newest_revision_equals_the_models(app: Flask) -> None:
    database.upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_every_revision_can_be_taken_back(app: Flask) -> None:
    database.upgrade()
    downgrade(directory=database.SCHEMA, revision="base")
    assert set(inspect(db.engine).get_table_names()) <= {"alembic_version"}
    database.upgrade()


def test_an_empty_database_is_upgraded_and_another_version_is_refused(app: Flask) -> None:
    database.ensure()
    assert "migrations" in inspect(db.engine).get_table_names()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
    with pytest.raises(database.SchemaMismatch, match="flask db upgrade"):
        database.ensure()
