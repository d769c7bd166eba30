"""A request that changes something counts only with the token of a page of ours; every route there is, whoever adds it."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Admin
from tests.scene import Scene
from tests.web.asking import PASSWORD, by_htmx
from tests.web.test_roles import CHANGING, everything, routes

#: What a page of another site can make a browser send along.
FACES: dict[str, dict[str, str]] = {
    "form": {},
    "htmx": by_htmx("dialog"),
    "boosted": {"HX-Request": "true", "HX-Boosted": "true"},
    "empty token": {"X-CSRFToken": ""},
    "made-up token": {"X-CSRFToken": "IjAxMjM0NSI.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb"},
    "json": {"Content-Type": "application/json"},
}


def token_of(client: FlaskClient, address: str) -> str:
    """The token that stands on a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(address).text)
    assert found
    return found[1]


def test_nothing_is_changed_without_a_token_by_any_route(app: Flask, pair: Scene, ada: FlaskClient) -> None:
    before = everything()
    tried = 0
    for method, _endpoint, address in routes(app, CHANGING):
        for headers in FACES.values():
            answer = ada.open(address, method=method, headers=headers)
            assert answer.status_code == 400 and "nothing was changed" in answer.text.lower(), (method, address, headers)
        tried += 1
    assert tried >= 40
    assert everything() == before


def test_a_token_of_somebody_elses_session_is_refused(app: Flask, ada: FlaskClient, vic: FlaskClient) -> None:
    token = token_of(vic, "/account/password")
    answer = ada.post("/sign-out", data={"csrf_token": token})
    assert answer.status_code == 400
    assert ada.get("/account").status_code == 200


def test_a_token_from_before_signing_in_is_void_after_it(app: Flask, ada: FlaskClient) -> None:
    client = app.test_client()
    token = token_of(client, "/sign-in")
    fields = {"email": "ada@example.test", "password": PASSWORD, "csrf_token": token}
    assert client.post("/sign-in", data=fields).status_code == 303
    assert client.post("/sign-out", data={"csrf_token": token}).status_code == 400


def test_a_refusal_hands_a_token_only_to_whoever_is_signed_in_and_to_no_other_site(app: Flask, ada: FlaskClient, vic: FlaskClient) -> None:
    token_of(ada, "/account/password")
    for headers in (FACES["form"], {"Origin": "https://evil.test"}):
        assert "X-CSRFToken" not in ada.post("/plans/new", headers=headers).headers
    refused = ada.post("/plans/new", headers={**FACES["htmx"], "Origin": "https://evil.test"})
    assert not [name for name, _ in refused.headers if name.lower().startswith("access-control")]
    assert "X-CSRFToken" not in app.test_client().post("/plans/new", headers=FACES["htmx"]).headers
    asked_first = ada.options("/plans/new", headers={"Origin": "https://evil.test", "Access-Control-Request-Headers": "hx-request"})
    assert not [name for name, _ in asked_first.headers if name.lower().startswith("access-control")]
    token_of(vic, "/account/password")
    assert vic.post("/sign-out", data={"csrf_token": refused.headers["X-CSRFToken"]}).status_code == 400
    assert ada.post("/sign-out", data={"csrf_token": refused.headers["X-CSRFToken"]}).status_code == 303


def test_a_token_in_the_address_does_not_count(ada: FlaskClient) -> None:
    token = token_of(ada, "/account/password")
    assert ada.post(f"/sign-out?csrf_token={token}").status_code == 400
    assert ada.get(f"/sign-out?csrf_token={token}").status_code == 405


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_cannot_be_smuggled_in(ada: FlaskClient, method: str) -> None:
    answer = ada.get("/sign-out", headers={"X-HTTP-Method-Override": method}, query_string={"_method": method})
    assert answer.status_code == 405


def test_looking_changes_nothing(app: Flask, pair: Scene, ada: FlaskClient) -> None:
    pair.move()
    before = everything()
    pages = [address for _, endpoint, address in routes(app, ("GET",)) if endpoint not in ("auth.sign_out", "auth.code")]
    for address in pages:
        ada.get(address)
    # What a server answered just now may be noted on its row: that is what was looked for.
    told = {"servers", "plex_accounts"}
    assert {name: rows for name, rows in everything().items() if name not in told} == {
        name: rows for name, rows in before.items() if name not in told
    }
    assert db.session.scalar(db.select(db.func.count()).select_from(Admin)) == 1
