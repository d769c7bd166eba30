"""Every request our Emby and Jellyfin clients send agrees with the official OpenAPI files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from panel.platforms.base import Person
from panel.platforms.mediabrowser import MediaBrowserRemote
from panel.simulators.http import Call
from tests import openapi
from tests.platforms.mediabrowser_cases import access, client_of, member, running

pytestmark = pytest.mark.skipif(not openapi.available(), reason=openapi.MISSING)


def _ask_everything(server: Any, remote: MediaBrowserRemote) -> list[Call]:
    """One of each request a move can send; all calls the server saw."""
    remote.check()
    wanted = access(remote, "Films", "Shows", downloads=True)
    given = remote.give(Person("mira", email="mira@mail.example"), wanted)
    remote.set_password(given.account_id, "secret")
    server.keeps_passwords = True  # Emby: reset first.
    remote.set_password(given.account_id, "another")
    server.add_user("strict", "x", libraries="all", MaxParentalRating=7, AccessSchedules=[_SCHEDULE], BlockUnratedItems=["Movie"])
    server.add_user("half", "", libraries="all")
    remote.give(Person("half", email="half@mail.example"), wanted, member(remote, "half"), ours=True)
    strict = member(remote, "strict")
    remote.give(Person("strict"), replace(wanted, settings=strict.settings), strict)
    remote.take(member(remote, "mira"))
    return [entry.call for entry in server.journal]


_SCHEDULE = {"DayOfWeek": "Monday", "StartHour": 8.0, "EndHour": 20.0}


@pytest.mark.parametrize(
    ("name", "contract", "kinds"),
    [("emby 4.9", "emby", 11), ("emby 4.8", "emby", 11), ("jellyfin 10.11", "jellyfin", 8), ("jellyfin 12.0", "jellyfin", 8)],
)
def test_it_sends_what_the_specification_describes(name: str, contract: str, kinds: int) -> None:
    judge: openapi.Contract = getattr(openapi, contract)()
    with running(name) as server:
        calls = _ask_everything(server, client_of(server))
        wrong = {f"{call.method} {call.path}": errors for call in calls if (errors := judge.request_errors(call))}
        assert not wrong
        asked = {(call.method, re.sub("[0-9a-f]{32}", "{Id}", call.path)) for call in calls}
        assert len(asked) == kinds, "the test asks less than the client can, or the client asks something new"


def test_it_would_notice_a_request_that_no_specification_describes() -> None:
    call = Call("POST", "/Users/New", {}, {"content-type": "application/json", "authorization": "MediaBrowser"}, b"{}")
    assert openapi.jellyfin().request_errors(call)
