"""The screens are tested through Flask's test client, on a stage of simulated servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel import create_app, jobs
from panel.config import Config
from panel.extensions import db
from panel.models import Admin, Role
from tests.compiled import quick_password_hash, remember_statements
from tests.fixtures import config, database_kind, scene, tv
from tests.scene import Scene
from tests.web.asking import PASSWORD, Browser

__all__ = ["app", "config", "database_kind", "scene", "tv"]


HASH = quick_password_hash(PASSWORD)


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The app with its tables, and a context around the test. Most tests are about something else than CSRF."""
    made = create_app(config)
    made.config["WTF_CSRF_ENABLED"] = False
    made.test_client_class = Browser
    with made.app_context():
        remember_statements(db.engine)
        yield made
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is there, as far as the panel can tell: else the page of a run speaks of nothing under way."""
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)


@pytest.fixture
def ada(app: Flask) -> FlaskClient:
    """A browser with an administrator signed in."""
    return signed_in(app, "ada@example.test", Role.ADMINISTRATOR)


@pytest.fixture
def vic(app: Flask, ada: FlaskClient) -> FlaskClient:
    """A browser with a viewer signed in."""
    return signed_in(app, "vic@example.test", Role.VIEWER)


def signed_in(app: Flask, email: str, role: Role) -> FlaskClient:
    """A new admin in a session as signing in leaves it, without the wait that a password costs."""
    admin = Admin(email=email, role=role, password_hash=HASH, session_key="key")
    db.session.add(admin)
    db.session.commit()
    client = app.test_client()
    with client.session_transaction() as session:
        session.update(_user_id=admin.get_id(), _fresh=True)
    return client


@pytest.fixture
def pair(scene: Scene) -> Scene:
    """Cedar (Emby) with two people who may move and one who may not, and Birch (Jellyfin)."""
    scene.add_server("emby", "Cedar")
    scene.add_server("jellyfin", "Birch")
    scene.person("Alice")
    scene.person("Bob")
    scene.person("Lapsed", days=(-40, -10))
    return scene
