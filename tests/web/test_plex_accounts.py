"""Plex accounts: signing in with Plex or adding a token, Plex Pass, expired tokens, removing."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select

from panel import jobs
from panel.extensions import db
from panel.jobs import sync as sync_job
from panel.models import AuditEntry, Library, Pacemaker, PlexAccount, Server, Share, User
from panel.services import pace
from panel.simulators.http import Fault
from panel.simulators.plex_tv import PlexTv
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import fields


def account_of(email: str) -> PlexAccount:
    """The stored account."""
    found = db.session.scalar(select(PlexAccount).where(PlexAccount.email == email))
    assert found
    return found


def actions_noted() -> list[str]:
    """What the list of changes says."""
    return list(db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def begin(browser: FlaskClient, **fields: str) -> str:
    """Start signing in; the text of the waiting page."""
    answer = browser.post("/plex-accounts/sign-in", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/plex-accounts/sign-in")
    return browser.get("/plex-accounts/sign-in").text


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    text = ada.get("/plex-accounts").text
    assert "No Plex accounts yet" in text and 'href="/plex-accounts/new"' in text


def test_says_since_when_something_is_wrong_with_an_account(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Oak")
    account = db.session.scalars(select(PlexAccount)).one()
    account.problem, account.problem_since = "The token is refused.", datetime(2020, 5, 4, 15, 6, 7, tzinfo=UTC)
    db.session.commit()
    text = ada.get("/plex-accounts").text
    assert "The token is refused." in text and ">4 May 2020, 15:06</time>" in text[text.index("since <time") :]
    account.problem = ""
    db.session.commit()
    assert "since <time" not in ada.get("/plex-accounts").text


def test_signs_in_with_plex_without_a_token_being_typed(ada: FlaskClient, tv: PlexTv) -> None:
    olga = tv.add_account("olga", "olga@example.test", plex_pass=True)
    text = begin(ada)
    pin = next(iter(tv.pins.values()))
    assert f'href="{tv.url}/auth?code={pin.code}"' in text and 'hx-trigger="every 3s"' in text
    waiting = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    assert (waiting.status_code, waiting.text) == (204, "")
    tv.approve_pin(pin.id, olga)
    done = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    account = account_of("olga@example.test")
    assert done.headers["HX-Redirect"] == f"/servers/new?platform=plex&account={account.id}"
    assert (account.token, account.has_plex_pass, account.plex_id) == (olga.token, True, str(olga.id))
    assert actions_noted() == ["plex_account.added"]


def test_asks_by_a_button_without_javascript(ada: FlaskClient, tv: PlexTv) -> None:
    olga = tv.add_account("olga", "olga@example.test")
    assert ">Check</button>" in begin(ada)
    assert "Not approved yet." in ada.post("/plex-accounts/sign-in/check", follow_redirects=True).text
    tv.approve_pin(next(iter(tv.pins)), olga)
    assert "olga@example.test was added" in ada.post("/plex-accounts/sign-in/check", follow_redirects=True).text


def test_never_sends_a_token_to_the_browser(ada: FlaskClient, tv: PlexTv) -> None:
    olga = tv.add_account("olga", "olga@example.test")
    begin(ada)
    tv.approve_pin(next(iter(tv.pins)), olga)
    answer = ada.post("/plex-accounts/sign-in/check", follow_redirects=True)
    pages = [answer.text, ada.get("/plex-accounts/1/edit").text, ada.get("/plex-accounts/1/actions").text, ada.get("/plex-accounts").text]
    assert not [text for text in pages if olga.token in text]
    with ada.session_transaction() as session:
        assert olga.token not in repr(dict(session))


def test_says_so_when_the_sign_in_has_expired(ada: FlaskClient, tv: PlexTv) -> None:
    begin(ada)
    tv.pins.clear()
    answer = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    assert answer.headers["HX-Redirect"] == "/plex-accounts/new"
    assert "has expired" in ada.get("/plex-accounts/new").text


def test_goes_on_asking_while_plex_tv_is_away(ada: FlaskClient, tv: PlexTv) -> None:
    olga = tv.add_account("olga", "olga@example.test")
    begin(ada)
    tv.stop()
    text = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in")).text
    assert "plex.tv" in text and "Asking again." in text and 'hx-trigger="every 3s"' in text
    with ada.session_transaction() as session:
        assert session["plex_pin"]["code"]
    assert olga.token


def test_what_was_wrong_is_no_longer_said_once_plex_tv_answers(ada: FlaskClient, tv: PlexTv) -> None:
    begin(ada)
    tv.faults.append(Fault("GET", "^/api/v2/pins/", status=503))
    check = functools.partial(ada.post, "/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    told = check()
    assert "Asking again." in told.text
    assert not told.headers.getlist("Set-Cookie"), "another window may have begun anew meanwhile: an older sign-in is not put back"
    again = check(data=fields(told.text))
    assert again.status_code == 200 and "Asking again." not in again.text and "Open plex.tv" in again.text
    assert check(data=fields(again.text)).status_code == 204


def test_an_expired_sign_in_for_an_account_that_is_gone_leads_to_a_new_one(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    account = PlexAccount(email="gone@example.test", token="t")
    db.session.add(account)
    db.session.commit()
    begin(ada, account=str(account.id))
    db.session.delete(account)
    db.session.commit()
    scene.tv.pins.clear()
    answer = ada.post("/plex-accounts/sign-in/check", follow_redirects=True)
    assert answer.status_code == 200 and answer.request.path == "/plex-accounts/new" and "has expired" in answer.text


def test_lets_the_simulated_plex_tv_be_asked_on_its_own_page(ada: FlaskClient, tv: PlexTv) -> None:
    import requests

    olga = tv.add_account("olga", "olga@example.test")
    begin(ada)
    code = next(iter(tv.pins.values())).code
    assert "olga@example.test" in requests.get(f"{tv.url}/auth?code={code}", timeout=5).text
    assert requests.post(f"{tv.url}/auth", data={"code": code, "person": olga.id}, timeout=5).ok
    assert "was added" in ada.post("/plex-accounts/sign-in/check", follow_redirects=True).text


def test_adds_an_account_by_its_token(ada: FlaskClient, tv: PlexTv) -> None:
    olga = tv.add_account("olga", "olga@example.test", plex_pass=True)
    answer = ada.post("/plex-accounts/new", data={"token": f" {olga.token}\n"})
    assert answer.status_code == 303
    assert account_of("olga@example.test").has_plex_pass


@pytest.mark.parametrize(("token", "sentence"), [("", "Paste the token."), ("wrong", "refused the token"), ("ä", "refused the token")])
def test_refuses_a_token_that_is_none(ada: FlaskClient, tv: PlexTv, token: str, sentence: str) -> None:
    answer = ada.post("/plex-accounts/new", data={"token": token})
    assert answer.status_code == 422 and sentence in answer.text
    assert not db.session.scalars(select(PlexAccount)).all()


def test_tests_an_account_and_says_when_its_token_has_expired(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    for headers in ({}, by_htmx("dialog")):
        told = ada.post("/plex-accounts/1/test", headers=headers).text
        assert "plex.tv takes the account’s token: yes" in told and "with Plex Pass" in " ".join(told.split())
    scene.tv.revoke_token(side.owner)
    told = ada.post("/plex-accounts/1/test").text
    assert "plex.tv takes the account’s token: no" in told and "refused the token" in told and "/plex-accounts/1/edit" in told
    assert "refused the token" in ada.get("/plex-accounts").text


def test_a_test_that_plex_tv_does_not_answer_says_nothing_of_the_token(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    scene.tv.faults.append(Fault("GET", "^/(api/v2/user|users/account)", status=503, times=None))
    told = ada.post("/plex-accounts/1/test").text
    assert "plex.tv takes the account’s token: not known" in told and "under maintenance" in told
    assert not db.session.get_one(PlexAccount, 1, populate_existing=True).problem


def test_what_a_test_has_shown_stands_in_the_list_behind_it_and_leads_to_signing_in_again(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    for address, row in (
        ("/plex-accounts/1/test", '<tr id="plex-account-1" hx-swap-oob="true">'),
        ("/servers/1/look", '<tr id="server-1" hx-s'),
    ):
        told = ada.post(address, headers=by_htmx("dialog")).text
        assert row in told and "Sign in again…" not in told
        assert row not in ada.post(address).text
    scene.tv.revoke_token(side.owner)
    for address in ("/plex-accounts/1/test", "/servers/1/look"):
        tested, behind = ada.post(address, headers=by_htmx("dialog")).text.split("<template>")
        assert all(re.search(r'href="/plex-accounts/1/edit[?]again=1"[^>]*>Sign in again…<', part) for part in (tested, behind)), address
    for page in ("/plex-accounts", "/servers", "/servers/new?platform=plex&account=1"):
        assert re.search(r'href="/plex-accounts/1/edit[?]again=1"[^>]*>Sign in again…<', ada.get(page).text), page


def test_says_whose_token_is_replaced_and_goes_back_to_that_account(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    email = db.session.get_one(PlexAccount, 1).email
    assert email in begin(ada, account="1")
    scene.tv.pins.clear()
    answer = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    assert answer.headers["HX-Redirect"] == "/plex-accounts/1/edit"


def test_a_second_window_hears_that_the_sign_in_is_over(ada: FlaskClient, tv: PlexTv) -> None:
    begin(ada)
    tv.pins.clear()
    ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    answer = ada.post("/plex-accounts/sign-in/check", follow_redirects=True)
    assert answer.request.path == "/plex-accounts" and "perhaps in another window" in answer.text


def test_replaces_an_expired_token_by_signing_in_again(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    scene.tv.revoke_token(side.owner)
    begin(ada, account="1")
    scene.tv.approve_pin(next(iter(scene.tv.pins)), side.owner)
    assert "has a fresh token now" in ada.post("/plex-accounts/sign-in/check", follow_redirects=True).text
    assert [account.token for account in db.session.scalars(select(PlexAccount))] == [side.owner.token]


def test_a_fresh_token_heals_the_servers_that_lacked_one_and_syncs_them(
    ada: FlaskClient, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[int] = []
    monkeypatch.setattr(jobs, "wake_sync", lambda server_id: bool(woken.append(server_id)) or True)
    side, other = scene.add_server("plex", "Den"), scene.add_server("plex", "Attic")
    side.row.problem = ""
    other.row.problem = "It does not answer."
    scene.tv.revoke_token(side.owner)
    sync_job.sync(side.row.id)
    text = ada.get("/servers").text
    assert "Sign in again under Plex accounts." in text
    assert "refused the token" in ada.get("/plex-accounts").text
    begin(ada, account="1")
    scene.tv.approve_pin(next(iter(scene.tv.pins)), side.owner)
    ada.post("/plex-accounts/sign-in/check")
    db.session.expire_all()
    assert (woken, side.row.problem, other.row.problem) == ([side.row.id], "", "It does not answer.")
    assert side.row.sync_queued_at is not None and not account_of(side.owner.email).problem


def test_notes_that_a_test_has_changed_plex_pass(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    account_of(side.owner.email).has_plex_pass = False
    db.session.commit()
    ada.post("/plex-accounts/1/test")
    ada.post("/plex-accounts/1/test")
    [entry] = db.session.scalars(select(AuditEntry)).all()
    assert (entry.action, entry.detail) == ("plex_account.edited", "Has Plex Pass: no → yes, as plex.tv says")


def test_does_not_take_another_accounts_token_for_a_fresh_one(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    bert = scene.tv.add_account("bert", "bert@example.test")
    answer = ada.post("/plex-accounts/1/edit", data={"token": bert.token, "plex_pass": "auto", "enabled": "y"})
    assert answer.status_code == 422 and "Add it as an account of its own" in answer.text
    assert account_of(side.owner.email).token == side.owner.token


def test_keeps_what_was_set_by_hand_about_plex_pass(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    ada.post("/plex-accounts/1/edit", data={"plex_pass": "no", "enabled": "y"})
    ada.post("/plex-accounts/1/test")
    assert not account_of(side.owner.email).has_plex_pass
    assert "set by hand" in ada.get("/plex-accounts").text
    ada.post("/plex-accounts/1/edit", data={"plex_pass": "auto", "enabled": "y"})
    ada.post("/plex-accounts/1/test")
    assert account_of(side.owner.email).has_plex_pass


def test_says_what_is_lost_and_keeps_the_users(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    scene.person("Alice")
    text = " ".join(ada.get("/plex-accounts/1/remove").text.split())
    assert "<bdi>Den</bdi>, with 4 libraries and 1 remembered share" in text
    assert "was removed from the panel" in ada.post("/plex-accounts/1/remove", follow_redirects=True).text
    for gone in (PlexAccount, Server, Share, Library):
        assert not db.session.scalars(select(gone)).all()
    assert db.session.scalars(select(User.name)).all() == ["Alice"]
    assert actions_noted() == ["plex_account.removed"]


def test_keeps_disabled_what_has_a_history(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    scene.add_server("jellyfin", "Birch")
    scene.person("Alice")
    scene.move()
    assert "Kept for their migrations" in ada.get("/plex-accounts/1/remove").text
    ada.post("/plex-accounts/1/remove")
    den = Server.by_name("Den")
    assert den and not den.enabled and den.plex_account_id is None
    assert not db.session.scalars(select(PlexAccount)).all()


def test_is_not_removed_while_a_run_uses_one_of_its_servers(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    scene.add_server("jellyfin", "Birch")
    scene.person("Alice")
    scene.start()
    assert "a migration or a sync is using it" in ada.get("/plex-accounts/1/remove").text
    assert "a migration or a sync is using it" in ada.post("/plex-accounts/1/remove", follow_redirects=True).text
    assert account_of("owner-den@example.test")


def test_disables_the_buttons_for_viewers(vic: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    for address in ("/plex-accounts/new", "/plex-accounts/1/edit"):
        assert 'disabled title="Only administrators can do this."' in vic.get(address).text, address
    assert re.search(r"disabled>Remove it<", vic.get("/plex-accounts/1/remove").text)
    assert vic.post("/plex-accounts/sign-in").status_code == 403


def test_asks_the_database_as_often_for_many_accounts_as_for_few(ada: FlaskClient, app: Flask) -> None:
    def count() -> int:
        asked: list[str] = []
        with app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", listener := lambda *args: asked.append(args[2]))
        ada.get("/plex-accounts")
        event.remove(engine, "before_cursor_execute", listener)
        return len(asked)

    db.session.add(PlexAccount(email="one@example.test", token="t"))
    db.session.commit()
    few = count()
    db.session.add_all(PlexAccount(email=f"n{number}@example.test", token="t") for number in range(30))
    db.session.commit()
    assert count() == few


def cools(seconds: float) -> None:
    """Plex has asked to leave the first account alone; 0.0: no more."""
    row = db.session.get(Pacemaker, pace.name_of_account(1))
    if seconds:
        pace.cool_down(pace.name_of_account(1), seconds)
    elif row is not None:
        row.cool_until = None
    db.session.commit()


def test_sends_nobody_to_plex_for_an_account_that_is_to_be_left_alone(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    cools(3000.0)
    answer = ada.post("/plex-accounts/sign-in", data={"account": "1"}, follow_redirects=True)
    assert answer.request.path == "/plex-accounts" and "can be asked again after" in answer.text
    assert not scene.tv.pins


def test_an_approved_sign_in_waits_for_an_account_that_cools_down(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    begin(ada, account="1")
    scene.tv.approve_pin(next(iter(scene.tv.pins)), side.owner)
    scene.tv.faults.append(Fault("GET", "^/(api/v2/user|users/account)", status=429, headers={"Retry-After": "300"}))
    for _ in range(2):
        waiting = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
        assert waiting.status_code == 200 and "can be asked again after" in waiting.text
        assert "Waiting for plex.tv" in waiting.text and "Open plex.tv" not in waiting.text, "it is approved"
    cools(0.0)
    assert "has a fresh token now" in ada.post("/plex-accounts/sign-in/check", follow_redirects=True).text


SLOW: dict[str, Any] = {"status": 429, "headers": {"Retry-After": "3000"}, "times": None}


def asked_about_pins(tv: PlexTv) -> int:
    return len(tv.calls("GET", "^/api/v2/pins/"))


@pytest.mark.parametrize("is_known", [False, True])
def test_a_pin_is_not_asked_about_while_plex_tv_is_to_be_left_alone(ada: FlaskClient, scene: Scene, is_known: bool) -> None:
    side = scene.add_server("plex", "Oak")
    begin(ada, **({"account": str(side.row.plex_account_id)} if is_known else {}))
    scene.tv.faults.append(Fault("GET", "^/api/v2/pins/", **SLOW))
    texts = [ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in")).text for _ in range(3)]
    assert asked_about_pins(scene.tv) == 1
    assert all("has asked to slow down" in text and "Open plex.tv" in text and "Asking again." not in text for text in texts)
    assert (pace.cooling_until([side.row]) is not None) is is_known, "runs on the account heed it too"
    data = {"account": str(side.row.plex_account_id)} if is_known else {}
    begun_anew = ada.post("/plex-accounts/sign-in", data=data, follow_redirects=True)
    assert begun_anew.request.path == "/plex-accounts" and len(scene.tv.calls("POST", "^/api/v2/pins")) == 1


@pytest.mark.parametrize("is_known", [False, True])
def test_no_pin_is_asked_for_while_plex_tv_is_to_be_left_alone(ada: FlaskClient, scene: Scene, is_known: bool) -> None:
    side = scene.add_server("plex", "Oak")
    asked_for = {"account": str(side.row.plex_account_id)} if is_known else {}
    scene.tv.faults.append(Fault("POST", "^/api/v2/pins", **SLOW))
    for _ in range(2):
        answer = ada.post("/plex-accounts/sign-in", data=asked_for, follow_redirects=True)
        assert answer.request.path == "/plex-accounts" and "slow down" in answer.text
    assert len(scene.tv.calls("POST", "^/api/v2/pins")) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_approved_sign_in_survives_a_moment_of_trouble(ada: FlaskClient, tv: PlexTv, status: int) -> None:
    olga = tv.add_account("olga", "olga@example.test")
    begin(ada)
    tv.approve_pin(next(iter(tv.pins)), olga)
    tv.faults.append(Fault("GET", "^/(api/v2/user|users/account)", status=status))
    waiting = ada.post("/plex-accounts/sign-in/check", headers=by_htmx("plex-sign-in"))
    assert "Waiting for plex.tv" in waiting.text and "Asking again." in waiting.text
    assert "was added" in ada.post("/plex-accounts/sign-in/check", follow_redirects=True).text
