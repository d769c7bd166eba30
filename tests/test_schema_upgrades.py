"""A database of every earlier version becomes one of today: nothing in it is lost, and today's models read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def of_their_move(column: str, absent: object) -> Callable[[Row, Tables], object]:
    """What the row of the user in the run says, `absent` where there is none."""
    return lambda row, tables: {move["id"]: move[column] for move in tables["moves"]}.get(row["move_id"], absent)


#: What each schema puts into the rows that were there before, by table and column: a value as it is stored, or what makes it of the row
#: and all others.
FILLED: dict[str, dict[str, Row]] = {
    "0002": {
        "admins": {"totp_secret": None, "totp_used": 0},
        "plex_accounts": {"pass_overridden": False, "problem": "", "checked_at": None},
        "servers": {"sync_queued_at": None, "sync_step": "", "sync_result": ""},
        "settings": {"sync_every_h": 1.0, "time_zone": "UTC", "public_url": ""},
    },
    "0003": {
        "migrations": {"kind": "move", "undoes_id": None, "start_at": None, "repeat_every_h": 0.0, "rounds_left": 0, "follows_id": None},
        "moves": {"seen": "{}", "before": "{}", "reminded_at": None},
        "pacemakers": {"slowness": 1.0},
        "settings": {"remind_after_d": 7},
    },
    "0004": {
        "servers": {"problem_since": None},
        "plex_accounts": {"problem_since": None},
        "migrations": {"looked_at": None, "changed_at": None},
        "moves": {"sealed": False},
        "one_time_links": {"in_use_since": None, "closed": "{}", "reopen_after": None},
        "settings": {"smtp_proved": ""},
    },
    "0005": {
        # Whom the list of changes says to have been tried again has a test of its own below.
        "migrations": {"deaths": 0, "falls": 0, "stood": "", "retried_at": None, "awaited_id": None},
        "moves": {"missing_since": None, "from_backup": False},
    },
    "0006": {
        "moves": {"in_hand_at": lambda row, _tables: row["changed_at"], "unreadable": False},
        "pacemakers": {"turn_of": None, "turn_until": None},
        "sent_requests": {"user_name": of_their_move("name", "")},
    },
}


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
    assert {column: value for column, value in filled(before, after).items() if value[0] != value[1]} == {}
    assert [table for table, rows in after.items() if table not in before and rows] == []
    read_everything()


def filled(before: Tables, after: Tables) -> dict[str, tuple[object, object]]:
    """For each value that came with a later schema what it is, and what it should be."""
    expected = {(table, column): value for tables in FILLED.values() for table, row in tables.items() for column, value in row.items()}
    return {
        f"{table}.{column} of row {number}": (row[column], value(row, after) if callable(value := expected[table, column]) else value)
        for table, rows in before.items()
        for number, row in enumerate(after[table], 1)
        for column in row.keys() - rows[0].keys()
    }


@pytest.mark.parametrize("revision", old_databases.revisions()[1:])
def test_it_is_said_of_every_later_column_what_is_put_into_it(revision: str) -> None:
    there = old_databases.rows_at(old_databases.revisions()[old_databases.revisions().index(revision) - 1])
    now = old_databases.rows_at(revision)
    added = {
        table: {column for row in now[table] for column in row} - {column for row in rows for column in row}
        for table, rows in there.items()
    }
    assert {table: {*row} for table, row in FILLED[revision].items()} == {table: columns for table, columns in added.items() if columns}


def lasting(rows: list[Row], other: list[Row]) -> list[Row]:
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


@pytest.mark.parametrize("revision", old_databases.revisions())
def test_a_read_back_of_before_its_age_was_known_is_made_again(app: Flask, revision: str) -> None:
    old_databases.make_old(db.engine, revision, KEY)
    with db.engine.begin() as connection:
        # Whatever the columns of this schema are: a copy of the row there is, under another name.
        columns = [name for name in old_databases.content(db.engine)["pacemakers"][0] if name != "name"]
        listed = ", ".join(columns)
        connection.execute(text(f"INSERT INTO pacemakers (name, {listed}) SELECT 'look:1', {listed} FROM pacemakers"))
    database.upgrade()
    kept = {row["name"] for row in old_databases.content(db.engine)["pacemakers"]}
    assert kept == ({"plex:1"} if revision < "0004" else {"plex:1", "look:1"})


def test_a_schema_without_rows_to_test_it_with_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_databases, "revisions", lambda: ["0001", "9999"])
    with pytest.raises(AssertionError, match="Schema 9999 has no rows to be tested with: write 9999.json"):
        old_databases.rows_at("9999")


def test_a_column_without_a_value_to_test_it_with_is_found_out(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = old_databases.rows_at("0001")
    monkeypatch.setattr(old_databases, "rows_at", lambda _revision: rows | {"plans": [{"id": 1, "name": "Basic"}], "users": []})
    with pytest.raises(AssertionError, match=r"plans.allow_downloads, .*users.id"):
        old_databases.make_old(db.engine, "0001", KEY)
