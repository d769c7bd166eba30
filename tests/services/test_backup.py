"""A backup holds everything at one moment; a restore believes nothing before it has read it all, and lets nothing begin by itself."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import create_engine

from panel import create_app, launcher, var
from panel.config import Config
from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Admin, AuditEntry, Email, EmailStatus, Migration, Move, OneTimeLink, PlexAccount, Server, Setting
from panel.models.types import utc_now
from panel.services import backup, run
from panel.services.backup import file as backup_file
from panel.services.backup import restore as backup_restore
from panel.services.backup import rows as backup_rows
from panel.services.backup.file import Backup, BackupRefused
from panel.services.claims import links, reopening
from tests import old_databases
from tests.databases import database_url, upgraded_database_url

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
#: Tables that a restore changes: runs wait, nobody is in hand, mails are held back, links and sessions are over, and it is written down.
SETTLED = {"admins", "migrations", "moves", "emails", "audit_entries", "one_time_links"}

EITHER = ("sqlite", pytest.param("postgresql", marks=pytest.mark.thorough))


def installation(folder: Path, url: str, **environ: str) -> Flask:
    """An installation with secrets of its own, on this database."""
    return create_app(Config.from_env({"PANEL_VAR": str(folder), "DATABASE_URL": url, **environ}))


def config_of(app: Flask) -> Config:
    config: Config = app.extensions["panel_config"]
    return config


@contextmanager
def at_work(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Flask]:
    """An installation on SQLite with rows in every table, one run at work, and one mail waiting."""
    (tmp_path / "old").mkdir()
    with filled("sqlite", tmp_path / "old") as app:
        yield app


@contextmanager
def filled(kind: str, folder: Path) -> Iterator[Flask]:
    with database_url(kind, folder) as url:
        app = installation(folder, url)
        with at_work(app):
            old_databases.make_old(db.engine, old_databases.revisions()[-1], config_of(app).encryption_keys[0])
            db.session.get_one(Email, 1).status = EmailStatus.QUEUED
            db.session.commit()
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
    return app.test_cli_runner().invoke(args=[str(argument) for argument in arguments])


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


def test_what_was_at_work_waits_for_the_admin(saved: Path, new: Flask) -> None:
    done, again = restored(new, saved)
    assert done.paused == 1
    with at_work(again):
        paused, failed = db.session.get_one(Migration, 1), db.session.get_one(Migration, 2)
        assert (paused.status, failed.status) == (MigrationStatus.PAUSED, MigrationStatus.FAILED)
        assert paused.note.startswith("The source was slow. Restored from a backup made at 2026-05-01T12:00:00+00:00:")
        assert (paused.lease_until, paused.lease_holder, paused.wake_at, paused.prepared_at, paused.epoch) == (None, "", None, None, 5)
        assert (paused.deaths, paused.falls, paused.stood, paused.awaited_id) == (0, 0, "", None)
        assert failed.retried_at is not None, "that somebody was tried again stays so"
        move = db.session.get_one(Move, 1)
        assert (move.claim, move.step, move.needs_look) == (None, Step.TAKE, True)
        assert run.due() == []
        mail = db.session.get_one(Email, 1)
        assert mail.status is EmailStatus.SENDING
        assert "not known" in mail.error
        link = db.session.get_one(OneTimeLink, 1)
        assert (link.in_use_since, link.reopen_after, bool(link.closed)) == (None, None, True), "only a link for its person opens it"
        assert reopening.due() == []


def test_nobody_is_signed_in_after_it(old: Flask, saved: Path, new: Flask) -> None:
    with at_work(old):
        before = {admin.id: admin.session_key for admin in db.session.scalars(db.select(Admin))}
    _done, again = restored(new, saved)
    with at_work(again):
        after = {admin.id: admin.session_key for admin in db.session.scalars(db.select(Admin))}
    assert before.keys() == after.keys()
    assert all(len(after[number]) == 32 and after[number] != before[number] for number in before)


def test_users_in_hand_are_looked_for_first_and_nothing_is_closed_unasked(old: Flask, new: Flask, tmp_path: Path) -> None:
    with at_work(old):
        move = db.session.get_one(Move, 1)
        move.status, move.step, move.created_account, move.target_member_id = MoveStatus.MOVING, Step.GIVE, True, ""
        move.needs_look, move.secure_after, move.missing_since = False, None, NOW
        db.session.commit()
        backup.make(tmp_path / "saved.zip", db.engine, config_of(old), NOW)
    printed = flask(new, "restore", tmp_path / "saved.zip")
    assert "1 account was being made then, and may be in use by now. Look on the target" in printed.output
    assert "\n  migration 1: Zoë Ünal 🎬\n" in printed.output
    again = installation(config_of(new).var, config_of(new).database_url)
    with at_work(again):
        move = db.session.get_one(Move, 1)
        assert (move.status, move.claim, move.needs_look, move.from_backup) == (MoveStatus.PENDING, None, True, True)
        assert move.missing_since is None, "what was seen then says nothing about what was sent since"
        assert run.due() == []


def test_a_link_that_was_unused_then_is_void_and_its_person_named(old: Flask, new: Flask, tmp_path: Path) -> None:
    with at_work(old):
        token, setup = links.make(links.CLAIM, 1), links.make(links.SETUP)
        db.session.get_one(Move, 1).name = "Ada\x1b[2J"
        db.session.commit()
        assert links.find(links.CLAIM, token) is not None
        backup.make(tmp_path / "saved.zip", db.engine, config_of(old), NOW)
    printed = flask(new, "restore", tmp_path / "saved.zip")
    assert printed.exit_code == 0
    assert "1 link to choose a password was unused then and may have been used since: void now." in printed.output
    assert "  migration 1: Ada\\u001b[2J\n" in printed.output
    again = installation(config_of(new).var, config_of(new).database_url)
    with at_work(again):
        assert links.find(links.CLAIM, token) is None and links.find(links.SETUP, setup) is None
        entry = db.session.scalars(db.select(AuditEntry).where(AuditEntry.action == "backup.restored")).one()
        assert entry.detail == (
            "1 migrations were paused, 1 links to choose a password are void, what became of 0 accounts that were being made is not known."
        )
        assert links.find(links.CLAIM, links.make(links.CLAIM, 1)) is not None


def test_keeps_what_it_replaces_and_the_keys_to_it(saved: Path, new: Flask) -> None:
    done, again = restored(new, saved)
    kept = Path(done.kept)
    assert kept.name == "test.db.replaced-20260501_120000"
    shutil.copy(kept, config_of(new).var / "test.db")
    with at_work(again):
        assert db.session.scalars(db.select(PlexAccount)).one().token == "another-token"
        assert db.session.scalars(db.select(Admin)).one().email == "new@example.test"


@pytest.mark.thorough
def test_keeps_the_tables_it_replaces_on_postgresql(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    with upgraded_database_url("postgresql", tmp_path / "pg") as url:
        app = installation(tmp_path / "pg", url)
        with at_work(app):
            db.session.add(Admin(email="new@example.test", password_hash="x"))
            db.session.commit()
        done, again = restored(app, saved)
        assert done.kept == "schema replaced_20260501_120000"
        with at_work(again):
            assert db.session.scalars(db.select(Admin)).one().email == "ada@example.test"
            query = db.text("SELECT email FROM replaced_20260501_120000.admins")
            assert db.session.scalar(query) == "new@example.test"


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


def broken_copies(saved: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Files that are not this backup: cut off, changed, foreign, missing; each with a word of the refusal."""
    content = saved.read_bytes()
    yield "There is no file", folder / "nothing.zip"
    for name, said, changed in (
        ("empty", "not a backup", b""),
        ("text", "not a backup", b"Dear admin, here is the backup."),
        ("cut", "only a part", content[: len(content) // 2]),
        *((f"flipped{at}", "damaged", content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]) for at in places_of_content(saved)),
    ):
        path = folder / f"{name}.zip"
        path.write_bytes(changed)
        yield said, path
    yield "is not a backup of Streamferry", rewritten(saved, folder / "foreign.zip", drop="manifest.json")
    yield "damaged", rewritten(saved, folder / "table.zip", drop="tables/users.jsonl")
    yield "damaged", rewritten(saved, folder / "more.zip", users=b'{"more": 1}\n')


def places_of_content(saved: Path) -> Iterator[int]:
    """Where in the file a byte of an entry's content stands, for some entries."""
    with zipfile.ZipFile(saved) as file:
        for name in ("secrets.json", "tables/users.jsonl", "manifest.json"):
            entry = file.getinfo(name)
            # A local header has 30 bytes, a name, and an extra field whose length stands at its end.
            extra = int.from_bytes(saved.read_bytes()[entry.header_offset + 28 : entry.header_offset + 30], "little")
            yield entry.header_offset + 30 + len(name) + extra + entry.compress_size // 2


def rewritten(saved: Path, path: Path, drop: str = "", **tables: bytes) -> Path:
    """The backup without an entry, or with other lines in a table."""
    with zipfile.ZipFile(saved) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            if name != drop:
                after.writestr(name, tables.get(Path(name).stem, before.read(name)))
    return path


def with_manifest(saved: Path, path: Path, **changes: object) -> Path:
    with zipfile.ZipFile(saved) as file:
        manifest = {**json.loads(file.read("manifest.json")), **changes}
    return rewritten(saved, path, manifest=json.dumps(manifest).encode())


def of_a_later_zip(saved: Path, path: Path) -> Path:
    """The first entry says that it takes a newer program to be unpacked."""
    content = bytearray(saved.read_bytes())
    content[content.rfind(b"PK\x01\x02") + 6] = 255
    path.write_bytes(content)
    return path


ODD_MANIFESTS: dict[str, dict[str, object]] = {
    "tables are a list": {"tables": []},
    "a table is a list": {"tables": {"users": []}},
    "columns are text": {"tables": {"users": {"columns": "xy", "rows": 0, "sha256": ""}}},
    "time is an object": {"made_at": {"a": 1}},
    "time is long": {"made_at": "x" * 5000},
    "time holds a line break": {"made_at": "2026-05-01\n12:00:00+00:00"},
    "version steers the terminal": {"program": "1\x1b[31m\nRestored 999 rows"},
    "version is long": {"program": "1" * 5000},
    "schema steers the terminal": {"revision": "0001\x1b[31m"},
    "more than there is": {"more": 1},
}


@pytest.mark.parametrize("what", ["zip version", "long row", *ODD_MANIFESTS])
def test_refuses_what_was_made_up_in_one_line_of_its_own(
    saved: Path, new: Flask, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, path = state(new), tmp_path / "odd.zip"
    if what == "zip version":
        of_a_later_zip(saved, path)
    elif what == "long row":
        monkeypatch.setattr(backup_file, "MOST_BYTES_OF_A_ROW", 10)
        path = saved
    else:
        with_manifest(saved, path, **ODD_MANIFESTS[what])
    refused = flask(new, "restore", path)
    assert refused.exit_code == 1 and isinstance(refused.exception, SystemExit)
    assert refused.output.startswith(str(path)) and refused.output.count("\n") == 1 and len(refused.output) < 500
    assert refused.output.rstrip("\n").isprintable()
    assert state(new) == before
    assert not [path for path in config_of(new).var.iterdir() if "restoring" in path.name or "replaced" in path.name]


def test_refuses_what_is_damaged_or_foreign_and_changes_nothing(saved: Path, new: Flask, tmp_path: Path) -> None:
    before = state(new)
    for said, path in broken_copies(saved, tmp_path):
        refused = flask(new, "restore", path)
        assert refused.exit_code == 1
        assert said in refused.output and len(refused.output.splitlines()) == 1, path
    assert state(new) == before
    assert not [path for path in config_of(new).var.iterdir() if "restoring" in path.name or "replaced" in path.name]


def test_refuses_the_backup_of_a_newer_version(saved: Path, new: Flask, tmp_path: Path) -> None:
    before = state(new)
    for changes in ({"revision": "9999"}, {"version": 2}):
        refused = flask(new, "restore", with_manifest(saved, tmp_path / "newer.zip", **changes))
        assert (refused.exit_code, "newer Streamferry" in refused.output) == (1, True)
    assert state(new) == before


@pytest.mark.parametrize("target", EITHER)
def test_refuses_rows_that_do_not_fit_and_leaves_nothing_behind(saved: Path, tmp_path: Path, target: str) -> None:
    with Backup(saved) as whole:
        columns, rows = whole.manifest.tables["payments"].columns, list(whole.rows("payments"))
    rows[0][columns.index("user_id")] = 4711
    line = json.dumps(rows[0], separators=(",", ":")).encode() + b"\n"
    with zipfile.ZipFile(saved) as file:
        manifest = json.loads(file.read("manifest.json"))
    manifest["tables"]["payments"]["sha256"] = hashlib.sha256(line).hexdigest()
    path = rewritten(saved, tmp_path / "orphan.zip", payments=line, manifest=json.dumps(manifest).encode())
    (tmp_path / "pg").mkdir()
    with upgraded_database_url(target, tmp_path / "pg") as url:
        app = installation(tmp_path / "pg", url)
        before = state(app)
        refused = flask(app, "restore", path)
        assert (refused.exit_code, "does not fit" in refused.output) == (1, True)
        assert state(app) == before
        with at_work(app):
            schemas = [name for name in db.inspect(db.engine).get_schema_names() if name.startswith(("restoring", "replaced"))]
        assert schemas == []


def test_upgrades_what_an_older_version_has_saved(new: Flask, tmp_path: Path) -> None:
    (tmp_path / "ancient").mkdir()
    with database_url("sqlite", tmp_path / "ancient") as url:
        ancient = installation(tmp_path / "ancient", url)
        with at_work(ancient):
            old_databases.make_old(db.engine, "0001", config_of(ancient).encryption_keys[0])
            assert backup.make(tmp_path / "ancient.zip", db.engine, config_of(ancient), NOW).revision == "0001"
    _done, again = restored(new, tmp_path / "ancient.zip")
    with at_work(again):
        assert db.session.get_one(PlexAccount, 1).token == "plex-token"
        assert db.session.get_one(Migration, 1).rounds_left == 0


def test_refuses_while_the_panel_runs(saved: Path, new: Flask) -> None:
    before = state(new)
    with launcher.single_tree(config_of(new)):
        refused = flask(new, "restore", saved)
    assert refused.exit_code == 1
    assert "it is already running here" in refused.output
    assert state(new) == before


def test_refuses_while_another_process_has_the_file_open(saved: Path, new: Flask) -> None:
    before = state(new)
    with closing(sqlite3.connect(config_of(new).var / "test.db")) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("SELECT count(*) FROM admins").fetchone()
        refused = flask(new, "restore", saved)
    assert (refused.exit_code, "in use by another process" in refused.output) == (1, True)
    assert state(new) == before


@pytest.mark.thorough
def test_refuses_while_others_are_connected_to_postgresql(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    with upgraded_database_url("postgresql", tmp_path / "pg") as url:
        app = installation(tmp_path / "pg", url)
        with psycopg.connect(url.replace("+psycopg", "")):
            refused = flask(app, "restore", saved)
    assert (refused.exit_code, "1 other connections" in refused.output) == (1, True)


def test_refuses_where_the_environment_lacks_the_key(saved: Path, tmp_path: Path, new: Flask) -> None:
    before = config_of(new)
    told = installation(before.var, before.database_url, PANEL_ENCRYPTION_KEYS=var.fernet_key())
    refused = flask(told, "restore", saved)
    assert (refused.exit_code, "PANEL_ENCRYPTION_KEYS is set here" in refused.output) == (1, True)


def test_an_empty_installation_has_nothing_to_back_up(tmp_path: Path) -> None:
    app = installation(tmp_path, f"sqlite:///{tmp_path}/test.db")
    with at_work(app), pytest.raises(BackupRefused, match="no tables yet"):
        backup.make(tmp_path / "saved.zip", db.engine, config_of(app), utc_now())
    assert not (tmp_path / "saved.zip").exists()
