"""What most tests need: an application with a database of its own, and a world of simulated servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from panel import create_app, extensions
from panel.config import Config
from tests.compiled import once_per_session, remember_statements, spare_the_collector
from tests.databases import upgraded_database_url
from tests.world import World, running_world

once_per_session()


def pytest_collection_finish() -> None:
    """All modules are imported."""
    spare_the_collector()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The application over a fresh SQLite file under a PANEL_VAR of its own. No context is pushed: views bring theirs."""
    with upgraded_database_url("sqlite", tmp_path) as url:
        app = create_app(Config.from_env({"PANEL_VAR": str(tmp_path / "var"), "DATABASE_URL": url}))
    app.testing = True
    with app.app_context():
        remember_statements(extensions.db.engine)
    yield app
    with app.app_context():
        extensions.db.engine.dispose()


@pytest.fixture
def db(app: Flask) -> Iterator[Any]:
    """The database inside of an application context; `db.session` is the one the services use."""
    with app.app_context():
        yield extensions.db
        extensions.db.session.rollback()


@pytest.fixture
def world(app: Flask) -> Iterator[World]:
    """Running simulators, with the application's plex.tv among them."""
    with running_world() as world:
        app.extensions["panel_config"] = replace(app.extensions["panel_config"], plex_tv_url=world.tv.url)
        yield world
