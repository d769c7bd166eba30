"""What the clients of Emby and Jellyfin make of faults at each request, and of answers that make no sense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from panel.platforms import connect
from panel.platforms.base import (
    CredentialsRefused,
    LostAnswer,
    NotAllowed,
    Person,
    PlatformError,
    Refused,
    ServerFault,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
)
from panel.platforms.mediabrowser import MediaBrowserRemote
from panel.simulators.emby import Emby
from panel.simulators.http import Fault
from tests.platforms.mediabrowser_cases import SERVERS, access, client_of, member, running

MIRA = Person("mira")


@pytest.fixture(params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running(request.param) as started:
        yield started


@pytest.fixture
def remote(server: Any) -> Iterator[MediaBrowserRemote]:
    client = client_of(server)
    yield client
    client.close()


@pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])
def test_it_says_so_when_the_answer_to_a_new_account_is_lost(server: Any, remote: MediaBrowserRemote, effect: bool) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Users/New", drop=True, effect=effect))
    with pytest.raises(LostAnswer):
        remote.give(MIRA, wanted)
    assert len(server.calls("POST")) == 1, "nothing is sent again blindly"
    assert (server.user("mira") is not None) is effect


@pytest.mark.parametrize("fault", [{"half": True}, {"html": True, "effect": True}, {"status": 500}, {"status": 503}], ids=str)
def test_it_says_so_when_the_answer_to_a_new_account_is_of_no_use(server: Any, remote: MediaBrowserRemote, fault: Any) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Users/New", **fault))
    with pytest.raises(LostAnswer):
        remote.give(MIRA, wanted)


@pytest.mark.parametrize("body", ["null", "[]", "{}", '{"Id":"abc","Name":"mira"}', '{"Id":"../x","Name":"mira","Policy":{}}'])
def test_it_says_so_when_the_answer_to_a_new_account_is_incomplete(server: Any, remote: MediaBrowserRemote, body: str) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Users/New", status=200, body=body, content_type="application/json"))
    with pytest.raises(LostAnswer):
        remote.give(MIRA, wanted)
    assert len(server.calls("POST", "/Users/New")) == 1
    others = [entry.call.path for entry in server.calls("POST") if not entry.call.path.endswith("/Users/New")]
    assert others == (["/emby/Users/abc/Password"] if '"abc"' in body and isinstance(server, Emby) else []), "sealed by its id"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500, "body": "database is locked"}, ServerFault),
        ({"drop": True}, Unreachable),
        ({"drop": True, "effect": True}, Unreachable),
        ({"html": True}, UnexpectedAnswer),
        ({"status": 302, "headers": {"Location": "/web/"}}, UnexpectedAnswer),
        ({"status": 429, "headers": {"Retry-After": "7"}}, TooManyRequests),
        ({"status": 403, "body": "no"}, NotAllowed),
        ({"status": 400, "body": "no"}, Refused),
    ],
    ids=str,
)
def test_it_closes_an_account_it_cannot_finish(server: Any, remote: MediaBrowserRemote, fault: Any, error: type[PlatformError]) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Policy", **fault))
    with pytest.raises(error):
        remote.give(MIRA, wanted)
    account = server.user("mira")
    assert account.policy["IsDisabled"] and server.visible(account) == set() and account.password
    remote.give(MIRA, wanted, member(remote, "mira"), ours=True)
    assert server.visible(account) == {"Films"} and not account.policy["IsDisabled"]


def test_it_stops_when_the_key_is_revoked_midway(server: Any, remote: MediaBrowserRemote) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Policy", status=401, times=None))
    with pytest.raises(CredentialsRefused) as refusal:
        remote.give(MIRA, wanted)
    assert refusal.value.about_server
    assert len(server.calls("POST", "/Policy")) == 1


def test_it_keeps_the_first_error_when_closing_fails_too(server: Any, remote: MediaBrowserRemote) -> None:
    wanted = access(remote, "Films")
    server.faults += [Fault("POST", "/Policy", status=429, headers={"Retry-After": "7"}), Fault("POST", "/Policy", status=500, skip=0)]
    with pytest.raises(TooManyRequests) as slow:
        remote.give(MIRA, wanted)
    assert slow.value.retry_after_s == 7


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500}, ServerFault),
        ({"status": 503}, Unreachable),
        ({"drop": True}, Unreachable),
        ({"half": True}, PlatformError),
        ({"html": True}, UnexpectedAnswer),
        ({"status": 302, "headers": {"Location": "/web/"}}, UnexpectedAnswer),
        ({"status": 429}, TooManyRequests),
        ({"status": 401}, CredentialsRefused),
    ],
    ids=str,
)
@pytest.mark.parametrize("ask", ["identity", "check", "libraries", "members"])
def test_it_sorts_faults_of_reading_by_consequence(server: Any, remote: MediaBrowserRemote, ask: str, fault: Any, error: Any) -> None:
    server.faults.append(Fault("GET", **fault))
    with pytest.raises(error):
        getattr(remote, ask)()


def test_it_waits_for_a_server_that_is_starting(server: Any, remote: MediaBrowserRemote) -> None:
    server.starting = True
    with pytest.raises(Unreachable) as waiting:
        remote.identity()
    assert waiting.value.retryable


@pytest.mark.parametrize("secret", ["", "ключ", 'a"b', "a\r\nX-Evil: 1", "a,b%20"])
def test_it_survives_keys_that_are_none(server: Any, secret: str) -> None:
    with pytest.raises(CredentialsRefused):
        client_of(server, secret=secret).members()


@pytest.mark.parametrize("url", ["", "nowhere", "http://", "http://[::1", "http://127.0.0.1:1", "ftp://127.0.0.1"])
@pytest.mark.parametrize("platform", ["emby", "jellyfin"])
def test_it_says_that_an_address_is_of_no_use(platform: str, url: str) -> None:
    with pytest.raises(PlatformError):
        connect(platform, url, "key").identity()


def test_it_keeps_a_password_in_the_url_out_of_its_sentences() -> None:
    with pytest.raises(PlatformError) as error:
        connect("emby", "http://user:hunter2@127.0.0.1:1", "key").identity()
    assert "hunter2" not in str(error.value)


def test_it_knows_three_platforms_only() -> None:
    with pytest.raises(ValueError, match="kodi"):
        connect("kodi", "http://127.0.0.1:1", "key")


ODD: tuple[Any, ...] = (None, 0, 1.5, True, "", "x", [], [None], ["x"], {}, {"Items": None}, {"Items": [1]})


def _bent(value: Any) -> Iterator[Any]:
    """The answer with each part of it (two levels of keys, and the whole) replaced by something else, or left out."""
    yield from ODD
    rows = value if isinstance(value, list) else [value]
    first = rows[0] if rows else {}
    for key in first:
        for odd in (*ODD, ...):
            changed = {k: v for k, v in first.items() if k != key} if odd is ... else {**first, key: odd}
            yield [changed, *rows[1:]] if isinstance(value, list) else changed
    policy: dict[str, Any] = first.get("Policy") or {}
    for key in policy:
        yield [{**first, "Policy": {**policy, key: "odd"}}]


@pytest.mark.parametrize(
    ("ask", "path"), [("identity", "/Info/Public$"), ("members", "/Users$"), ("libraries", "/Library/"), ("check", "/Info$")]
)
@pytest.mark.parametrize("name", ["emby 4.9", "jellyfin 12.0"])
def test_it_never_stumbles_over_an_answer_that_makes_no_sense(name: str, ask: str, path: str) -> None:
    with running(name) as server:
        remote = client_of(server)
        server.add_user("mira", "x", libraries=["Films"])
        getattr(remote, ask)()
        with remote._session.get(
            server.url + server.calls("GET", path)[-1].call.path,
            headers={"X-Emby-Token": server.api_key, "Authorization": f'MediaBrowser Token="{server.api_key}"'},
        ) as true:
            answer = true.json()
        refused = 0
        for bent in _bent(answer):
            server.faults[:] = [Fault("GET", path, times=None, status=200, body=json.dumps(bent), content_type="application/json")]
            try:
                getattr(remote, ask)()
            except PlatformError as error:
                refused += 1
                assert str(error)
        assert refused >= 10


@pytest.mark.parametrize("body", ["[]", '{"Items":[]}', "null", "[null]", "{}", "[" * 50_000])
def test_it_never_takes_no_list_for_nobody(server: Any, remote: MediaBrowserRemote, body: str) -> None:
    server.faults.append(Fault("GET", "/Users$", times=None, status=200, body=body, content_type="application/json"))
    with pytest.raises(UnexpectedAnswer):
        remote.members()
