"""A restore lets nothing begin by itself, says whom it leaves in doubt, and keeps what it replaces."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Admin, AuditEntry, Email, EmailStatus, Migration, Move, OneTimeLink, PlexAccount
from panel.services import backup, run
from panel.services.claims import links, reopening
from tests import old_databases
from tests.databases import database_url, upgraded_database_url
from tests.services.installations import NOW, at_work, config_of, flask, installation, new, old, restored, saved

__all__ = ["new", "old", "saved"]


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


def test_whose_account_is_closed_unasked_is_said_before_a_worker_starts(old: Flask, new: Flask, tmp_path: Path) -> None:
    with at_work(old):
        move = db.session.get_one(Move, 1)
        move.status, move.step, move.created_account, move.target_member_id, move.claim = MoveStatus.FAILED, Step.GIVE, True, "", None
        move.migration.status, move.migration.ended_at = MigrationStatus.FAILED, NOW
        db.session.commit()
        backup.make(tmp_path / "saved.zip", db.engine, config_of(old), NOW)
    printed = flask(new, "restore", tmp_path / "saved.zip")
    assert "1 account was begun and never finished by migrations that had ended" in printed.output
    assert "\n  migration 1: Zoë Ünal 🎬\n" in printed.output and "being made then, and may be in use" not in printed.output
    again = installation(config_of(new).var, config_of(new).database_url)
    with at_work(again):
        assert run.due() == [1]


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
