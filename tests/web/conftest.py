"""The screens are tested through Flask's test client, on a stage of simulated servers."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Role
from panel.services import admins
from panel.web.limits import limiter
from tests.fixtures import app, config, database_kind, scene, tv
from tests.scene import Scene
from tests.web.asking import PASSWORD, enter

__all__ = ["app", "config", "database_kind", "scene", "tv"]


@pytest.fixture(autouse=True)
def without_csrf(app: Flask) -> None:
    """Most tests are about something else; the limits begin anew."""
    app.config["WTF_CSRF_ENABLED"] = False
    limiter.reset()


@pytest.fixture
def ada(app: Flask) -> FlaskClient:
    """A browser with an administrator signed in."""
    admins.create("ada@example.test", PASSWORD)
    db.session.commit()
    return enter(app, "ada@example.test")


@pytest.fixture
def vic(app: Flask, ada: FlaskClient) -> FlaskClient:
    """A browser with a viewer signed in."""
    admins.create("vic@example.test", PASSWORD, Role.VIEWER)
    db.session.commit()
    return enter(app, "vic@example.test")


@pytest.fixture
def pair(scene: Scene) -> Scene:
    """Cedar (Emby) with two people who may move and one who may not, and Birch (Jellyfin)."""
    scene.add_server("emby", "Cedar")
    scene.add_server("jellyfin", "Birch")
    scene.person("Alice")
    scene.person("Bob")
    scene.person("Lapsed", days=(-40, -10))
    return scene
