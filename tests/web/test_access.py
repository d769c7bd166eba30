"""Who gets in, who may change something, and what every answer forbids the browser."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Admin
from panel.services import admins
from panel.services.claims import links
from panel.web.access import HARMLESS, PUBLIC, safe_next
from tests.web.asking import PASSWORD, by_htmx, enter


def addresses(app: Flask, method: str) -> Iterator[tuple[str, str]]:
    """Endpoint and address of each route that takes this method."""
    for rule in app.url_map.iter_rules():
        if method in (rule.methods or ()):
            yield rule.endpoint, re.sub(r"<[^>]+>", "1", rule.rule)


def test_tells_how_to_become_the_first_admin(app: Flask) -> None:
    answer = app.test_client().get("/", follow_redirects=True)
    assert answer.status_code == 200
    assert "flask up" in answer.text


def test_sends_everything_to_the_welcome_page_before_there_is_an_admin(app: Flask) -> None:
    assert app.test_client().get("/servers").headers["Location"] == "/"


def test_makes_the_first_admin_by_a_link_that_works_once(app: Flask) -> None:
    token = links.make(links.SETUP)
    db.session.commit()
    client = app.test_client()
    assert "Welcome" in client.get(f"/setup/{token}").text
    answer = client.post(f"/setup/{token}", data={"email": "Ada@example.test", "password": PASSWORD, "again": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers")
    assert client.get("/servers").status_code == 200
    assert app.test_client().get(f"/setup/{token}").status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "ada@example.test", "password": "short", "again": "short"}, "at least 10 characters"),
        ({"email": "ada@example.test", "password": PASSWORD, "again": "another one"}, "The two passwords differ"),
        ({"email": "no address", "password": PASSWORD, "again": PASSWORD}, "must be an e-mail address"),
    ],
)
def test_keeps_the_set_up_link_usable_after_a_mistake(app: Flask, fields: dict[str, str], sentence: str) -> None:
    token = links.make(links.SETUP)
    db.session.commit()
    answer = app.test_client().post(f"/setup/{token}", data=fields)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert links.find(links.SETUP, token) is not None


def test_refuses_a_set_up_link_once_there_is_an_admin(app: Flask, ada: FlaskClient) -> None:
    token = links.make(links.SETUP)
    db.session.commit()
    answer = app.test_client().post(f"/setup/{token}", data={"email": "eve@example.test", "password": PASSWORD, "again": PASSWORD})
    assert answer.status_code == 404
    assert Admin.by_email("eve@example.test") is None


def test_answers_an_unknown_email_and_a_wrong_password_alike(app: Flask, ada: FlaskClient) -> None:
    def answer(email: str) -> str:
        text = app.test_client().post("/sign-in", data={"email": email, "password": "wrong password"}).text
        return text.replace(email, "")

    assert answer("ada@example.test") == answer("eve@example.test")


def test_slows_down_who_guesses(app: Flask, ada: FlaskClient) -> None:
    client = app.test_client()
    wrong = {"email": "eve@example.test", "password": "a guess"}
    codes = [client.post("/sign-in", data=wrong).status_code for _ in range(11)]
    assert codes == [422] * 10 + [429]
    assert client.post("/sign-in", data={**wrong, "email": "bob@example.test"}).status_code == 422


def test_goes_on_to_the_page_that_was_asked_for(app: Flask, ada: FlaskClient) -> None:
    client = app.test_client()
    to_sign_in = client.get("/migrations?page=2").headers["Location"]
    answer = client.post(to_sign_in, data={"email": "ada@example.test", "password": PASSWORD})
    assert answer.headers["Location"] == "/migrations?page=2"


@pytest.mark.parametrize(
    "address", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "/\t/evil.test", "evil", "", None]
)
def test_never_goes_on_to_another_site(app: Flask, address: str | None) -> None:
    with app.test_request_context():
        assert safe_next(address) == "/servers"


def test_sends_htmx_to_the_sign_in_page_as_a_whole(app: Flask, ada: FlaskClient) -> None:
    headers = {**by_htmx("migration-progress"), "HX-Current-URL": "http://localhost/migrations/1"}
    answer = app.test_client().get("/migrations/1/progress", headers=headers)
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/migrations/1"


def test_signs_out(ada: FlaskClient) -> None:
    assert ada.post("/sign-out").status_code == 303
    assert ada.get("/servers").status_code == 303


def test_ends_all_sessions_when_the_session_key_changes(ada: FlaskClient) -> None:
    admin = Admin.by_email("ada@example.test")
    assert admin
    admin.session_key = "another"
    db.session.commit()
    assert ada.get("/servers").status_code == 303


def test_lets_nobody_in_who_is_not_signed_in(app: Flask, ada: FlaskClient) -> None:
    client = app.test_client()
    for method in ("GET", "POST"):
        for endpoint, address in addresses(app, method):
            if endpoint not in PUBLIC:
                answer = client.open(address, method=method)
                assert answer.status_code == 303 and "/sign-in" in answer.headers["Location"], address


def test_lets_a_viewer_change_nothing(app: Flask, vic: FlaskClient) -> None:
    tried = 0
    for endpoint, address in addresses(app, "POST"):
        if endpoint not in PUBLIC | HARMLESS:
            answer = vic.post(address)
            assert answer.status_code == 403, address
            assert "You may look at everything here" in answer.text
            tried += 1
    assert tried >= 9


def test_lets_a_viewer_look(app: Flask, vic: FlaskClient) -> None:
    assert vic.get("/servers").status_code == vic.get("/migrations").status_code == 200


def test_wants_a_csrf_token_on_every_post(app: Flask, ada: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    for _endpoint, address in addresses(app, "POST"):
        answer = ada.post(address)
        assert answer.status_code == 400 and "Reload it" in answer.text, address


def test_takes_a_form_with_its_csrf_token(app: Flask, ada: FlaskClient) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', ada.get("/servers").text)
    assert token
    assert ada.post("/sign-out", data={"csrf_token": token[1]}).status_code == 303


@pytest.mark.parametrize("address", ["/servers", "/migrations", "/sign-in", "/claim/none", "/nothing-here", "/healthz", "/static/app.css"])
def test_forbids_the_browser_what_no_page_needs(ada: FlaskClient, address: str) -> None:
    headers = ada.get(address).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_has_nothing_inline_that_the_policy_would_refuse(ada: FlaskClient) -> None:
    for address in ("/servers", "/migrations", "/migrations/new"):
        text = ada.get(address).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text), address


def test_answers_health_checks_without_a_session(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


def test_tells_htmx_what_went_wrong_as_plain_text(ada: FlaskClient) -> None:
    answer = ada.get("/servers/99/actions", headers=by_htmx("dialog"))
    assert (answer.status_code, answer.mimetype) == (404, "text/plain")
    assert "There is no such page" in answer.text


def test_gives_the_whole_page_when_history_is_restored(ada: FlaskClient) -> None:
    answer = ada.get("/servers", headers={**by_htmx("servers"), "HX-History-Restore-Request": "true"})
    assert "<!doctype html>" in answer.text
    assert "HX-Request" in answer.headers["Vary"]


def test_makes_a_new_session_at_sign_in(app: Flask, ada: FlaskClient) -> None:
    client = app.test_client()
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"
    client.post("/sign-in", data={"email": "ada@example.test", "password": PASSWORD})
    with client.session_transaction() as after:
        assert "planted" not in after


def test_knows_admins_by_any_case_of_their_email(app: Flask) -> None:
    admins.create("Ada@Example.test", PASSWORD)
    db.session.commit()
    assert enter(app, "ADA@example.TEST").get("/servers").status_code == 200
