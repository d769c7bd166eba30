"""What the page of a run and the list say of a run that does not go on, and of what has ended."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel import jobs
from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.services import run as running
from panel.web import workers
from tests.scene import Scene
from tests.web.asking import by_htmx

pytestmark = pytest.mark.usefixtures("worker")
LIVE, LIST = by_htmx("migration-progress"), by_htmx("migrations")


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


def poll_address(text: str, element_id: str) -> str:
    found = re.search(rf'id="{element_id}"\s+hx-get="([^"]+)"', text)
    return found[1].replace("&amp;", "&") if found else ""


@pytest.fixture
def scheduled(pair: Scene) -> Migration:
    """From Cedar to Birch, tomorrow."""
    at = utc_now() + timedelta(days=1)
    run = Migration(source=pair.source.row, target=pair.target.row, start_at=at, wake_at=at, wake_reason="It begins then.")
    db.session.add(run)
    db.session.commit()
    return run


@pytest.fixture
def silent(app: Flask, pair: Scene) -> Migration:
    """A run whose target does not answer: tried once, the next try is to come."""
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(30.0, 30.0))
    run = pair.start()
    pair.target.row.url = "http://127.0.0.1:9"
    db.session.commit()
    running.work(run.id)
    db.session.commit()
    return run


def test_names_the_run_that_keeps_one_from_beginning(ada: FlaskClient, pair: Scene, scheduled: Migration) -> None:
    page, whole = ada.get(f"/migrations/{scheduled.id}").text, ada.get("/migrations").text
    assert "Begins by itself tomorrow" in words(page) and "begins tomorrow" in words(whole)
    scheduled.start_at = scheduled.wake_at = utc_now() - timedelta(minutes=5)
    db.session.commit()
    text = ada.get(poll_address(page, "migration-progress"), headers=LIVE).text
    assert "Its time has come: it begins as soon as it can." in words(text) and "Begins by itself" not in text
    held = pair.start()
    for address, part, headers in (
        (poll_address(text, "migration-progress"), 'class="text-body-secondary mb-2">Waits', LIVE),
        (poll_address(whole, "migrations"), ">Waits", LIST),
    ):
        text = ada.get(address, headers=headers).text
        assert f"Waits for migration {held.id}, which is using Cedar." in words(text) and part in text
        assert f'href="/migrations/{held.id}">migration {held.id}</a>' in text and "begins" not in words(text).lower()
    assert 'hx-trigger="every 2s"' in text, "it begins any moment"
    db.session.execute(db.update(Server).values(migration_id=None))
    pair.target.row.syncing_until = utc_now() + timedelta(seconds=20)
    db.session.commit()
    assert "Waits for Birch, which is being synced." in words(ada.get(f"/migrations/{scheduled.id}").text)


def test_says_steadily_which_server_it_waits_for(ada: FlaskClient, silent: Migration) -> None:
    page = ada.get(f"/migrations/{silent.id}").text
    assert "Waiting for Birch, which does not answer." in words(page) and "Asking both servers" not in page
    assert "Birch does not answer (" in words(page) and "127.0.0.1:9" not in words(page)
    assert f'Next try <time datetime="{silent.wake_at:%Y-%m-%dT%H:%M:%SZ}" ' in page and re.search("Next try to(day|morrow), ", words(page))
    assert not re.search(r"About .* left", words(page))
    assert f'href="/servers/{silent.target_id}/edit"' in page and "Edit Birch" in words(page)
    silent.wake_at = utc_now() - timedelta(seconds=1)
    db.session.commit()
    trying = ada.get(poll_address(page, "migration-progress"), headers=LIVE).text
    assert "Waiting for Birch, which does not answer." in words(trying) and "It is tried now." in words(trying)
    assert "Birch does not answer (" in words(trying) and "Edit Birch" in words(trying)


@pytest.mark.parametrize(
    ("reason", "is_birch", "headline"),
    [
        ("plex.tv does not answer.", False, "It cannot go on now. It is tried again by itself."),
        ("Jellyfin at 127.0.0.1:9 failed with error 500.", True, "Waiting for Birch, which does not answer as it should."),
        ("No Jellyfin server answers at this URL.", True, "Waiting for Birch, which does not answer as it should."),
    ],
)
def test_says_no_more_than_it_knows_of_an_outage(
    ada: FlaskClient, pair: Scene, silent: Migration, reason: str, is_birch: bool, headline: str
) -> None:
    silent.wake_reason, silent.awaited_id = f"{reason} Trying again by itself.", silent.target_id if is_birch else None
    db.session.commit()
    text = words(ada.get(f"/migrations/{silent.id}").text)
    assert headline in text and f"{reason.replace('Jellyfin at 127.0.0.1:9', 'Birch')} Trying again by itself. Next try" in text
    assert ("Edit Birch" in text) is is_birch


def test_knows_the_server_it_waits_for_although_its_address_was_edited(ada: FlaskClient, pair: Scene, silent: Migration) -> None:
    pair.target.row.url = "http://birch.example.test:8096"
    db.session.commit()
    assert "Waiting for Birch, which does not answer." in words(ada.get(f"/migrations/{silent.id}").text)


def test_goes_on_as_before_once_the_server_answers(ada: FlaskClient, pair: Scene, silent: Migration) -> None:
    pair.target.row.url = pair.target.sim.url
    silent.wake_at = None
    db.session.commit()
    pair.finish(silent)
    text = words(ada.get(f"/migrations/{silent.id}").text)
    assert "Finished: 2 moved" in text and "Waiting for" not in text and "does not answer" not in text


@pytest.mark.parametrize(
    ("status", "is_prepared", "active", "idle"),
    [
        (MigrationStatus.RUNNING, False, "Asking both servers who is there now.", "It goes on by itself once a worker can work again."),
        (MigrationStatus.RUNNING, True, "People are being moved.", "It goes on by itself once a worker can work again."),
        (MigrationStatus.CANCELLED, True, "are being finished.", "are finished once a worker can work again."),
    ],
)
def test_speaks_of_no_work_and_no_time_left_while_nobody_works(
    app: Flask,
    ada: FlaskClient,
    pair: Scene,
    monkeypatch: pytest.MonkeyPatch,
    status: MigrationStatus,
    is_prepared: bool,
    active: str,
    idle: str,
) -> None:
    alive: int | None = 1
    monkeypatch.setattr(jobs, "workers_alive", lambda: alive)
    monkeypatch.setattr(workers, "GRACE_S", 0.0)
    monkeypatch.setattr(workers, "FRESH_S", 0.0)
    monkeypatch.setattr(workers, "PATIENCE_S", 30.0)
    run = pair.start()
    run.status, run.started_at, run.prepared_at = status, utc_now(), utc_now() if is_prepared else None
    db.session.commit()

    def says(text: str, sentence: str, other: str, *, is_told: bool) -> None:
        assert sentence in words(text) and other not in words(text)
        assert bool(re.search(r"About .* left", words(text))) is (not is_told and status is MigrationStatus.RUNNING)
        assert ("flask up" in text) is is_told

    page = ada.get(f"/migrations/{run.id}").text
    says(page, active, idle, is_told=False)
    for gone in (0, None):
        alive = gone
        told = ada.get(poll_address(page, "migration-progress"), headers=LIVE)
        assert told.status_code == 200, "what is so by now is news to the page"
        says(told.text, idle, active, is_told=True)
        assert ada.get(poll_address(told.text, "migration-progress"), headers=LIVE).status_code == 204
    alive = 1
    says(ada.get(poll_address(told.text, "migration-progress"), headers=LIVE).text, active, idle, is_told=False)


def test_tries_nothing_now_while_nobody_works(app: Flask, ada: FlaskClient, silent: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "workers_alive", lambda: 0)
    monkeypatch.setattr(workers, "PATIENCE_S", 30.0)
    text = words(ada.get(f"/migrations/{silent.id}").text)
    assert "Waiting for Birch, which does not answer." in text and "Birch does not answer (" in text and "Edit Birch" in text
    assert "No worker is running" in text
    assert "Next try" not in text and "Trying again by itself" not in text and "It is tried now" not in text
    silent.wake_reason, silent.awaited_id = "plex.tv does not answer. Trying again by itself.", None
    db.session.execute(db.delete(Move))
    db.session.commit()
    text = words(ada.get(f"/migrations/{silent.id}").text)
    assert "It goes on by itself once a worker can work again." in text and "Not begun yet" in text
    assert "It is tried" not in text and "Trying again" not in text and "Getting ready" not in text


@pytest.mark.parametrize("way", ["row", "page", "command"])
def test_counts_idle_time_before_a_retry_as_no_work(
    app: Flask, ada: FlaskClient, pair: Scene, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(jobs, "wake", lambda run_id: True)
    run, other = pair.move(), Migration(source=pair.source.row, target=pair.target.row, status=MigrationStatus.FINISHED)
    run.started_at = other.started_at = utc_now() - timedelta(minutes=17)
    other.ended_at = utc_now()
    db.session.add(other)
    run.moves[0].status, run.moves[0].step, run.moves[0].retryable = MoveStatus.FAILED, Step.CHECK, True
    db.session.commit()
    if way == "command":
        assert app.test_cli_runner().invoke(args=["retry", str(run.id)]).exit_code == 0
    else:
        ada.post(f"/migrations/{run.id}/moves/{run.moves[0].id}/retry" if way == "row" else f"/migrations/{run.id}/retry")
    db.session.expire_all()
    assert run.ended_at is None
    pair.finish(run)
    text = words(ada.get(f"/migrations/{run.id}").text)
    assert "17 min after its start: somebody was tried again in between." in text and "Took" not in text
    assert "Took 17 min" in words(ada.get(f"/migrations/{other.id}").text)
    lines = dict(re.findall(r'<tr id="migration-(\d+)".*?data-label="Took"[^>]*>(.*?)</td>', ada.get("/migrations").text, re.S))
    assert words(lines[str(run.id)]) == "17 minwith a retry" and words(lines[str(other.id)]) == "17 min"


def test_speaks_of_no_progress_where_there_was_nobody_to_move(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    for move in run.moves:
        move.status, move.step = MoveStatus.SKIPPED, Step.DONE
    run.status, run.started_at, run.ended_at = MigrationStatus.FINISHED, utc_now(), utc_now()
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}").text
    assert "Nobody was moved" in words(text) and "0 of 0" not in words(text) and "<progress" not in text
    line = words(ada.get("/migrations").text)
    assert "nobody" in line and "0 of 0" not in line


@pytest.mark.parametrize("headers", [{}, LIVE], ids=["page", "part"])
def test_says_who_is_tried_again(ada: FlaskClient, pair: Scene, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]) -> None:
    monkeypatch.setattr(jobs, "wake", lambda run_id: True)
    run = pair.start()
    run.moves[0].status = MoveStatus.FAILED
    db.session.commit()
    answer = ada.post(f"/migrations/{run.id}/moves/{run.moves[0].id}/retry?status=failed", headers=headers, follow_redirects=True)
    told = re.search(r'<div id="told"([^>]*)>(.*?)</div>\s*(?:</div>|{)', answer.text, re.S)
    assert told and words(told[2]) == "Alice is tried again." and ("hx-swap-oob" in told[1]) is bool(headers)
    if headers:
        after = ada.post(f"/migrations/{run.id}/pause", headers=headers).text
        assert '<div id="told" hx-swap-oob="true"></div>' in after
