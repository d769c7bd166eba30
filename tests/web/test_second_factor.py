"""One's own sign-in: password, second factor, recovery codes, sessions."""

from __future__ import annotations

import re

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Admin, AuditEntry, RecoveryCode
from panel.services import second_factor
from tests.web.asking import PASSWORD

ADA = {"email": "ada@example.test", "password": PASSWORD}
SECRET = pyotp.random_base32()


def row(email: str = "ada@example.test") -> Admin:
    admin = Admin.by_email(email)
    assert admin is not None
    return admin


def code_now(secret: str = SECRET, steps: int = 0) -> str:
    """What an app shows now, or some steps away."""
    return pyotp.TOTP(secret).generate_otp(second_factor.step_now() + steps)


@pytest.fixture
def codes(ada: FlaskClient) -> list[str]:
    """Ada's second factor is on; her recovery codes."""
    made = second_factor.switch_on(row(), SECRET, code_now(steps=-1))
    assert made
    db.session.commit()
    return made


def half(app: Flask) -> FlaskClient:
    """A browser that has typed Ada's password."""
    client = app.test_client()
    answer = client.post("/sign-in?next=/migrations", data=ADA)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in/code")
    return client


def is_in(client: FlaskClient) -> bool:
    return client.get("/account").status_code == 200


def details() -> list[str]:
    return list(db.session.scalars(db.select(AuditEntry.detail).order_by(AuditEntry.id)))


def test_is_set_up_by_scanning_and_a_code(app: Flask, ada: FlaskClient) -> None:
    page = ada.get("/account/second-factor").text
    assert "<svg" in page and not re.search(r"\sstyle=|<style", page)
    found = re.search(r'<code class="text-break">([A-Z2-7 ]+)</code>', page)
    assert found
    secret = found[1].replace(" ", "")
    assert secret not in str(ada.get_cookie("session"))
    refused = ada.post("/account/second-factor", data={"code": "000000"})
    assert refused.status_code == 422 and "wrong or was used before" in refused.text
    assert row().totp_secret is None
    text = ada.post("/account/second-factor", data={"code": code_now(secret)}).text
    assert "They are not shown again" in text
    assert len(re.findall(r"<li><code>[a-z2-9-]{19}</code>", text)) == 10
    assert row().totp_secret == secret
    assert "Second factor switched on" in details()
    assert "On: signing in takes" in ada.get("/account").text


def test_keeps_only_hashes_of_recovery_codes(codes: list[str]) -> None:
    stored = set(db.session.scalars(db.select(RecoveryCode.code_hash)))
    assert len(stored) == 10 and not stored & set(codes)


def test_wants_a_code_after_the_password(app: Flask, codes: list[str]) -> None:
    client = half(app)
    assert not is_in(client)
    answer = client.post("/sign-in/code", data={"code": code_now()})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/migrations")
    assert is_in(client)
    assert details()[-1].startswith("by password and code")


def test_takes_a_code_once_only(app: Flask, codes: list[str]) -> None:
    code = code_now()
    assert half(app).post("/sign-in/code", data={"code": code}).status_code == 303
    again = half(app)
    answer = again.post("/sign-in/code", data={"code": code})
    assert answer.status_code == 422 and "wrong or was used before" in answer.text
    assert not is_in(again)


def test_takes_no_older_code_than_the_last_one(app: Flask, codes: list[str]) -> None:
    assert half(app).post("/sign-in/code", data={"code": code_now(steps=1)}).status_code == 303
    assert half(app).post("/sign-in/code", data={"code": code_now()}).status_code == 422


def test_takes_a_recovery_code_once(app: Flask, codes: list[str]) -> None:
    client = half(app)
    assert client.post("/sign-in/code", data={"code": codes[0].upper().replace("-", " ")}).status_code == 303
    assert "9 recovery codes left" in client.get("/account").text
    assert half(app).post("/sign-in/code", data={"code": codes[0]}).status_code == 422


def test_answers_a_wrong_code_and_a_used_one_alike(app: Flask, codes: list[str]) -> None:
    client = half(app)
    client.post("/sign-in/code", data={"code": codes[0]})
    other = half(app)
    used, wrong = (other.post("/sign-in/code", data={"code": code}) for code in (codes[0], "abcd-efgh"))
    assert (used.status_code, used.text) == (wrong.status_code, wrong.text)


def test_forgets_a_half_sign_in_after_five_minutes(app: Flask, codes: list[str]) -> None:
    client = half(app)
    with client.session_transaction() as session:
        session["half_signed_in"] = {**session["half_signed_in"], "at": session["half_signed_in"]["at"] - 301}
    answer = client.post("/sign-in/code", data={"code": code_now()})
    assert answer.headers["Location"] == "/sign-in"
    assert not is_in(client)


def test_ends_a_half_sign_in_with_the_sessions(app: Flask, codes: list[str]) -> None:
    client = half(app)
    row().session_key = "another"
    db.session.commit()
    client.post("/sign-in/code", data={"code": code_now()})
    assert not is_in(client)


def test_slows_down_who_guesses_codes_from_whichever_browser(app: Flask, codes: list[str]) -> None:
    first, second = half(app), half(app)
    answers = [(first, second)[number % 2].post("/sign-in/code", data={"code": "000000"}).status_code for number in range(11)]
    assert answers == [422] * 10 + [429]


def test_does_not_ask_for_a_code_out_of_the_blue(app: Flask, codes: list[str]) -> None:
    assert app.test_client().get("/sign-in/code").headers["Location"] == "/sign-in"


def test_is_switched_off_with_password_and_code(ada: FlaskClient, codes: list[str]) -> None:
    wrong = ada.post("/account/second-factor/off", data={"current": "not my password", "code": code_now()})
    assert wrong.status_code == 422 and "not your password" in wrong.text
    assert ada.post("/account/second-factor/off", data={"current": PASSWORD, "code": "000000"}).status_code == 422
    assert row().totp_secret is not None
    assert ada.post("/account/second-factor/off", data={"current": PASSWORD, "code": code_now()}).status_code == 303
    assert row().totp_secret is None
    assert second_factor.recovery_codes_left(row()) == 0


def test_makes_new_recovery_codes_in_place_of_the_old(app: Flask, ada: FlaskClient, codes: list[str]) -> None:
    assert ada.post("/account/recovery-codes", data={"current": "wrong"}).status_code == 422
    text = ada.post("/account/recovery-codes", data={"current": PASSWORD}).text
    fresh = re.findall(r"<li><code>([a-z2-9-]+)</code>", text)
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    assert half(app).post("/sign-in/code", data={"code": codes[1]}).status_code == 422
    assert half(app).post("/sign-in/code", data={"code": fresh[1]}).status_code == 303


def test_changes_the_password_and_ends_other_sessions(app: Flask, ada: FlaskClient) -> None:
    other = app.test_client()
    other.post("/sign-in", data=ADA)
    fields = {"current": PASSWORD, "password": "another long password", "again": "another long password"}
    assert ada.post("/account/password", data={**fields, "current": "wrong"}).status_code == 422
    assert ada.post("/account/password", data={**fields, "password": "short", "again": "short"}).status_code == 422
    assert is_in(other)
    assert ada.post("/account/password", data=fields).status_code == 303
    assert is_in(ada) and not is_in(other)
    assert row().has_password("another long password")


def test_never_sends_a_password_back(ada: FlaskClient) -> None:
    text = ada.post("/account/password", data={"current": "typed-one", "password": "typed-two", "again": "typed-two"}).text
    assert "typed-one" not in text and "typed-two" not in text


def test_signs_out_everywhere(app: Flask, ada: FlaskClient) -> None:
    other = app.test_client()
    other.post("/sign-in", data=ADA)
    assert ada.post("/account/sign-out-everywhere").status_code == 303
    assert not is_in(ada) and not is_in(other)


def test_is_a_viewers_own_affair_too(app: Flask, vic: FlaskClient) -> None:
    fields = {"current": PASSWORD, "password": "another long password", "again": "another long password"}
    assert vic.post("/account/password", data=fields).status_code == 303
    assert row("vic@example.test").has_password("another long password")
    assert row().has_password(PASSWORD)
