"""Security is tested on the same stage of simulated servers as the screens; guards against forged forms stay on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from panel import create_app
from panel.config import Config
from panel.extensions import db
from tests.fixtures import config, database_kind, scene, tv
from tests.web.asking import Browser
from tests.web.conftest import ada, pair, vic

__all__ = ["ada", "app", "config", "database_kind", "pair", "scene", "tv", "vic"]


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The app as it ships, with a context around the test."""
    made = create_app(config)
    made.test_client_class = Browser
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()
