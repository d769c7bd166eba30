"""What plex.tv and a Plex server do when they are unwell, and that no token is ever told."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator

import pytest

from panel.platforms import http
from panel.platforms.base import (
    Access,
    CredentialsRefused,
    LostAnswer,
    NotAllowed,
    Person,
    PlatformError,
    ServerFault,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
)
from panel.platforms.plex import PlexRemote, owned_servers, people, read_account
from panel.simulators.http import Fault
from tests.platforms.plex_world import CLIENT_ID, PlexWorld, plex_world

READS: dict[str, Callable[[PlexWorld, PlexRemote], object]] = {
    "members": lambda world, remote: remote.members(),
    "libraries": lambda world, remote: remote.libraries(),
    "check": lambda world, remote: remote.check(),
    "account": lambda world, remote: read_account(world.olga.token, world.tv.url, CLIENT_ID, timeouts=(2.0, 2.0)),
    "servers": lambda world, remote: owned_servers(world.olga.token, world.tv.url, CLIENT_ID, timeouts=(2.0, 2.0)),
    "people": lambda world, remote: people(world.olga.token, world.tv.url, CLIENT_ID, timeouts=(2.0, 2.0)),
}
FAULTS: dict[str, tuple[dict[str, object], type[PlatformError]]] = {
    "busy": ({"status": 429, "headers": {"Retry-After": "17"}}, TooManyRequests),
    "broken": ({"status": 500, "body": "<html>oops</html>"}, ServerFault),
    "behind a broken proxy": ({"status": 525}, ServerFault),
    "starting": ({"status": 503}, Unreachable),
    "silent": ({"drop": True}, Unreachable),
    "cut off": ({"half": True}, Unreachable),
    "a page": ({"html": True}, UnexpectedAnswer),
    "empty": ({"status": 200}, UnexpectedAnswer),
    "not the data": ({"status": 200, "body": "{}", "content_type": "application/json"}, UnexpectedAnswer),
    "a redirect": ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}}, UnexpectedAnswer),
    "revoked": ({"status": 401}, CredentialsRefused),
    "revoked, in other words": ({"status": 422, "body": '<Response code="422" status="Invalid token"/>'}, CredentialsRefused),
    "forbidden": ({"status": 403}, NotAllowed),
}


@pytest.fixture
def world() -> Iterator[PlexWorld]:
    with plex_world() as world:
        yield world


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_plex_tv_has_its_consequence(world: PlexWorld, read: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    how, kind = FAULTS[fault]
    world.fail("", **how)
    with pytest.raises(kind) as caught:
        READS[read](world, world.remote())
    if isinstance(caught.value, TooManyRequests):
        assert caught.value.retry_after_s == 17
    assert world.olga.token not in "".join(traceback.format_exception(caught.value)) + caplog.text
    assert len(world.tv.journal) == 1


def test_an_answer_without_end_is_not_read(world: PlexWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 100_000)
    world.fail("", status=200, body="x" * 200_000)
    for read in READS.values():
        with pytest.raises(UnexpectedAnswer):
            read(world, world.remote())


def test_a_deep_answer_is_not_followed_down(world: PlexWorld) -> None:
    world.fail("", status=200, body="[" * 100_000, content_type="application/json")
    with pytest.raises(UnexpectedAnswer):
        world.remote().members()


def test_an_entity_bomb_is_not_set_off(world: PlexWorld) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "yyyyyyyyyy">]><MediaContainer machineIdentifier="&x;"/>'
    world.den.faults.append(Fault(status=200, body=bomb, content_type="text/xml"))
    with pytest.raises(UnexpectedAnswer):
        world.remote().identity()


@pytest.mark.parametrize("generation", ["v2", "v1"])
@pytest.mark.parametrize(
    "how",
    [
        {"drop": True},
        {"drop": True, "effect": True},
        {"half": True},
        {"html": True, "effect": True},
        {"status": 500},
        {"status": 503},
        {"status": 524},
        {"status": 201, "effect": True},
        {"status": 201, "body": "[]"},
        {"status": 201, "body": '{"id": null}'},
        {"status": 201, "body": "<MediaContainer/>"},
        {"status": 201, "body": "x" * 200_000, "effect": True},
    ],
    ids=str,
)
def test_a_creation_whose_answer_is_lost_is_never_sent_twice(
    world: PlexWorld, generation: str, how: dict[str, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(http, "MOST_BYTES", 100_000)
    world.tv.v2_shares_gone = generation == "v1"
    remote = world.remote(world.attic)
    remote.members()
    world.forget_calls()
    world.fail("/shared_servers$", method="POST", **how)
    with pytest.raises(LostAnswer) as caught:
        remote.give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.attic)))
    assert len(world.tv.calls("POST")) == 1
    assert world.olga.token not in "".join(traceback.format_exception(caught.value)) + caplog.text
    # Whether it happened is what the list says.
    happened = bool(how.get("effect") or how.get("half"))
    assert [member.name for member in remote.members()] == (["dora"] if happened else [])


def test_a_creation_that_was_told_to_slow_down_did_not_happen(world: PlexWorld) -> None:
    world.tv.rate_limit, world.tv.retry_after = (0, 60.0), 9
    with pytest.raises(TooManyRequests) as caught:
        world.remote(world.attic).give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.attic)))
    assert (caught.value.retry_after_s, world.tv.shares_of(world.attic)) == (9, [])


def test_a_creation_nobody_received_is_no_lost_answer(world: PlexWorld) -> None:
    world.tv.stop()
    with pytest.raises(Unreachable):
        world.remote(world.attic).give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.attic)))


def test_a_removal_whose_answer_is_lost_may_be_repeated(world: PlexWorld) -> None:
    remote = world.remote()
    alice = world.member("alice", remote)
    world.tv.faults.append(Fault(method="DELETE", drop=True, effect=True))
    with pytest.raises(Unreachable):
        remote.take(alice)
    remote.take(alice)
    assert world.den.share_of(world.alice) is None


@pytest.mark.parametrize("url", ["", "den", "http://", "http://[", "ftp://den", "http://den cave", "http://127.0.0.1:1", "http://a:99999"])
def test_an_address_that_leads_nowhere_is_unreachable(world: PlexWorld, url: str) -> None:
    with pytest.raises(Unreachable):
        world.remote(url=url).identity()


def test_a_password_in_an_address_is_not_told(world: PlexWorld) -> None:
    world.den.maintenance = True
    with pytest.raises(Unreachable) as caught:
        world.remote(url=world.den.url.replace("//", "//admin:hunter2@")).identity()
    assert "hunter2" not in str(caught.value)


def test_the_words_of_plex_tv_are_quoted_without_tokens(world: PlexWorld) -> None:
    body = f'<Response code="400" status="Bad request for /x?X-Plex-Token={world.olga.token}&amp;y=1"/>'
    world.fail("", status=400, body=body, content_type="text/xml")
    for read in READS.values():
        with pytest.raises(PlatformError) as caught:
            read(world, world.remote())
        assert world.olga.token not in "".join(traceback.format_exception(caught.value))


def test_a_row_of_a_list_that_cannot_be_read_stops_the_list(world: PlexWorld) -> None:
    for row in ("null", "1", "{}", '{"id": 1}', '{"machineIdentifier": "%s"}', '{"id": 5, "machineIdentifier": "%s", "libraries": null}'):
        body = f"[{row.replace('%s', world.den.machine_id)}]"
        world.tv.faults[:] = [Fault(path="owned/accepted", status=200, body=body, times=None)]
        with pytest.raises(UnexpectedAnswer):
            world.remote().members()


def test_the_account_s_token_goes_to_its_own_servers_only(world: PlexWorld) -> None:
    world.remote().libraries()
    assert world.den.calls(path="/library/sections")[0].call.headers["x-plex-token"] == world.olga.token
    assert world.barn.journal == [] and world.attic.journal == []
