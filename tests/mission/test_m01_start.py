"""M1: a server's action menu offers *Migrate users…*; its modal asks for the target; OK starts it and leads to the live page."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.models import Migration
from tests.mission.stage import PEOPLE, changed_anything, set_up
from tests.mission.visitor import Visitor, element, words
from tests.scene import KINDS, Scene


def runs() -> list[Migration]:
    """All there are."""
    return list(db.session.scalars(db.select(Migration)))


# M1
@pytest.mark.parametrize("into", ["dialog", ""], ids=["with HTMX", "without JavaScript"])
def test_every_server_has_an_action_menu_that_offers_to_migrate_its_users(app: Flask, scene: Scene, into: str) -> None:
    for kind in KINDS:
        scene.add_server(kind, f"The {kind}")
    visitor = Visitor(app)
    panel = visitor.get("/servers")
    for side in scene.sides:
        assert f"The {side.kind}" in words(panel)
        assert f'hx-get="/servers/{side.row.id}/actions"' in element(panel, f"actions-{side.row.id}")
        menu = visitor.get(f"/servers/{side.row.id}/actions", into=into)
        assert "Migrate users…" in words(menu)
        assert f'href="/migrations/new?source={side.row.id}"' in menu.text


# M1
@pytest.mark.parametrize("into", ["dialog", ""], ids=["with HTMX", "without JavaScript"])
def test_the_modal_asks_for_the_target_among_the_other_servers(app: Flask, scene: Scene, into: str) -> None:
    set_up(scene, "jellyfin", "emby")
    third = scene.add_server("plex", "Closed")
    third.row.allow_new_subscriptions = False
    db.session.commit()
    modal = Visitor(app).get(f"/migrations/new?source={scene.source.row.id}", into=into)
    offered = {number: "disabled" not in element(modal, f"target-{number}") for number in re.findall(r'id="target-(\d+)"', modal.text)}
    assert offered == {str(scene.target.row.id): True, str(third.row.id): False}
    assert "Allow new subscriptions" in words(modal), "why a target cannot be chosen is said there"


# M1
@pytest.mark.parametrize("into", ["dialog", ""], ids=["with HTMX", "without JavaScript"])
def test_ok_starts_the_run_in_the_background_and_goes_to_its_live_page(app: Flask, scene: Scene, into: str) -> None:
    set_up(scene, "jellyfin", "emby")
    visitor = Visitor(app)
    modal = visitor.get(f"/migrations/new?source={scene.source.row.id}&target={scene.target.row.id}", into=into)
    assert "OK, migrate 3 users" in words(modal)
    fields = {"source": scene.source.row.id, "target": scene.target.row.id}
    answer = visitor.post("/migrations", fields, modal, into=into)
    (run,) = runs()
    where = f"/migrations/{run.id}"
    assert (answer.headers.get("HX-Redirect") if into else answer.headers.get("Location")) == where
    assert answer.status_code == (200 if into else 303)
    assert run.status is MigrationStatus.QUEUED
    assert (run.source_id, run.target_id) == (scene.source.row.id, scene.target.row.id)
    assert changed_anything(scene) == [], "the request itself moves nobody: a worker does"
    page = visitor.get(where)
    assert page.status_code == 200 and "Old → New" in words(page)
    scene.finish(run)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")


# M1
def test_what_blocks_the_pair_is_said_in_the_modal_and_ok_cannot_be_pressed(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.target.row.enabled = False
    visitor = Visitor(app)
    address = f"/migrations/new?source={scene.source.row.id}&target={scene.target.row.id}"
    modal = visitor.get(address, into="dialog")
    assert "New is switched off." in words(modal)
    assert re.search(r'<button type="submit"[^>]*\bdisabled\b', modal.text)
    pressed = visitor.post("/migrations", {"source": scene.source.row.id, "target": scene.target.row.id}, modal, into="dialog")
    assert pressed.status_code == 422
    assert "New is switched off." in words(pressed)
    assert runs() == []


# M1
def test_nobody_starts_a_run_without_signing_in_or_without_the_form(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    fields = {"source": scene.source.row.id, "target": scene.target.row.id}
    visitor = Visitor(app)
    stranger = Visitor(app)
    stranger.client.delete_cookie("session")
    modal = visitor.get(f"/migrations/new?source={scene.source.row.id}")
    assert stranger.post("/migrations", fields, modal).status_code in (302, 303, 400)
    assert visitor.send("/migrations", fields).status_code == 400
    assert runs() == []
