"""The fixtures of tests that run migrations: an app on a database of its own, and a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.simulators.plex_tv import PlexTv
from tests.compiled import remember_statements
from tests.databases import upgraded_database_url
from tests.scene import Scene
from tests.watched import violations, watch

#: Waits that would only make tests slow.
QUICK = {"PANEL_OUTAGE_WAITS_S": "0.05,0.05,0.05", "PANEL_RETRY_WAITS_S": "0.01,0.02,0.03", "PANEL_LEASE_S": "5"}


@pytest.fixture
def database_kind() -> str:
    """SQLite; overridden or parametrised where both databases matter."""
    return "sqlite"


@pytest.fixture
def tv() -> Iterator[PlexTv]:
    """A running plex.tv."""
    simulated = PlexTv()
    with simulated.running():
        yield simulated


@pytest.fixture
def config(tmp_path: Path, tv: PlexTv, database_kind: str) -> Iterator[Config]:
    """An installation of its own, whose plex.tv is the simulated one."""
    with upgraded_database_url(database_kind, tmp_path) as url:
        yield Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": url, "PLEX_TV_URL": tv.url, **QUICK})


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The app on a database with all tables, and a context around the test."""
    made = create_app(config)
    with made.app_context():
        remember_statements(db.engine)
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def scene(app: Flask, tv: PlexTv) -> Iterator[Scene]:
    """An empty stage."""
    with ExitStack() as stack:
        yield Scene(tv, stack)


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> Iterator[None]:
    """In every test that has an application, where this is imported: whoever changes a status, in whichever process, each follows from the
    one before."""
    if "app" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("app")
    watch()
    yield
    db.session.rollback()
    assert violations() == []
