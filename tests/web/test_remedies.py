"""What the judgement before a run advises leads to where it is done."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.domain.reasons import Blocker, Reason, Refusal
from panel.extensions import db
from panel.models import Library, User
from panel.web import remedies
from tests.scene import Scene
from tests.web.asking import by_htmx


@pytest.fixture
def mixed(scene: Scene) -> Scene:
    """Cedar (Emby) and Oak (Plex): Alice has both e-mails, Bob none at Emby, Lapsed has paid for nothing."""
    scene.add_server("emby", "Cedar")
    scene.add_server("plex", "Oak")
    for name in ("Alice", "Bob"):
        scene.person(name)
    scene.person("Lapsed", days=(-40, -10))
    for user in db.session.scalars(db.select(User)):
        user.plex_email, user.emby_email = f"{user.name}@example.test", "" if user.name == "Bob" else f"{user.name}@example.test"
    db.session.commit()
    return scene


def judged(client: FlaskClient) -> str:
    return client.get("/migrations/new?source=1&target=2", headers=by_htmx("preflight")).text


def test_has_an_entry_for_every_reason_and_every_blocker(app: Flask) -> None:
    assert set(remedies.REASONS) == set(Reason) and set(remedies.BLOCKERS) == set(Blocker)
    for ways in [*remedies.REASONS.values(), *remedies.BLOCKERS.values()]:
        assert ways is remedies.NOTHING_TO_DO or ways
        for way in ways:
            assert way.endpoint in app.view_functions and way.label


def test_every_way_leads_to_a_page(ada: FlaskClient, pair: Scene) -> None:
    source, target = (side.row for side in pair.sides[:2])
    with ada.application.test_request_context():
        found = [way for reason in Reason for way in remedies.for_reason(reason, source, target)]
        found += [way for code in Blocker for way in remedies.for_refusal(Refusal(code, "", 2), source, target)]
    assert len(found) >= 15
    for _label, address in found:
        assert ada.get(address).status_code == 200, address


def test_leads_to_those_who_lack_an_address_and_to_each_of_them(ada: FlaskClient, mixed: Scene) -> None:
    text = judged(ada)
    assert "1 person stays: their Emby e-mail is missing" in text
    assert 'href="/users?show=no-emby-email&amp;server=1"' in text and 'href="/users/emails"' in text
    assert 'href="/users?show=expired&amp;server=1"' in text
    bob = db.session.scalars(db.select(User).where(User.name == "Bob")).one()
    assert re.search(rf'<a href="/users/{bob.id}"><bdi class="clip">Bob</bdi></a>', text)
    listed = ada.get("/users?show=no-emby-email&server=1").text
    assert "Bob" in listed and "Alice" not in listed


def test_leads_from_what_keeps_a_pair_apart_to_the_server_it_is_about(ada: FlaskClient, mixed: Scene) -> None:
    oak = mixed.sides[1].row
    oak.enabled = False
    for library in db.session.scalars(db.select(Library).where(Library.server_id == 2)):
        library.group_id = None
    db.session.commit()
    for text in (judged(ada), ada.get("/migrations/new?source=1").text, ada.get("/comparison?source=1&target=2").text):
        assert 'href="/servers/2/edit"' in text and 'href="/libraries?server=2"' in text
        assert 'href="/servers/1/edit"' not in text and 'href="/libraries?server=1"' not in text


def test_leads_to_the_maximum_of_a_full_target(ada: FlaskClient, mixed: Scene) -> None:
    mixed.sides[1].row.max_users = 0
    db.session.commit()
    text = judged(ada)
    assert "the target server has no room left" in text and 'href="/servers/2/edit"' in text
