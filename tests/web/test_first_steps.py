"""The way from an empty installation to its first migration."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.models import Setting, Share
from panel.services.first_steps import first_steps, is_over
from panel.services.sync import progress as sync_progress
from tests.scene import Scene


def done() -> list[str]:
    """The steps that are done."""
    return [step.label for step in first_steps() if step.done]


def test_leads_a_new_installation_to_its_first_server(ada: FlaskClient) -> None:
    text = ada.get("/first-steps").text
    assert "0 of 8 done" in text and 'href="/servers/new">Add two servers' in text
    assert 'id="first-steps"' in ada.get("/servers").text


def test_ticks_off_what_is_done(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("emby", "Cedar")
    assert "Add two servers" not in done()
    scene.add_server("jellyfin", "Birch")
    assert done() == ["Add two servers", "Sync them", "Put libraries into groups"]
    owner = scene.person("Ruth", plan=None, permanent=True)
    db.session.scalars(db.select(Share).where(Share.user_id == owner.id)).one().is_owner = True
    scene.person("Unpaid", plan=None)
    scene.person("Lapsed", days=(-40, -10))
    db.session.commit()
    assert "Look through the users" not in done()
    scene.person("Alice")
    Setting.current().smtp_host, Setting.current().public_url = "localhost", "https://panel.example.test"
    db.session.commit()
    assert "Set up mail" not in done(), "a mail server that was typed in has not taken a mail yet"
    Setting.current().smtp_proved = Setting.current().smtp_settings
    db.session.commit()
    assert done() == [step.label for step in first_steps()][:-1]
    scene.target.row.synced_at = None
    db.session.commit()
    assert "Sync them" not in done()


def test_wants_libraries_of_every_server_in_groups(ada: FlaskClient, scene: Scene) -> None:
    grouped = "Put libraries into groups"
    assert grouped not in done()
    scene.add_server("emby", "Cedar")
    birch = scene.add_server("jellyfin", "Birch").row
    groups = {library.id: library.group_id for library in birch.libraries}
    for library in birch.libraries:
        library.group_id = None
    db.session.commit()
    assert grouped not in done()
    birch.enabled = False
    db.session.commit()
    assert grouped in done()
    birch.enabled, birch.libraries[0].group_id = True, groups[birch.libraries[0].id]
    db.session.commit()
    assert grouped in done()


def test_does_not_wait_for_a_server_that_is_switched_off(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("emby", "Cedar")
    birch = scene.add_server("jellyfin", "Birch").row
    birch.synced_at = None
    db.session.commit()
    assert "Sync them" not in done()
    birch.enabled = False
    db.session.commit()
    assert "Sync them" in done()


def test_follows_a_sync_that_ends_while_somebody_looks_on(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("emby", "Cedar")
    birch = scene.add_server("jellyfin", "Birch").row
    assert sync_progress.queue(birch)
    db.session.commit()
    asks = {"HX-Request": "true", "HX-Target": "servers"}
    assert 'id="first-steps"' not in ada.get("/servers", headers=asks).text
    sync_progress.clear_queue(birch)
    db.session.commit()
    ended = ada.get("/servers", headers=asks).text
    assert 'hx-swap-oob="true"' in ended and "3 of 8 done" in ended


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


def test_keeps_a_way_to_the_open_steps_once_a_migration_has_finished(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    assert run.status is MigrationStatus.FINISHED and is_over()
    left = sum(not step.done for step in first_steps())
    text = ada.get("/servers").text
    assert left > 0 and 'id="first-steps"' not in text and f'<a href="/first-steps">First steps: {left} step' in text
    setting = Setting.current()
    setting.smtp_host, setting.public_url = "localhost", "https://panel.example.test"
    setting.smtp_proved = setting.smtp_settings
    db.session.commit()
    assert all(step.done for step in first_steps()) and "/first-steps" not in ada.get("/servers").text
