"""Syncs asked for in the panel and by the clock: queued, shown while they are under way, and what they found on the row."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from panel import jobs
from panel.extensions import db
from panel.jobs import housekeeping
from panel.jobs import sync as sync_job
from panel.models import AuditEntry, Server, Setting, Share, User
from panel.models.types import utc_now
from panel.services import servers as servers_service
from panel.services import sync as sync_service
from panel.services.sync import progress as sync_progress
from tests.scene import Scene
from tests.web.asking import by_htmx

POLLS = 'hx-trigger="every 2s"'


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What workers were woken for."""
    found: list[str] = []
    monkeypatch.setattr(jobs, "wake_sync", lambda server_id: found.append(f"sync {server_id}") or True)
    monkeypatch.setattr(housekeeping, "wake_sync", lambda server_id: found.append(f"sync {server_id}") or True)
    monkeypatch.setattr(jobs, "wake_belief", lambda server_id: found.append(f"believe {server_id}") or True)
    return found


def row(number: int = 1) -> Server:
    """A stored server, read anew."""
    db.session.expire_all()
    return db.session.get_one(Server, number)


def hours_ago(hours: float) -> None:
    """All servers were synced so long ago."""
    for server in db.session.scalars(select(Server)):
        server.synced_at = utc_now() - timedelta(hours=hours)
    db.session.commit()


def shares_on(number: int = 1) -> int:
    """How many shares the panel remembers."""
    return db.session.scalar(select(func.count()).select_from(Share).where(Share.server_id == number)) or 0


def test_queues_a_sync_and_asks_again_until_it_has_ended(ada: FlaskClient, pair: Scene, woken: list[str]) -> None:
    assert POLLS not in ada.get("/servers").text
    assert "being synced in the background" in ada.post("/servers/1/sync", follow_redirects=True).text
    assert woken == ["sync 1"] and row().sync_queued_at
    part = ada.get("/servers", headers=by_htmx("servers")).text
    assert POLLS in part and "Sync waits for a worker…" in part
    # The buttons in the list go into the dialog their own way, not the way the list replaces itself.
    assert 'hx-disinherit="*"' in part
    sync_job.sync(1)
    part = ada.get("/servers", headers=by_htmx("servers")).text
    assert POLLS not in part and "4 libraries, " in part
    assert db.session.scalars(select(AuditEntry.action)).all() == ["server.synced"]


def test_says_what_a_sync_under_way_is_doing(ada: FlaskClient, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []
    asked, stored = servers_service.look_or_raise, sync_service.update_libraries

    def look(*args: object) -> object:
        pages.append(ada.get("/servers").text)
        return asked(*args)  # type: ignore[arg-type]

    def store(*args: object) -> object:
        pages.append(row().sync_step)
        return stored(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sync_service, "look_or_raise", look)
    monkeypatch.setattr(sync_service, "update_libraries", store)
    sync_job.sync(1)
    assert POLLS in pages[0] and "Reading libraries and accounts…" in pages[0]
    assert pages[1].startswith("Storing ") and "4 libraries" in pages[1]
    assert (row().sync_step, row().sync_queued_at) == ("", None)


def test_syncs_all_that_are_free(ada: FlaskClient, pair: Scene, woken: list[str]) -> None:
    row(2).syncing_until = utc_now() + timedelta(minutes=5)
    db.session.commit()
    assert ada.post("/servers/sync-all").status_code == 303
    assert woken == ["sync 1"]


def test_says_so_when_the_queue_is_away(ada: FlaskClient, pair: Scene) -> None:
    for address in ("/servers/1/sync", "/servers/sync-all"):
        assert "The queue cannot be reached" in ada.post(address, follow_redirects=True).text
        assert row().sync_queued_at is None


def test_never_syncs_a_server_that_a_migration_uses(ada: FlaskClient, pair: Scene, woken: list[str]) -> None:
    pair.start()
    assert "sync it when that has ended" in ada.post("/servers/1/sync", follow_redirects=True).text
    assert "No server is free" in ada.post("/servers/sync-all", follow_redirects=True).text
    hours_ago(5)
    assert sync_progress.due() == [] and woken == []


def test_forgets_the_wish_when_a_migration_came_first(ada: FlaskClient, pair: Scene, woken: list[str]) -> None:
    ada.post("/servers/1/sync")
    pair.start()
    sync_job.sync(1)
    assert row().sync_queued_at is None


def test_shows_why_a_sync_failed(ada: FlaskClient, pair: Scene) -> None:
    pair.source.sim.stop()
    sync_job.sync(1)
    text = ada.get("/servers").text
    assert "does not answer" in text or "cannot be reached" in text
    assert text.count(row().problem) == 1 and row().sync_step == ""


def test_removes_nobody_after_a_short_list_until_it_is_believed(ada: FlaskClient, pair: Scene, woken: list[str]) -> None:
    for number in range(8):
        pair.person(f"Guest {number}")
    sync_job.sync(1)
    before, sim = shares_on(), pair.source.sim
    for account in [account for account in sim.users.values() if account.name.startswith("Guest")]:
        sim.delete_account(account)
    sync_job.sync(1)
    assert shares_on() == before
    text = ada.get("/servers").text
    assert "nobody was removed from the panel" in text and 'href="/servers/1/believe"' in text
    assert "Believe it" in ada.get("/servers/1/believe", headers=by_htmx("dialog")).text
    ada.post("/servers/1/believe")
    assert woken == ["believe 1"]
    sync_job.believe(1)
    assert shares_on() == before - 8
    assert 'href="/servers/1/believe"' not in ada.get("/servers").text
    assert db.session.scalar(select(func.count()).select_from(User).where(User.name.startswith("Guest"))) == 8


def test_keeps_offering_to_believe_after_the_connection_was_tested(ada: FlaskClient, pair: Scene) -> None:
    row().sync_result = "Cedar listed nobody: nobody was removed from the panel."
    db.session.commit()
    ada.post("/servers/1/look")
    text = ada.get("/servers").text
    assert "Cedar listed nobody" in text and 'href="/servers/1/believe"' in text


def test_syncs_by_itself_when_it_is_time_and_once(pair: Scene, woken: list[str]) -> None:
    housekeeping.tick()
    assert woken == []
    hours_ago(1.1)
    housekeeping.tick()
    housekeeping.tick()
    assert woken == ["sync 1", "sync 2"]


def test_does_not_sync_by_itself_when_told_so(pair: Scene, woken: list[str]) -> None:
    hours_ago(100)
    row(1).enabled = False
    Setting.current().sync_every_h = 0
    db.session.commit()
    assert sync_progress.due() == []
    row(2).synced_at = None
    Setting.current().sync_every_h = 24
    db.session.commit()
    assert sync_progress.due() == []


def test_does_not_try_a_server_that_is_away_more_often_than_set(pair: Scene, woken: list[str]) -> None:
    hours_ago(2)
    pair.source.sim.stop()
    assert sync_progress.due() == [1, 2]
    sync_job.sync(1)
    assert sync_progress.due() == []


def test_tries_a_first_sync_that_failed_again(pair: Scene, woken: list[str]) -> None:
    for number, checked_at in ((1, utc_now() - timedelta(hours=1.1)), (2, None)):
        server = row(number)
        server.synced_at, server.checked_at = None, checked_at
        db.session.commit()
    assert sync_progress.due() == [1]
    assert sync_progress.due() == []


def test_shows_why_a_sync_did_not_begin(ada: FlaskClient, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_how: object) -> None:
        raise sync_service.SyncRefused("Plex has asked to slow down: Cedar can be synchronised later.")

    row().sync_result = "Cedar listed nobody: nobody was removed from the panel."
    db.session.commit()
    monkeypatch.setattr(sync_service, "sync_server", refuse)
    for server_id in (1, 1, 2):
        sync_job.sync(server_id)
    text = ada.get("/servers").text
    assert text.count("Plex has asked to slow down") == 2
    assert text.count("Cedar listed nobody") == 1 and 'href="/servers/1/believe"' in text


def test_wakes_a_worker_again_for_a_sync_that_was_lost(pair: Scene, woken: list[str]) -> None:
    row().sync_queued_at = utc_now() - timedelta(minutes=5)
    db.session.commit()
    housekeeping.tick()
    assert woken == ["sync 1"]


def test_asks_the_database_as_often_for_many_servers_as_for_few(ada: FlaskClient, app: Flask, pair: Scene) -> None:
    def count() -> int:
        asked: list[str] = []
        engine = db.engine
        event.listen(engine, "before_cursor_execute", listener := lambda *args: asked.append(args[2]))
        assert ada.get("/servers").status_code == 200
        event.remove(engine, "before_cursor_execute", listener)
        return len(asked)

    few = count()
    db.session.add_all(Server(name=f"S{number}", platform="emby", url="http://localhost") for number in range(20))
    db.session.commit()
    assert count() == few
