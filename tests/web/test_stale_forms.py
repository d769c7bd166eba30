"""A whole-page form sent with a token that is void: what was typed can be sent again."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Admin, Server, User
from tests.scene import Scene
from tests.web.asking import by_htmx

OURS = {"Origin": "http://localhost"}
TYPED = {"name": "Bea", "email": "bea@example.test", "notes": '\n<script>alert("x")</script>\nsecond line', "csrf_token": "stale"}


@pytest.fixture(autouse=True)
def guarded(app: Flask) -> None:
    """Tokens count here."""
    app.config["WTF_CSRF_ENABLED"] = True


def hidden(page: str) -> dict[str, str]:
    """What the page will send."""
    areas = re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    token = re.findall(r'name="(csrf_token)" value="([^"]+)"', page)
    return {name: html.unescape(value) for name, value in [*areas, *token]}


def test_offers_what_was_typed_once_more(ada: FlaskClient, pair: Scene) -> None:
    number = db.session.scalars(db.select(User.id).where(User.name == "Bob")).one()
    answer = ada.post(f"/users/{number}/edit?next=/users", data=TYPED, headers=OURS)
    assert answer.status_code == 400 and "Send it again" in answer.text and "<script>alert" not in answer.text
    assert f'action="/users/{number}/edit?next=/users"' in answer.text
    fields = hidden(answer.text)
    assert fields["name"] == "Bea" and fields["notes"] == TYPED["notes"]
    assert ada.post(f"/users/{number}/edit", data=fields, headers=OURS).status_code == 303
    assert db.session.get_one(User, number).name == "Bea"


def test_gives_no_secret_back_but_names_it(ada: FlaskClient) -> None:
    data = {"name": "Elm", "url": "http://elm.test", "token": "very-secret", "csrf_token": "stale"}
    text = ada.post("/servers/new?platform=emby", data=data, headers=OURS).text
    assert "very-secret" not in text and "typed again afterwards: token" in text
    again = ada.post("/servers/new?platform=emby", data=hidden(text), headers=OURS)
    assert again.status_code == 422 and 'value="Elm"' in again.text and db.session.scalar(db.select(Server)) is None


def test_asks_those_signed_out_to_sign_in_elsewhere_first(app: Flask, ada: FlaskClient) -> None:
    text = app.test_client().post("/plans/new", data={"name": "Mini", "csrf_token": "stale"}, headers=OURS).text
    assert "Sign in in another tab, then send it again" in text and hidden(text)["name"] == "Mini"


def test_lets_what_htmx_has_sent_be_sent_again_from_the_page_that_is_open(ada: FlaskClient, pair: Scene) -> None:
    ada.get("/servers")
    fields = {"name": "Mini", "duration_days": "30", "csrf_token": "stale"}
    refused = ada.post("/plans/new", data=fields, headers=by_htmx("dialog"))
    assert refused.status_code == 400 and refused.text == "Nothing was changed. Press it again."
    again = ada.post("/plans/new", data={**fields, "csrf_token": refused.headers["X-CSRFToken"]}, headers=by_htmx("dialog"))
    assert again.status_code == 422 and 'value="Mini"' in again.text


def test_leads_what_htmx_has_sent_while_signed_out_to_signing_in_and_not_as_if_it_were_done(app: Flask, ada: FlaskClient) -> None:
    headers = {**by_htmx("dialog"), "HX-Current-URL": "http://localhost/plans"}
    answer = app.test_client().post("/plans/new", data={"name": "Mini", "csrf_token": "stale"}, headers=headers)
    assert answer.status_code == 400 and answer.headers["HX-Redirect"] == "/sign-in?next=/plans" and "X-CSRFToken" not in answer.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site", **OURS}])
def test_offers_nothing_that_another_site_has_filled_in(ada: FlaskClient, headers: dict[str, str]) -> None:
    answer = ada.post("/settings/admins", data={"email": "eve@example.test", "role": "administrator"}, headers=headers)
    assert answer.status_code == 400 and "Reload it" in answer.text and "eve@" not in answer.text
    assert len(db.session.scalars(db.select(Admin)).all()) == 1
