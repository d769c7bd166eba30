"""A moved person chooses their own password."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Migration, Move, OneTimeLink
from panel.models.types import utc_now
from panel.services.claims import links
from tests.scene import Scene
from tests.web.asking import by_htmx

CHOSEN = {"password": "my own password", "again": "my own password"}


@pytest.fixture
def moved(pair: Scene) -> Migration:
    """A run whose people have new accounts on Birch."""
    return pair.move()


@pytest.fixture
def alice(moved: Migration) -> Move:
    """One of them."""
    return next(move for move in moved.moves if move.name == "Alice")


@pytest.fixture
def token(alice: Move) -> str:
    """Her link."""
    made = links.make(links.CLAIM, alice.id)
    db.session.commit()
    return made


def test_sets_the_password_once(app: Flask, pair: Scene, token: str) -> None:
    client = app.test_client()
    text = client.get(f"/claim/{token}").text
    assert "Alice" in text and "Birch" in text and "Servers" not in text
    done = client.post(f"/claim/{token}", data=CHOSEN)
    assert done.status_code == 200 and pair.target.sim.url in done.text
    assert pair.target.sim.can_sign_in("Alice", CHOSEN["password"])
    again = client.post(f"/claim/{token}", data={"password": "somebody else's", "again": "somebody else's"})
    assert again.status_code == 404
    assert pair.target.sim.can_sign_in("Alice", CHOSEN["password"])


def test_looks_the_same_for_used_expired_and_unknown_links(app: Flask, token: str) -> None:
    client = app.test_client()
    unknown = client.get("/claim/unknown")
    link = db.session.scalars(db.select(OneTimeLink)).one()
    link.expires_at = utc_now() - timedelta(seconds=1)
    db.session.commit()
    expired = client.get(f"/claim/{token}")
    link.expires_at, link.used_at = utc_now() + timedelta(days=1), utc_now()
    db.session.commit()
    used = client.get(f"/claim/{token}")
    assert unknown.status_code == expired.status_code == used.status_code == 404
    assert unknown.text == expired.text == used.text
    assert "ask whoever runs your media server" in used.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"password": "short", "again": "short"}, "at least 8 characters"),
        ({"password": "my own password", "again": "another one"}, "The two passwords differ"),
    ],
)
def test_keeps_the_link_after_a_mistake(app: Flask, token: str, fields: dict[str, str], sentence: str) -> None:
    answer = app.test_client().post(f"/claim/{token}", data=fields)
    assert answer.status_code == 422 and sentence in answer.text
    assert links.find(links.CLAIM, token)


def test_says_that_the_link_is_in_use_and_keeps_it(app: Flask, pair: Scene, token: str) -> None:
    link = db.session.scalars(db.select(OneTimeLink)).one()
    link.in_use_since = utc_now()
    db.session.commit()
    answer = app.test_client().post(f"/claim/{token}", data=CHOSEN)
    assert answer.status_code == 422 and "use this link again" in answer.text
    assert links.find(links.CLAIM, token) and not pair.target.sim.can_sign_in("Alice", CHOSEN["password"])
    link.in_use_since = utc_now() - timedelta(minutes=3)
    db.session.commit()
    assert app.test_client().post(f"/claim/{token}", data=CHOSEN).status_code == 200


def test_keeps_the_link_while_the_server_is_away(app: Flask, pair: Scene, token: str) -> None:
    pair.target.sim.stop()
    answer = app.test_client().post(f"/claim/{token}", data=CHOSEN)
    assert answer.status_code == 422 and "Your link still works" in answer.text
    assert links.find(links.CLAIM, token)


def test_does_not_let_anybody_guess_for_long(app: Flask, alice: Move) -> None:
    client = app.test_client()
    codes = {client.get(f"/claim/guess-{number}").status_code for number in range(31)}
    assert codes == {404, 429}


@pytest.mark.parametrize("headers", [{}, by_htmx("dialog")])
def test_gives_the_admin_a_fresh_link_to_pass_on(app: Flask, ada: FlaskClient, token: str, alice: Move, headers: dict[str, str]) -> None:
    page = ada.get(f"/migrations/{alice.migration_id}/moves/{alice.id}/actions").text
    assert f'action="/migrations/{alice.migration_id}/moves/{alice.id}/claim"' in page
    answer = ada.post(f"/migrations/{alice.migration_id}/moves/{alice.id}/claim", headers=headers)
    found = re.search(r'value="http://localhost(/claim/[^"]+)"', answer.text)
    assert found and app.test_client().get(found[1]).status_code == 200
    assert links.find(links.CLAIM, token) is None, "the earlier link is void"
    assert found[1] not in ada.get(f"/migrations/{alice.migration_id}").text


def test_gives_no_link_where_the_run_made_no_account(ada: FlaskClient, moved: Migration) -> None:
    lapsed = next(move for move in moved.moves if move.name == "Lapsed")
    answer = ada.post(f"/migrations/{moved.id}/moves/{lapsed.id}/claim")
    assert answer.status_code == 409 and "has made no account for them" in answer.text
    assert ada.post(f"/migrations/{moved.id + 1}/moves/{lapsed.id}/claim").status_code == 404
