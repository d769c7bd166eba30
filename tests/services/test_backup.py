"""A backup holds everything at one moment, comes back on either database, and is nobody else's to read."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine

from panel.extensions import db
from panel.models import Admin, PlexAccount, Server, Setting
from panel.models.types import utc_now
from panel.services import backup
from panel.services.backup import rows as backup_rows
from panel.services.backup.file import Backup, BackupRefused
from tests import old_databases
from tests.databases import database_url
from tests.services.installations import EITHER, NOW, at_work, config_of, filled, flask, installation, old, restored, saved

__all__ = ["old", "saved"]

#: Tables that a restore changes: runs wait, nobody is in hand, mails are held back, links and sessions are over, and it is written down.
SETTLED = {"admins", "migrations", "moves", "emails", "audit_entries", "one_time_links"}


@pytest.mark.parametrize("source", EITHER)
@pytest.mark.parametrize("target", EITHER)
def test_everything_comes_back_on_either_database(tmp_path: Path, source: str, target: str) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    path = tmp_path / "saved.zip"
    with filled(source, tmp_path / "old") as old, at_work(old):
        before = old_databases.content(db.engine)
        manifest = backup.make(path, db.engine, config_of(old), NOW)
    assert manifest.rows == sum(map(len, before.values()))
    with database_url(target, tmp_path / "new") as url:
        done, again = restored(installation(tmp_path / "new", url), path)
        assert (done.kept, done.paused, done.unreadable) == ("", 1, 0)
        assert config_of(again).secret_key == config_of(old).secret_key
        assert config_of(again).plex_client_id == config_of(old).plex_client_id
        with at_work(again):
            after = old_databases.content(db.engine)
            assert {name: rows for name, rows in after.items() if name not in SETTLED} == {
                name: rows for name, rows in before.items() if name not in SETTLED
            }
            assert db.session.get_one(PlexAccount, 1).token == "plex-token"
            assert db.session.get_one(Server, 2).token == "jellyfin-key"
            assert Setting.current().smtp_password == "smtp-password"
            db.session.add(Admin(email="next@example.test", password_hash="x"))
            db.session.commit()


@pytest.mark.parametrize("kind", EITHER)
def test_sees_one_moment_while_others_write(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(kind, tmp_path) as app, at_work(app):
        stop, written = threading.Event(), threading.Event()
        writer = threading.Thread(target=write_pairs, args=(app, stop, written))
        plain = backup_rows.rows_of

        def slowly(*arguments: Any) -> Iterator[list[Any]]:
            """Between any two tables something is written."""
            written.clear()
            assert written.wait(20)
            return plain(*arguments)

        monkeypatch.setattr(backup_rows, "rows_of", slowly)
        writer.start()
        try:
            assert written.wait(20)
            backup.make(tmp_path / "saved.zip", db.engine, config_of(app), NOW)
        finally:
            stop.set()
            writer.join()
    with Backup(tmp_path / "saved.zip") as saved:
        counts = {name: sum("pair" in json.dumps(row) for row in saved.rows(name)) for name in ("admins", "users")}
    assert counts["admins"] == counts["users"] > 0


def write_pairs(app: Flask, stop: threading.Event, written: threading.Event) -> None:
    """An admin and a user in one transaction, again and again."""
    with app.app_context():
        engine = create_engine(config_of(app).database_url)
    insert = (
        "INSERT INTO admins (email, password_hash, role, session_key, created_at, totp_used) VALUES ('{0}', '', 'viewer', '', '{1}', 0)",
        "INSERT INTO users (name, email, plex_email, emby_email, jellyfin_name, plex_id, plex_username, is_managed, permanent, imported, "
        "must_change_plex_account, notes, created_at) VALUES ('{0}', '', '', '', '', '', '', false, false, false, false, '', '{1}')",
    )
    number = 0
    while not stop.is_set():
        number += 1
        with engine.begin() as connection:
            for statement in insert:
                connection.exec_driver_sql(statement.format(f"pair {number}", "2026-01-01 00:00:00.000000"))
        written.set()
    engine.dispose()


def test_only_its_owner_can_read_the_file_and_it_never_overwrites(old: Flask, saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    content = saved.read_bytes()
    refused = flask(old, "backup", saved)
    assert (refused.exit_code, refused.output) == (1, f"{saved} exists already: choose another name, or add --overwrite.\n")
    assert saved.read_bytes() == content
    assert flask(old, "backup", saved, "--overwrite").exit_code == 0


def test_leaves_nothing_half_written(old: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> Iterator[list[Any]]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_rows, "rows_of", fail)
    refused = flask(old, "backup", tmp_path / "full.zip")
    assert (refused.exit_code, "No space left on device" in refused.output) == (1, True)
    assert not list(tmp_path.glob("*full*"))


def test_an_empty_installation_has_nothing_to_back_up(tmp_path: Path) -> None:
    app = installation(tmp_path, f"sqlite:///{tmp_path}/test.db")
    with at_work(app), pytest.raises(BackupRefused, match="no tables yet"):
        backup.make(tmp_path / "saved.zip", db.engine, config_of(app), utc_now())
    assert not (tmp_path / "saved.zip").exists()
