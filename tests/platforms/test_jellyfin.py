"""What only the Jellyfin client does: its one header, two requests for an account, scanned libraries, old blocked lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from panel.platforms.base import NotAllowed, Person, UnexpectedAnswer
from panel.platforms.jellyfin import JellyfinRemote
from panel.simulators.http import Fault
from tests.platforms.mediabrowser_cases import access, client_of, member, routes, running


@pytest.fixture(params=["jellyfin 10.11", "jellyfin 12.0"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running(request.param) as started:
        yield started


@pytest.fixture
def remote(server: Any) -> Iterator[Any]:
    client = client_of(server)
    yield client
    client.close()


def test_it_sends_the_key_in_the_one_header_that_every_version_takes(server: Any, remote: JellyfinRemote) -> None:
    remote.members()
    call = server.journal[-1].call
    assert call.path == "/Users" and not call.query
    assert call.headers["authorization"] == f'MediaBrowser Token="{server.api_key}"'
    assert not any(name.startswith("x-") for name in call.headers)


def test_it_asks_below_the_base_url_an_administrator_has_set(server: Any) -> None:
    server.base_path = "/jellyfin"
    with pytest.raises(UnexpectedAnswer, match="redirect"):
        JellyfinRemote(server.url, server.api_key).identity()
    assert JellyfinRemote(server.url + "/jellyfin/", server.api_key).check().machine_id == server.server_id


def test_it_makes_an_account_in_two_requests_that_never_opens_without_a_password(server: Any, remote: JellyfinRemote) -> None:
    wanted = access(remote, "Films")
    before = len(server.journal)
    remote.give(Person("mira"), wanted)
    assert routes(server, before) == ["POST New", "POST Policy"]
    assert server.exposed_moments() == []
    assert len(json.loads(server.calls("POST", "/Users/New")[0].call.body)["Password"]) >= 40


def test_it_posts_the_whole_policy_with_both_providers(server: Any, remote: JellyfinRemote) -> None:
    remote.give(Person("mira"), access(remote, "Films"))
    sent = json.loads(server.calls("POST", "/Policy")[0].call.body)
    assert set(sent) >= {key for key, value in server.user("mira").policy.items() if value is not None}
    assert sent["AuthenticationProviderId"] and sent["PasswordResetProviderId"]
    assert sent["EnableLiveTvManagement"] is False, "left out it would be granted"


def test_it_leaves_out_libraries_that_were_never_scanned(server: Any, remote: JellyfinRemote) -> None:
    server.libraries[0].scanned = False
    assert "Films" not in {library.name for library in remote.libraries()}


def test_it_leaves_out_collections(server: Any, remote: JellyfinRemote) -> None:
    server.add_library("Sets", "boxsets")
    server.add_library("Odds", "mixed")
    kinds = {library.name: library.kind for library in remote.libraries()}
    assert "Sets" not in kinds and kinds["Odds"] == "other"


def test_it_sees_what_an_old_list_of_blocked_libraries_leaves_open(server: Any, remote: JellyfinRemote) -> None:
    films = server.access_id(server.libraries[0])
    body = _with_blocked(remote, server, [films])
    server.faults.append(Fault("GET", "/Users$", status=200, body=body, content_type="application/json", times=None))
    known = member(remote, "mira")
    assert known.library_ids == {server.access_id(library) for library in server.libraries[1:]}
    before = len(server.calls(changes=True))
    with pytest.raises(NotAllowed, match="blocked libraries"):
        remote.give(Person("mira"), access(remote, "Films"), known)
    assert len(server.calls(changes=True)) == before


def _with_blocked(remote: JellyfinRemote, server: Any, blocked: list[str]) -> str:
    server.add_user("mira", "x", libraries=["Films"])
    row = next(row for row in remote._user_rows() if row["Name"] == "mira")
    return json.dumps([{**row, "Policy": {**row["Policy"], "BlockedMediaFolders": blocked}}])


def test_it_sets_a_password_at_the_route_of_today(server: Any, remote: JellyfinRemote) -> None:
    account = server.add_user("mira", "old", libraries=["Films"])
    remote.set_password(account.id, "new")
    call = server.journal[-1].call
    assert (call.path, call.query, call.json()) == ("/Users/Password", {"userId": account.id}, {"NewPw": "new"})
    assert server.can_sign_in("mira", "new") and not server.can_sign_in("mira", "old")


def test_it_ignores_an_address_for_emby_connect(server: Any, remote: JellyfinRemote) -> None:
    given = remote.give(Person("mira", email="mira@mail.example"), access(remote, "Films"))
    assert given.note == "" and not server.calls("", "Connect")


def test_it_repeats_the_servers_reason_for_a_refusal(server: Any, remote: JellyfinRemote) -> None:
    server.add_user("mira", "x", libraries=["Films"])
    known = member(remote, "mira")
    server.faults.append(Fault("POST", "/Policy", status=403, body='"There must be at least one enabled user in the system."'))
    with pytest.raises(NotAllowed, match="at least one enabled user"):
        remote.take(known)
