"""The way from an empty installation to its first migration."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Setting
from panel.services.first_steps import first_steps, is_over
from tests.scene import Scene


def done() -> list[str]:
    """The steps that are done."""
    return [step.label for step in first_steps() if step.done]


def test_leads_a_new_installation_to_its_first_server(ada: FlaskClient) -> None:
    text = ada.get("/first-steps").text
    assert "0 of 7 done" in text and 'href="/servers/new">Add two servers' in text
    assert 'id="first-steps"' in ada.get("/servers").text


def test_ticks_off_what_is_done(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("emby", "Cedar")
    assert "Add two servers" not in done()
    scene.add_server("jellyfin", "Birch")
    assert done() == ["Add two servers", "Sync them", "Put libraries into groups"]
    scene.person("Alice")
    Setting.current().smtp_host = "localhost"
    db.session.commit()
    assert done() == [step.label for step in first_steps()][:-1]
    scene.target.row.synced_at = None
    db.session.commit()
    assert "Sync them" not in done()


def test_links_only_screens_that_exist(ada: FlaskClient, app: Flask) -> None:
    view = app.view_functions.pop("plans.index", None)
    text = ada.get("/first-steps").text
    assert "Make the plans" in text and 'href="/plans"' not in text
    if view is not None:
        app.view_functions["plans.index"] = view
        assert 'href="/plans"' in ada.get("/first-steps").text


def test_leads_nobody_any_more_after_the_first_migration(ada: FlaskClient, pair: Scene) -> None:
    assert 'id="first-steps"' in ada.get("/servers").text
    pair.move()
    assert is_over()
    assert 'id="first-steps"' not in ada.get("/servers").text
