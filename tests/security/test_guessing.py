"""How often somebody may guess a password, a code or a link: counted by address and by account, whatever they say about themselves."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Admin, OneTimeLink, Role
from panel.services.claims import links
from panel.web import auth
from tests.databases import BOTH
from tests.scene import Scene
from tests.web.asking import PASSWORD, Browser
from tests.web.conftest import signed_in

ODD_LINKS = ["x", "%00", "..%2f..%2fetc", "a" * 5000, "%F0%9F%8E%AC", "' OR 1=1", "%0d%0aSet-Cookie:x=1", "{{7*7}}"]
WRONG = {"email": "ada@example.test", "password": "a wrong password"}


@pytest.fixture
def open_app(config: Config) -> Callable[..., Flask]:
    """An app with these settings, without guards against forged forms and with passwords that cost no time."""

    def make(**settings: object) -> Flask:
        app = create_app(replace(config, **settings))  # type: ignore[arg-type]
        app.config["WTF_CSRF_ENABLED"] = False
        app.test_client_class = Browser
        return app

    return make


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are compared as they are."""
    monkeypatch.setattr(auth, "check_password_hash", lambda _hash, password: password == PASSWORD)


def tries(client: FlaskClient, count: int, fields: dict[str, str] = WRONG, **how: object) -> list[int]:
    """The answers to so many tries to sign in."""
    return [client.post("/sign-in", data=fields, **how).status_code for _ in range(count)]


def ada_in(app: Flask) -> FlaskClient:
    """A browser that is not signed in, where Ada exists."""
    signed_in(app, "ada@example.test", Role.ADMINISTRATOR)
    return app.test_client()


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP", "CF-Connecting-IP", "True-Client-IP"])
def test_a_made_up_address_does_not_make_a_new_guesser(open_app: Callable[..., Flask], header: str) -> None:
    app = open_app()
    with app.app_context():
        client = ada_in(app)
        codes = [client.post("/sign-in", data=WRONG, headers={header: f"203.0.113.{number}"}).status_code for number in range(12)]
    assert codes == [422] * 10 + [429] * 2


def test_behind_a_proxy_the_last_address_it_adds_counts_and_none_before(open_app: Callable[..., Flask]) -> None:
    app = open_app(trusted_proxies=1)
    with app.app_context():
        client = ada_in(app)
        forged = [{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"} for number in range(12)]
        assert [client.post("/sign-in", data=WRONG, headers=headers).status_code for headers in forged][-2:] == [429, 429]
        elsewhere = {"X-Forwarded-For": "203.0.113.7, 203.0.113.8"}
        assert client.post("/sign-in", data=WRONG, headers=elsewhere).status_code == 422


@pytest.mark.parametrize("written", ["ADA@example.test", " ada@example.test ", "Ada@Example.Test"])
def test_another_way_to_write_an_email_makes_no_new_account(open_app: Callable[..., Flask], written: str) -> None:
    app = open_app()
    with app.app_context():
        client = ada_in(app)
        tries(client, 10)
        assert tries(client, 1, {**WRONG, "email": written}) == [429]


def test_many_addresses_together_do_not_guess_one_account_for_long(open_app: Callable[..., Flask]) -> None:
    app = open_app()
    with app.app_context():
        client = ada_in(app)
        codes = [tries(client, 1, environ_base={"REMOTE_ADDR": f"203.0.{number // 250}.{number % 250 + 1}"})[0] for number in range(202)]
        assert codes == [422] * 200 + [429] * 2
        right = {"email": "ada@example.test", "password": PASSWORD}
        assert tries(client, 1, right, environ_base={"REMOTE_ADDR": "203.0.113.99"}) == [429]
        assert tries(client, 1, {**WRONG, "email": "bob@example.test"}, environ_base={"REMOTE_ADDR": "203.0.113.99"}) == [422]


def test_one_address_does_not_try_many_accounts_for_long(open_app: Callable[..., Flask]) -> None:
    app = open_app()
    with app.app_context():
        client = ada_in(app)
        codes = [tries(client, 1, {**WRONG, "email": f"user{number}@example.test"})[0] for number in range(62)]
    assert codes == [422] * 60 + [429] * 2


def test_the_addresses_of_one_ipv6_network_are_one_guesser(app: Flask, pair: Scene) -> None:
    def code(address: str) -> int:
        return app.test_client().get("/claim/guess", environ_base={"REMOTE_ADDR": address}).status_code

    assert [code(f"2001:db8:0:1::{number:x}") for number in range(32)] == [404] * 30 + [429] * 2
    assert [code("2001:db8:0:1:ffff:ffff:ffff:ffff"), code("2001:db8:0:2::1"), code("192.0.2.1")] == [429, 404, 404]
    assert [code(address) for _ in range(15) for address in ("::ffff:203.0.113.5", "203.0.113.5")] == [404] * 30
    assert [code("::ffff:203.0.113.5"), code("::ffff:203.0.113.6")] == [429, 404]


def test_the_refusal_says_when_to_come_back_and_not_whether_the_account_exists(open_app: Callable[..., Flask]) -> None:
    app = open_app()
    with app.app_context():
        client = ada_in(app)
        texts = []
        for email in ("ada@example.test", "nobody@example.test"):
            tries(client, 10, {**WRONG, "email": email})
            texts.append(client.post("/sign-in", data={**WRONG, "email": email}).text)
    assert texts[0] == texts[1] and "too many tries" in texts[0]


# Links.


def token_of(scene: Scene) -> str:
    """A link for somebody who was moved."""
    token = links.make(links.CLAIM, scene.move().moves[0].id)
    db.session.commit()
    return token


def test_who_has_a_link_that_works_is_no_guesser_whoever_comes_from_the_same_address(app: Flask, pair: Scene) -> None:
    address = f"/claim/{token_of(pair)}"
    visitor = app.test_client()
    assert [visitor.get(address).status_code for _ in range(40)] == [200] * 40
    assert [visitor.get("/claim/guessed").status_code for _ in range(31)] == [404] * 30 + [429]
    assert visitor.get(address).status_code == 429, "from there nobody is let near any more for a while"


def test_links_are_long_random_and_kept_as_hashes(pair: Scene) -> None:
    run = pair.move()
    tokens = {links.make(links.CLAIM, run.moves[0].id) for _ in range(50)}
    db.session.commit()
    assert len(tokens) == 50 and all(len(token) >= 43 for token in tokens)
    (link,) = db.session.scalars(db.select(OneTimeLink))
    assert link.token_hash in {hashlib.sha256(token.encode()).hexdigest() for token in tokens}
    assert not [value for value in vars(link).values() if isinstance(value, str) and value in tokens]


def test_a_link_of_one_purpose_does_not_serve_the_other(app: Flask, pair: Scene) -> None:
    token = token_of(pair)
    assert links.find(links.SETUP, token) is None
    assert app.test_client().get(f"/setup/{token}").status_code == 404


@pytest.mark.parametrize("database_kind", BOTH)
def test_of_two_at_once_one_becomes_the_first_administrator(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    token = links.make(links.SETUP)
    db.session.commit()
    both_have_found_it, use = threading.Barrier(2, timeout=30), links.use

    def use_together(link: OneTimeLink) -> bool:
        both_have_found_it.wait()
        return use(link)

    def press(number: int) -> int:
        fields = {"email": f"eve{number}@example.test", "password": PASSWORD, "again": PASSWORD}
        return FlaskClient(app).post(f"/setup/{token}", data=fields).status_code

    monkeypatch.setattr(links, "use", use_together)
    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(press, (1, 2))) == [303, 404]
    db.session.rollback()
    assert len(db.session.scalars(db.select(Admin)).all()) == 1


@pytest.mark.parametrize("database_kind", BOTH)
def test_two_at_once_cannot_both_use_a_link(app: Flask, pair: Scene) -> None:
    token = token_of(pair)
    both_have_found_it = threading.Barrier(2, timeout=30)

    def use(_number: int) -> bool:
        with app.app_context():
            link = links.find(links.CLAIM, token)
            assert link
            both_have_found_it.wait()
            used = links.use(link)
            db.session.commit()
            return used

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(use, (1, 2))) == [False, True]


def test_odd_links_are_answered_like_unknown_ones(app: Flask, pair: Scene) -> None:
    client = app.test_client()
    unknown = client.get("/claim/unknown")
    for token in ODD_LINKS:
        odd = client.get(f"/claim/{token}")
        assert odd.status_code == 404 and "Set-Cookie: x" not in str(odd.headers), token
        assert "%2f" in token or odd.text == unknown.text, token


def test_unknown_used_and_expired_links_cost_the_same_work(app: Flask, pair: Scene) -> None:
    """Counted in statements, as time depends on the machine; an answer that needs no more work tells nothing."""
    token = token_of(pair)
    link = db.session.scalars(db.select(OneTimeLink)).one()
    statements: list[str] = []
    db.event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    client = app.test_client()

    def work(address: str) -> int:
        statements.clear()
        assert client.get(address).status_code == 404
        return len(statements)

    unknown = work("/claim/unknown")
    link.used_at = link.created_at
    db.session.commit()
    used = work(f"/claim/{token}")
    link.used_at, link.expires_at = None, link.created_at
    db.session.commit()
    assert unknown == used == work(f"/claim/{token}")


#: Each way in which a link can be guessed: its page, and how it is asked for.
GUESSES = [("/claim/guess", "GET"), ("/claim/guess", "POST"), ("/setup/guess", "GET"), ("/setup/guess", "POST")]


@pytest.mark.parametrize("ways", [*([way] for way in GUESSES), GUESSES, GUESSES[::-1]])
def test_links_are_not_guessed_for_long_by_asking_or_sending_for_one_kind_or_several(
    app: Flask, pair: Scene, ways: list[tuple[str, str]]
) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()

    def code(number: int) -> int:
        address, method = ways[number % len(ways)]
        made_up = {"X-Forwarded-For": f"203.0.113.{number}"}
        return client.open(f"{address}{number}", method=method, headers=made_up).status_code

    assert [code(number) for number in range(36)] == [404] * 30 + [429] * 6
