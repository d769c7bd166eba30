"""A database of every earlier version becomes one of today: nothing in it is lost, and today's models read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from panel import create_app, var
from panel.config import Config
from panel.extensions import Base, db
from panel.models import Admin, Migration, Move, PlexAccount, Server, Setting, User
from panel.services import database
from tests import old_databases
from tests.databases import BOTH, database_url

KEY = var.fernet_key()


@pytest.fixture(params=BOTH)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app on an empty database, with a key that is known."""
    with database_url(request.param, tmp_path) as url:
        app = create_app(Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": url, "PANEL_ENCRYPTION_KEYS": KEY}))
        with app.app_context():
            yield app
            db.session.remove()
            db.engine.dispose()


@pytest.mark.parametrize("revision", old_databases.revisions())
def test_every_earlier_schema_is_upgraded_with_its_rows(app: Flask, revision: str) -> None:
    old_databases.make_old(db.engine, revision, KEY)
    before = old_databases.content(db.engine)
    database.upgrade()
    after = old_databases.content(db.engine)
    assert before and all(rows for rows in before.values())
    for table, rows in before.items():
        assert lasting(rows, after[table]) == lasting(after[table], rows), table
    read_everything()


def lasting(rows: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows without the columns that the others lack: those came or went with a later schema."""
    return [{name: value for name, value in row.items() if name in other[0]} for row in rows]


def read_everything() -> None:
    """Every model loads every row; secrets can be read; the rows are what they were."""
    for mapper in Base.registry.mappers:
        assert db.session.scalars(db.select(mapper.class_)).all() or mapper.class_.__tablename__ not in old_databases.rows_at("0001")
    assert db.session.get_one(PlexAccount, 1).token == "plex-token"
    assert db.session.get_one(Server, 2).token == "jellyfin-key"
    assert Setting.current().smtp_password == "smtp-password"
    move = db.session.get_one(Move, 1)
    assert (move.known["id"], [library.name for library in move.libraries]) == ("5", ["Movies"])
    assert db.session.get_one(User, 1).name == "Zoë Ünal 🎬"
    db.session.add(Admin(email="new@example.test", password_hash="x"))
    db.session.commit()


def test_whom_the_list_of_changes_says_to_have_been_tried_again_is_known_after_the_upgrade(app: Flask) -> None:
    old_databases.make_old(db.engine, "0004", KEY)
    entry = text("INSERT INTO audit_entries (id, at, by, action, subject, detail) VALUES (:id, :at, '', :action, '', :detail)")
    said = [
        ("2026-03-03 10:00:00.000000", "migration.retried", "Migration 2."),
        ("2026-03-04 10:00:00.000000", "migration.retried", "Migration 2. Only Zoë"),
        ("2026-03-05 10:00:00.000000", "migration.paused", "Migration 2."),
        ("2026-03-06 10:00:00.000000", "migration.retried", "Migration 12."),
        ("2026-03-06 10:00:00.000000", "migration.retried", "Migration 21. Only Zoë"),
    ]
    with db.engine.begin() as connection:
        for number, (at, action, detail) in enumerate(said):
            connection.execute(entry, {"id": 900 + number, "at": at, "action": action, "detail": detail})
    database.upgrade()
    retried = {run.id: run.retried_at for run in db.session.scalars(db.select(Migration))}
    assert retried == {1: None, 2: datetime(2026, 3, 4, 10, tzinfo=UTC)}


def test_a_schema_without_rows_to_test_it_with_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_databases, "revisions", lambda: ["0001", "9999"])
    with pytest.raises(AssertionError, match="Schema 9999 has no rows to be tested with: write 9999.json"):
        old_databases.rows_at("9999")


def test_a_column_without_a_value_to_test_it_with_is_found_out(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = old_databases.rows_at("0001")
    monkeypatch.setattr(old_databases, "rows_at", lambda _revision: rows | {"plans": [{"id": 1, "name": "Basic"}], "users": []})
    with pytest.raises(AssertionError, match=r"plans.allow_downloads, .*users.id"):
        old_databases.make_old(db.engine, "0001", KEY)
