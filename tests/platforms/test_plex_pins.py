"""Signing in with Plex by a PIN."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from panel.platforms.base import UnexpectedAnswer, Unreachable
from panel.platforms.plex.pins import USUAL_LIFE_S, approval_url, check_pin, start_pin
from panel.simulators.http import Answer
from panel.simulators.plex_tv import PlexTv

ME = "this-installation"


@pytest.fixture
def tv() -> Iterator[PlexTv]:
    """A running plex.tv."""
    simulated = PlexTv()
    with simulated.running():
        yield simulated


def test_asks_for_a_strong_pin_without_any_token(tv: PlexTv) -> None:
    pin = start_pin(tv.url, ME)
    assert len(pin.code) == 25 and pin.lives_s > 600 and pin.token == ""
    assert tv.pins[pin.id].client_identifier == ME


def test_gets_the_token_once_somebody_has_approved(tv: PlexTv) -> None:
    olga = tv.add_account("olga", "olga@example.test")
    pin = start_pin(tv.url, ME)
    waiting = check_pin(pin.id, tv.url, ME)
    assert waiting is not None and waiting.token == ""
    tv.approve_pin(pin.id, olga)
    approved = check_pin(pin.id, tv.url, ME)
    assert approved is not None and approved.token == olga.token
    assert olga.token not in repr(approved)


def test_knows_an_expired_pin_and_one_of_another_installation(tv: PlexTv) -> None:
    pin = start_pin(tv.url, ME)
    assert check_pin(pin.id, tv.url, "another") is None
    tv.pins.clear()
    assert check_pin(pin.id, tv.url, ME) is None


def test_says_so_when_plex_tv_is_away(tv: PlexTv) -> None:
    pin = start_pin(tv.url, ME)
    tv.stop()
    with pytest.raises(Unreachable):
        check_pin(pin.id, tv.url, ME)


@pytest.mark.parametrize("body", [[], {"id": "7"}, {"id": 7, "code": None}])
def test_takes_nothing_else_for_a_pin(tv: PlexTv, monkeypatch: pytest.MonkeyPatch, body: object) -> None:
    monkeypatch.setattr(tv, "answer", lambda _call: Answer.of_json(body, 201))
    with pytest.raises(UnexpectedAnswer):
        start_pin(tv.url, ME)


@pytest.mark.parametrize("life", ["9" * 400, "1e999", "-1", "true", '"soon"', "null"])
def test_a_life_that_makes_no_sense_is_the_usual_one(tv: PlexTv, monkeypatch: pytest.MonkeyPatch, life: str) -> None:
    body = f'{{"id": 7, "code": "abc", "expiresIn": {life}}}'.encode()
    monkeypatch.setattr(tv, "answer", lambda _call: Answer(201, body))
    assert start_pin(tv.url, ME).lives_s == USUAL_LIFE_S


def test_leads_to_the_page_that_reads_its_fragment() -> None:
    address = approval_url("abc", client_id=ME)
    assert address.startswith("https://app.plex.tv/auth#?clientID=this-installation&code=abc&")
    assert approval_url("abc", "http://127.0.0.1:1") == "http://127.0.0.1:1/auth?code=abc"
