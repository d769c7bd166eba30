"""Who may sign in, and as what."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Admin, AuditEntry, Role
from panel.services import second_factor
from tests.web.asking import by_htmx

BOB = {"email": "Bob@example.test", "role": "administrator", "password": "bobs first password"}


def row(email: str) -> Admin:
    admin = Admin.by_email(email)
    assert admin is not None
    return admin


def noted() -> list[tuple[str, str, str]]:
    found = db.session.execute(db.select(AuditEntry.by, AuditEntry.action, AuditEntry.subject).order_by(AuditEntry.id))
    return [tuple(entry) for entry in found]


def signed_in_as_bob(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.post("/sign-in", data={"email": "bob@example.test", "password": BOB["password"]})
    return client


@pytest.fixture
def bob(app: Flask, ada: FlaskClient) -> Admin:
    ada.post("/settings/admins", data=BOB)
    return row("bob@example.test")


def test_lists_everybody_who_may_sign_in(ada: FlaskClient, vic: FlaskClient) -> None:
    text = " ".join(vic.get("/settings/admins").text.split())
    assert "ada@example.test" in text and "vic@example.test" in text and "(you)" in text
    assert "Only administrators can change who may sign in." in text and 'href="/settings/admins/new"' not in text
    assert 'href="/settings/admins/new"' in ada.get("/settings/admins").text


def test_adds_somebody_who_can_sign_in_then(app: Flask, ada: FlaskClient) -> None:
    assert ada.post("/settings/admins", data=BOB).status_code == 303
    client = signed_in_as_bob(app)
    assert client.get("/settings/admins").status_code == 200
    assert ("ada@example.test", "admin.added", "bob@example.test") in noted()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"email": "nobody"}, "must be an e-mail address"),
        ({"email": "ada@example.test"}, "can sign in already"),
        ({"password": "short"}, "at least 10 characters"),
        ({"email": "nobody", "password": "short"}, "must be an e-mail address"),
        ({"role": "owner"}, "Not a valid choice"),
    ],
)
def test_says_next_to_the_field_what_is_wrong(ada: FlaskClient, changed: dict[str, str], sentence: str) -> None:
    answer = ada.post("/settings/admins", data={**BOB, **changed}, headers=by_htmx("dialog"))
    assert answer.status_code == 422 and sentence in answer.text
    assert "<!doctype html>" not in answer.text and 'id="dialog-title"' in answer.text
    assert f'value="{ {**BOB, **changed}["email"] }"' in answer.text
    assert "bobs first password" not in answer.text


def test_shows_the_form_as_a_page_and_in_the_dialog(ada: FlaskClient) -> None:
    assert "<!doctype html>" in ada.get("/settings/admins/new").text
    assert "<!doctype html>" not in ada.get("/settings/admins/new", headers=by_htmx("dialog")).text


def test_changes_a_role_from_the_next_request_on(app: Flask, ada: FlaskClient, bob: Admin) -> None:
    bobs = signed_in_as_bob(app)
    assert ada.post(f"/settings/admins/{bob.id}/role", data={"role": "viewer"}).status_code == 303
    assert bobs.post("/settings/admins", data=BOB).status_code == 403
    assert ("ada@example.test", "admin.edited", "bob@example.test") in noted()
    assert ada.post(f"/settings/admins/{bob.id}/role", data={"role": "king"}).status_code == 400


def test_asks_before_changing_a_role(ada: FlaskClient, bob: Admin) -> None:
    address = f"/settings/admins/{bob.id}/role"
    assert f'href="{address}"' in ada.get(f"/settings/admins/{bob.id}/actions", headers=by_htmx("dialog")).text
    text = ada.get(address, headers=by_htmx("dialog")).text
    assert "Make bob@example.test a viewer?" in text and 'name="role" value="viewer"' in text
    assert row("bob@example.test").role is Role.ADMINISTRATOR


def test_does_not_let_anybody_demote_themselves(ada: FlaskClient, bob: Admin) -> None:
    assert "ask another administrator" in ada.get("/settings/admins/1/actions").text
    assert "ask another administrator" in ada.get("/settings/admins/1/role").text
    assert "ask another administrator" in ada.post("/settings/admins/1/role", data={"role": "viewer"}, follow_redirects=True).text
    assert row("ada@example.test").role is Role.ADMINISTRATOR


def test_keeps_the_last_administrator(ada: FlaskClient, vic: FlaskClient) -> None:
    text = ada.post("/settings/admins/1/role", data={"role": "viewer"}, follow_redirects=True).text
    assert "This is the last administrator" in text
    assert row("ada@example.test").role is Role.ADMINISTRATOR
    assert "This is the last administrator" in ada.get("/settings/admins/1/actions").text


def test_does_not_let_anybody_remove_themselves(ada: FlaskClient, bob: Admin) -> None:
    assert "cannot remove yourself" in ada.get("/settings/admins/1/remove").text
    assert "cannot remove yourself" in ada.post("/settings/admins/1/remove", follow_redirects=True).text
    assert Admin.by_email("ada@example.test")


def test_removes_somebody_after_asking_and_ends_their_sessions(app: Flask, ada: FlaskClient, bob: Admin) -> None:
    bobs = signed_in_as_bob(app)
    second_factor.new_recovery_codes(bob)
    db.session.commit()
    assert "They are signed out at once" in ada.get(f"/settings/admins/{bob.id}/remove", headers=by_htmx("dialog")).text
    assert ada.post(f"/settings/admins/{bob.id}/remove").status_code == 303
    assert Admin.by_email("bob@example.test") is None
    assert bobs.get("/account").status_code == 303
    assert ("ada@example.test", "admin.removed", "bob@example.test") in noted()


def test_resets_the_second_factor_of_somebody_else(app: Flask, ada: FlaskClient, bob: Admin) -> None:
    bob.totp_secret = second_factor.new_secret()
    row("ada@example.test").totp_secret = second_factor.new_secret()
    db.session.commit()
    assert ada.post(f"/settings/admins/{bob.id}/second-factor").status_code == 303
    assert row("bob@example.test").totp_secret is None
    assert "under “My sign-in”" in ada.post("/settings/admins/1/second-factor", follow_redirects=True).text
    assert row("ada@example.test").totp_secret is not None


def test_says_of_a_password_that_is_too_long_how_long_it_is(ada: FlaskClient) -> None:
    data = {"email": "new@example.test", "role": "viewer", "password": "x" * 1001}
    answer = ada.post("/settings/admins", data=data)
    assert answer.status_code == 422 and "It may have 1000 characters at most, and has 1001." in answer.text
    assert "needs at least" in ada.post("/settings/admins", data={**data, "password": "short"}).text
