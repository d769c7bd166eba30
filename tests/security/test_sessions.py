"""The cookie of a session: who may read it, where it travels, and when it is worth nothing any more."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner
from werkzeug.test import TestResponse

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Admin, OneTimeLink, Role
from panel.models.types import utc_now
from panel.services import second_factor
from panel.web.limits import limiter
from tests.clock import Clock, clock
from tests.web.asking import PASSWORD, Browser
from tests.web.conftest import signed_in
from tests.web.test_second_factor import ADA, SECRET, code_now

__all__ = ["clock"]

HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}

Made = Callable[..., Flask]


@pytest.fixture
def made(config: Config) -> Made:
    """An app with these settings, whose Ada exists."""

    def make(**settings: object) -> Flask:
        app = create_app(replace(config, **settings))  # type: ignore[arg-type]
        app.config["WTF_CSRF_ENABLED"] = False
        app.test_client_class = Browser
        return app

    return make


def sign_in(app: Flask, headers: dict[str, str] | None = None, base_url: str = "http://panel.example") -> TestResponse:
    """Ada types her password."""
    with app.app_context():
        signed_in(app, "ada@example.test", Role.ADMINISTRATOR)
        answer = app.test_client().post("/sign-in", data=ADA, headers=headers, base_url=base_url)
        db.session.remove()
        db.engine.dispose()
    assert answer.status_code == 303
    return answer


def cookie_of(answer: TestResponse) -> dict[str, object]:
    """The attributes of the session cookie."""
    jar = SimpleCookie(answer.headers["Set-Cookie"])
    return dict(jar["session"])


def test_no_script_reads_it_and_no_other_site_sends_it(made: Made) -> None:
    cookie = cookie_of(sign_in(made()))
    assert cookie["httponly"] is True and cookie["samesite"] == "Lax" and cookie["path"] == "/"
    assert not cookie["domain"] and not cookie["expires"] and not cookie["max-age"]


@pytest.mark.parametrize(
    ("settings", "headers", "base_url", "secure"),
    [
        ({}, {}, "http://panel.example", False),
        ({"public_url": "https://panel.example"}, {}, "http://panel.example", True),
        ({"public_url": "http://panel.example"}, {}, "http://panel.example", False),
        ({}, {}, "https://panel.example", True),
        ({"trusted_proxies": 1}, HTTPS, "http://panel.example", True),
        (
            {"trusted_proxies": 2},
            {"X-Forwarded-Proto": "https, http", "X-Forwarded-For": "203.0.113.7, ::1"},
            "http://p.example",
            True,
        ),
        ({"trusted_proxies": 1}, {"X-Forwarded-Proto": "http"}, "http://panel.example", False),
        ({"trusted_proxies": 1}, {"X-Forwarded-Proto": "https, http"}, "http://panel.example", False),
        ({}, HTTPS, "http://panel.example", False),
    ],
    ids=["http", "public https", "public http", "https", "proxy", "two proxies", "proxy http", "forged before proxy", "no proxy trusted"],
)
def test_travels_by_https_alone_where_the_panel_is_reached_by_it(
    made: Made, settings: dict[str, object], headers: dict[str, str], base_url: str, secure: bool
) -> None:
    assert bool(cookie_of(sign_in(made(**settings), headers, base_url))["secure"]) is secure


def test_a_proxy_that_speaks_https_and_changes_the_host_does_not_lock_anybody_out(config: Config) -> None:
    app = create_app(replace(config, trusted_proxies=1))
    app.test_client_class = Browser
    with app.app_context():
        client = signed_in(app, "ada@example.test", Role.ADMINISTRATOR)
        page = client.get("/account/password", headers=HTTPS).text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert found
        headers = {**HTTPS, "Referer": "https://panel.example/account"}
        answer = client.post("/sign-out", data={"csrf_token": found[1]}, headers=headers)
        db.session.remove()
        db.engine.dispose()
    assert answer.status_code == 303


@pytest.fixture
def open_app(app: Flask) -> Flask:
    """The app without guards against forged forms: this is about sessions."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def stolen(app: Flask, client: FlaskClient) -> FlaskClient:
    """A browser with a copy of another one's cookie."""
    thief = app.test_client()
    cookie = client.get_cookie("session")
    assert cookie
    thief.set_cookie("session", cookie.value)
    return thief


def test_nothing_of_the_session_before_signing_in_is_kept(open_app: Flask, ada: FlaskClient) -> None:
    client = open_app.test_client()
    client.get("/sign-in")
    with client.session_transaction() as session:
        session.update(planted="by somebody else", csrf_token="known", _user_id="1:guess")
    before = client.get_cookie("session")
    assert client.post("/sign-in", data=ADA).status_code == 303
    after = client.get_cookie("session")
    assert before and after and before.value != after.value
    with client.session_transaction() as session:
        assert "planted" not in session and session.get("csrf_token") != "known"


def test_a_cookie_from_before_signing_in_is_not_signed_in_after_it(open_app: Flask, ada: FlaskClient) -> None:
    client = open_app.test_client()
    client.get("/sign-in")
    with client.session_transaction() as session:
        session["something"] = "kept"
    fixed = stolen(open_app, client)
    assert client.post("/sign-in", data=ADA).status_code == 303
    assert fixed.get("/account").status_code == 303


@pytest.mark.parametrize("how", ["everywhere", "password"])
def test_a_copied_cookie_dies_with_the_sessions(open_app: Flask, ada: FlaskClient, how: str) -> None:
    thief = stolen(open_app, ada)
    assert thief.get("/account").status_code == 200
    if how == "everywhere":
        ada.post("/account/sign-out-everywhere")
    else:
        fields = {"current": PASSWORD, "password": "another long password", "again": "another long password"}
        assert ada.post("/account/password", data=fields).status_code == 303
    assert thief.get("/account").status_code == 303


def signed_in_by_password(app: Flask) -> FlaskClient:
    client = app.test_client()
    assert client.post("/sign-in", data=ADA).status_code == 303
    return client


def test_a_copied_cookie_dies_when_its_session_is_signed_out_and_no_other_does(open_app: Flask, ada: FlaskClient) -> None:
    here, elsewhere = signed_in_by_password(open_app), signed_in_by_password(open_app)
    thief = stolen(open_app, here)
    assert thief.get("/account").status_code == 200
    assert here.post("/sign-out").status_code == 303
    assert [client.get("/account").status_code for client in (thief, here, elsewhere, ada)] == [303, 303, 200, 200]
    assert thief.post("/sign-out").status_code == 303 and elsewhere.get("/account").status_code == 200
    again = signed_in_by_password(open_app)
    assert [client.get("/account").status_code for client in (thief, again)] == [303, 200]


def test_signing_out_of_a_session_without_an_id_ends_all(open_app: Flask, ada: FlaskClient) -> None:
    thief, elsewhere = stolen(open_app, ada), signed_in_by_password(open_app)
    assert ada.post("/sign-out").status_code == 303
    assert [client.get("/account").status_code for client in (thief, elsewhere)] == [303, 303]


def test_what_is_kept_of_ended_sessions_goes_once_their_cookies_are_too_old(open_app: Flask, ada: FlaskClient) -> None:
    for _ in range(2):
        signed_in_by_password(open_app).post("/sign-out")
    kept = db.session.scalars(db.select(OneTimeLink)).all()
    assert len(kept) == 2 and all(link.expires_at > utc_now() + timedelta(days=30) for link in kept)
    old_id, kept[0].expires_at = kept[0].id, utc_now()
    db.session.commit()
    signed_in_by_password(open_app).post("/sign-out")
    left = db.session.scalars(db.select(OneTimeLink.id)).all()
    assert len(left) == 2 and old_id not in left


def test_a_copy_that_was_signed_anew_dies_with_the_age_of_its_session(
    open_app: Flask, ada: FlaskClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [0]
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: int(time.time()) + days[0] * 86400)

    def go_to(day: int) -> None:
        days[0], clock.ahead = day, timedelta(days=day)

    here, left_alone = signed_in_by_password(open_app), signed_in_by_password(open_app)
    thief = stolen(open_app, here)
    assert here.post("/sign-out").status_code == 303 and thief.get("/account").status_code == 303
    go_to(20)
    for client in (thief, left_alone):
        assert "Set-Cookie" in client.get("/sign-in/code").headers, "it is signed anew"
    assert left_alone.get("/account").status_code == 200
    go_to(32)
    other = signed_in_by_password(open_app)
    assert other.post("/sign-out").status_code == 303
    assert [client.get("/account").status_code for client in (thief, left_alone)] == [303, 303]
    assert signed_in_by_password(open_app).get("/account").status_code == 200


@pytest.mark.parametrize("session_id", ["from before an id said when", ".x", "-5.x"])
def test_a_session_that_does_not_say_when_it_began_is_over(open_app: Flask, ada: FlaskClient, session_id: str) -> None:
    with ada.session_transaction() as session:
        session["_user_id"] += f":{session_id}"
    assert ada.get("/account").status_code == 303


def test_nothing_planted_before_the_second_factor_is_kept_and_no_copy_from_between_is_signed_in(open_app: Flask, ada: FlaskClient) -> None:
    admin = Admin.by_email(ADA["email"])
    assert admin and second_factor.switch_on(admin, SECRET, code_now(steps=-1))
    db.session.commit()
    client = open_app.test_client()
    client.get("/sign-in")
    with client.session_transaction() as session:
        session.update(planted="before the password", csrf_token="known", _user_id="1:guess")
    assert client.post("/sign-in", data=ADA).headers["Location"] == "/sign-in/code"
    with client.session_transaction() as session:
        assert not {"planted", "_user_id"} & set(session) and session.get("csrf_token") != "known"
        session["planted"] = "between password and code"
    fixed = stolen(open_app, client)
    assert client.post("/sign-in/code", data={"code": code_now()}).status_code == 303
    with client.session_transaction() as session:
        assert not {"planted", "half_signed_in"} & set(session)
    assert [one.get("/account").status_code for one in (client, fixed)] == [200, 303]
    assert fixed.post("/sign-in/code", data={"code": code_now()}).status_code == 422, "the code was used"


def test_a_cookie_that_was_changed_or_signed_elsewhere_is_nobodys(open_app: Flask, ada: FlaskClient) -> None:
    genuine = stolen(open_app, ada).get_cookie("session")
    assert genuine
    other = Flask("other")
    other.secret_key = "another installation"
    serializer = other.session_interface.get_signing_serializer(other)  # type: ignore[attr-defined]
    forged = [
        genuine.value[:-4] + "AAAA",
        "e30." + genuine.value.partition(".")[2],
        serializer.dumps({"_user_id": "1:key"}),
        "",
        "x" * 3000,
    ]
    for value in forged:
        client = open_app.test_client()
        client.set_cookie("session", value)
        assert client.get("/account").status_code == 303, value[:20]


def test_limits_are_on() -> None:
    assert limiter.enabled
