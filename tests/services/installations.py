"""Installations with secrets of their own, one to make backups of and one to restore them in, and all that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Admin, Email, EmailStatus, PlexAccount
from panel.services import backup
from panel.services.backup import restore as backup_restore
from tests import old_databases
from tests.databases import database_url, upgraded_database_url

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
EITHER = ("sqlite", pytest.param("postgresql", marks=pytest.mark.thorough))


def installation(folder: Path, url: str, **environ: str) -> Flask:
    """An installation with secrets of its own, on this database."""
    return create_app(Config.from_env({"PANEL_VAR": str(folder), "DATABASE_URL": url, **environ}))


def config_of(app: Flask) -> Config:
    """Its settings."""
    config: Config = app.extensions["panel_config"]
    return config


@contextmanager
def at_work(app: Flask) -> Iterator[None]:
    """Its database is at hand within, and closed afterwards."""
    with app.app_context():
        yield
        db.session.remove()
        db.engine.dispose()


@contextmanager
def filled(kind: str, folder: Path) -> Iterator[Flask]:
    """One with rows in every table, one run at work, and one mail waiting."""
    with database_url(kind, folder) as url:
        app = installation(folder, url)
        with at_work(app):
            old_databases.make_old(db.engine, old_databases.revisions()[-1], config_of(app).encryption_keys[0])
            db.session.get_one(Email, 1).status = EmailStatus.QUEUED
            db.session.commit()
        yield app


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Flask]:
    """An installation on SQLite with rows in every table, one run at work, and one mail waiting."""
    (tmp_path / "old").mkdir()
    with filled("sqlite", tmp_path / "old") as app:
        yield app


@pytest.fixture
def saved(old: Flask, tmp_path: Path) -> Path:
    """A backup of it."""
    path = tmp_path / "saved.zip"
    with at_work(old):
        backup.make(path, db.engine, config_of(old), NOW)
    return path


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Flask]:
    """Another installation, with tables, one admin and other secrets."""
    (tmp_path / "new").mkdir()
    with upgraded_database_url("sqlite", tmp_path / "new") as url:
        app = installation(tmp_path / "new", url)
        with at_work(app):
            db.session.add(Admin(email="new@example.test", password_hash="x"))
            db.session.add(PlexAccount(email="new@example.test", token="another-token"))
            db.session.commit()
        yield app


def restored(app: Flask, path: Path) -> tuple[backup_restore.Restored, Flask]:
    """What restoring into this installation answers, and the installation as it starts afterwards."""
    with at_work(app):
        done = backup_restore.restore(path, config_of(app), NOW)
    before = config_of(app)
    return done, installation(before.var, before.database_url)


def state(app: Flask) -> tuple[Any, dict[str, str]]:
    """All rows, and all secrets, of an installation."""
    files = {file.name: file.read_text() for file in (config_of(app).var / "secrets").iterdir()}
    with at_work(app):
        return old_databases.content(db.engine), files


def flask(app: Flask, *arguments: object) -> Result:
    """A command of the installation, as it is typed."""
    return app.test_cli_runner().invoke(args=[str(argument) for argument in arguments])
