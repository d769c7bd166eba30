"""M17: the run's page shows bar, counts, time left and a row per user; it polls for changes, stops by itself, needs no JavaScript."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from panel import jobs
from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move
from panel.models.types import utc_now
from tests.mission.stage import PEOPLE, set_up
from tests.mission.visitor import Visitor, element, words
from tests.scene import Scene


def begin(scene: Scene, pace_s: float = 30.0) -> Migration:
    """A run of three from Plex to Emby that no worker has looked at."""
    set_up(scene, "plex", "emby")
    scene.person("dora", days=(-60, -30))
    return scene.start(pace_s=pace_s)


def polls(page: TestResponse) -> str:
    """The address the page asks again by itself; empty when it does not."""
    found = re.search(r'hx-get="([^"]*/progress[^"]*)"', element(page, "migration-progress"))
    return found[1] if found else ""


def bar(page: TestResponse) -> int:
    """How far the bar is, in percent."""
    found = re.search(r'<progress[^>]*id="bar-done"[^>]*>', page.text)
    assert found is not None
    value = re.search(r'\bvalue="(\d+)"', found[0])
    assert value is not None and 'max="100"' in found[0]
    return int(value[1])


def rows(page: TestResponse) -> dict[int, str]:
    """Move id → what its row says."""
    found = re.findall(r'(?s)<tr id="move-(\d+)".*?</tr>', page.text)
    texts = re.findall(r'(?s)<tr id="move-\d+".*?</tr>', page.text)
    return {int(number): " ".join(re.sub(r"<[^>]+>", " ", text).split()) for number, text in zip(found, texts, strict=True)}


# M17
def test_the_page_shows_bar_counts_time_left_and_a_row_per_user(app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a worker there is no time to tell.
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    run = begin(scene)
    visitor = Visitor(app)
    page = visitor.get(f"/migrations/{run.id}")
    assert bar(page) == 0
    text = words(page)
    assert "0 of 3 done" in text
    assert "Skipped 1" in text and "Pending 3" in text and "All 4" in text
    assert re.search(r"About \d+ (s|min) left", text)
    shown = rows(page)
    assert set(shown) == {move.id for move in run.moves}
    for move in run.moves:
        assert move.name in shown[move.id] and move.status.value in shown[move.id].lower()
    assert "no active subscription" in shown[run.moves[-1].id]


# M17
def test_it_polls_and_is_told_only_what_changed(app: Flask, scene: Scene) -> None:
    run = begin(scene)
    long_ago = utc_now().replace(year=2020)
    for move in run.moves:
        move.changed_at = long_ago
    db.session.commit()
    visitor = Visitor(app)
    page = visitor.get(f"/migrations/{run.id}")
    assert "every 2s" in element(page, "migration-progress")
    address = polls(page)
    nothing = visitor.get(address, into="migration-progress")
    assert (nothing.status_code, nothing.text) == (204, "")
    ada = next(move for move in run.moves if move.name == "ada")
    ada.status, ada.changed_at = MoveStatus.MOVED, utc_now()
    db.session.commit()
    update = visitor.get(address, into="migration-progress")
    assert update.status_code == 200
    assert list(rows(update)) == [ada.id], "one row changed, one row is sent"
    assert 'hx-swap-oob="true"' in update.text
    assert "1 of 3 done" in words(update)
    assert bar(update) == 33
    assert "<html" not in update.text
    assert polls(update) and polls(update) != address, "it goes on asking, from this moment on"


# M17
def test_it_stops_polling_by_itself_when_the_run_ends(app: Flask, scene: Scene) -> None:
    run = begin(scene, pace_s=0.0)
    visitor = Visitor(app)
    address = polls(visitor.get(f"/migrations/{run.id}"))
    scene.finish(run)
    last = visitor.get(address, into="migration-progress")
    assert last.status_code == 200
    assert polls(last) == "" and "every" not in element(last, "migration-progress")
    assert bar(last) == 100 and "3 of 3 done" in words(last)
    after = visitor.get(f"/migrations/{run.id}")
    assert polls(after) == "" and "http-equiv" not in after.text
    assert "Took" in words(after)


# M17
def test_without_javascript_the_page_reloads_itself_and_has_everything(app: Flask, scene: Scene) -> None:
    run = begin(scene, pace_s=0.0)
    visitor = Visitor(app)
    address = f"/migrations/{run.id}"
    page = visitor.get(address)
    assert re.search(r'<noscript>\s*<meta http-equiv="refresh" content="\d+">\s*</noscript>', page.text)
    assert set(rows(page)) == {move.id for move in run.moves}
    assert re.search(rf'<form method="post" action="/migrations/{run.id}/pause[^"]*"', page.text), "buttons are forms"
    paused = visitor.post(f"{address}/pause", {}, page)
    assert paused.status_code == 303 and paused.headers["Location"].startswith(address)
    assert "Paused" in words(visitor.get(address))


# M17
@pytest.mark.parametrize("status", ["moved", "skipped", "pending"])
def test_the_rows_can_be_narrowed_to_a_status(app: Flask, scene: Scene, status: str) -> None:
    run = begin(scene, pace_s=0.0)
    visitor = Visitor(app)
    if status != "pending":
        scene.finish(run)
    page = visitor.get(f"/migrations/{run.id}?status={status}")
    expected = {move.id for move in run.moves if move.status.value == status}
    assert set(rows(page)) == expected
    assert len(expected) == (1 if status == "skipped" else len(PEOPLE))


# M17
def test_names_from_media_servers_are_text_on_the_page_whatever_they_hold(app: Flask, scene: Scene) -> None:
    run = begin(scene)
    db.session.get_one(Move, run.moves[0].id).name = "<script>alert(1)</script>"
    db.session.commit()
    page = Visitor(app).get(f"/migrations/{run.id}")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
