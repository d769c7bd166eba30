"""What the clients of Emby and Jellyfin do alike: identity, lists, moves with counted requests, passwords, the guard."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from panel.platforms import connect
from panel.platforms.base import (
    Access,
    CredentialsRefused,
    NameTaken,
    NotAllowed,
    NotThere,
    Person,
    PlatformError,
    Refused,
    UnexpectedAnswer,
    WrongServer,
)
from panel.platforms.mediabrowser import MediaBrowserRemote
from panel.simulators.http import Fault
from tests.platforms.mediabrowser_cases import SERVERS, access, client_of, member, routes, running

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


def test_it_says_who_answers_without_showing_the_key(server: Any) -> None:
    remote = client_of(server, secret="not-the-key")
    found = remote.identity()
    assert (found.machine_id, found.name, found.version) == (server.server_id, server.name, server.version)
    assert not {"x-emby-token", "authorization"} & set(server.journal[-1].call.headers)
    with pytest.raises(CredentialsRefused):
        remote.check()


def test_it_checks_the_key_and_its_rights_in_three_requests(server: Any, remote: MediaBrowserRemote) -> None:
    assert remote.check().machine_id == server.server_id
    assert len(server.journal) == 3


def test_it_says_when_a_key_is_not_an_administrators(server: Any) -> None:
    account = server.add_user("guest", "secret", libraries=["Films"])
    token = server.sign_in(account, {"deviceid": "x"}).token
    with pytest.raises((NotAllowed, CredentialsRefused)):
        client_of(server, secret=token).check()


def test_it_refuses_another_machine_behind_the_url(server: Any) -> None:
    remote = client_of(server, machine_id="0" * 32)
    for ask in (remote.identity, remote.check, remote.members):
        with pytest.raises(WrongServer):
            ask()
    assert client_of(server, machine_id=server.server_id.upper()).members()


def test_it_refuses_the_other_product(server: Any) -> None:
    other = connect("emby" if "Jellyfin" in type(server).__name__ else "jellyfin", server.url, server.api_key)
    with pytest.raises((WrongServer, UnexpectedAnswer), match=r"Emby|Jellyfin"):
        other.identity()


def test_it_lists_libraries_with_their_kinds(server: Any, remote: MediaBrowserRemote) -> None:
    found = {library.name: library for library in remote.libraries()}
    assert {name: library.kind for name, library in found.items()} == {
        "Films": "movies",
        "Shows": "shows",
        "Tunes": "music",
        "Holidays": "photos",
    }
    assert {library.id for library in found.values()} == {server.access_id(library) for library in server.libraries}


def test_it_lists_everyone_in_one_request(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("mira", "secret", libraries=["Films"])
    server.add_user("olaf", "secret", libraries="all", disabled=True)
    before = len(server.journal)
    found = {each.name: each for each in remote.members()}
    assert len(server.journal) == before + 1
    assert found["admin"].is_owner and found["admin"].all_libraries
    assert found["olaf"].disabled and not found["olaf"].has_access
    assert found["mira"].library_ids == {server.access_id(server.libraries[0])}
    assert found["mira"].has_access and not found["mira"].is_owner
    assert found["mira"].settings == server.user("mira").policy


def test_it_makes_an_account_that_sees_exactly_what_it_should(server: Any, remote: MediaBrowserRemote) -> None:  # M9
    wanted = access(remote, "Films", "Tunes", downloads=False)
    given = remote.give(Person(" mira "), wanted)
    account = server.user("mira")
    assert given.account_id == given.member_id == account.id and given.accepted
    assert server.visible(account) == {"Films", "Tunes"}
    assert account.policy["EnableContentDownloading"] is False
    assert account.policy["EnableAllChannels"] is account.policy["EnableLiveTvManagement"] is account.policy["IsAdministrator"] is False
    assert not server.can_sign_in("mira", "")
    assert member(remote, "mira").library_ids == wanted.library_ids


def test_it_sends_nothing_for_an_empty_list_of_libraries(server: Any, remote: MediaBrowserRemote) -> None:
    with pytest.raises(ValueError, match="empty list"):
        remote.give(MIRA, Access(frozenset()))
    assert not server.journal


def test_it_sends_nothing_for_a_name_no_server_takes(server: Any, remote: MediaBrowserRemote) -> None:
    with pytest.raises(Refused, match="name"):
        remote.give(Person("a/b"), Access(frozenset({"x"})))
    assert not server.journal


def test_it_says_that_a_name_is_taken(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("MIRA", "secret", libraries=["Shows"])
    wanted, before = access(remote, "Films"), len(server.users)
    with pytest.raises(NameTaken, match="mira"):
        remote.give(MIRA, wanted)
    assert len(server.users) == before and server.visible(server.user("mira")) == {"Shows"}


def test_it_tells_a_refused_name_from_a_taken_one(server: Any, remote: MediaBrowserRemote) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Users/New", status=400, body="Error processing request."))
    with pytest.raises(Refused) as refusal:
        remote.give(MIRA, wanted)
    assert not isinstance(refusal.value, NameTaken)


def refused(remote: MediaBrowserRemote, wanted: Access, name: str = "mira") -> PlatformError:
    """What comes of a new account that cannot be made."""
    with pytest.raises(PlatformError) as refusal:
        remote.give(Person(name), wanted)
    return refusal.value


def test_it_is_sure_that_nothing_was_made_by_what_was_refused_or_never_sent(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("olaf", "his own", libraries=["Films"])
    wanted = access(remote, "Films")
    assert refused(remote, wanted, "a/b").had_no_effect
    assert refused(remote, wanted, "olaf").had_no_effect, "the name is taken"
    server.faults.append(Fault("POST", "/Users/New", status=400, body="The maximum number of users has been reached."))
    assert refused(remote, wanted).had_no_effect
    server.faults += [Fault("POST", "/Users/New", status=400), Fault("GET", "/Users$", status=500)]
    assert refused(remote, wanted).had_no_effect, "whatever becomes of the list that tells why"
    server.faults.append(Fault("GET", "/System/Info/Public", drop=True))
    assert refused(client_of(server, machine_id=server.server_id), wanted).had_no_effect
    assert refused(client_of(server, machine_id="f" * 32), wanted).had_no_effect, "another server is there"


@pytest.mark.parametrize("path", ["/Users/New", "/Policy"])
def test_it_is_not_sure_of_what_was_sent_and_not_answered(server: Any, remote: MediaBrowserRemote, path: str) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", path, drop=True))
    assert not refused(remote, wanted).had_no_effect


def test_it_asks_for_one_account_by_its_id(server: Any, remote: MediaBrowserRemote) -> None:
    account = server.add_user("mira", "her own", libraries=["Films"])
    before = len(server.journal)
    assert remote.member(account.id) == member(remote, "mira")
    assert len(server.journal) == before + 2, "one request, and the list"
    server.delete_account(account)
    with pytest.raises(NotThere):
        remote.member(account.id)


def test_it_makes_a_known_account_exact_in_one_request(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("mira", "her own", libraries="all", disabled=True)
    wanted, known = access(remote, "Shows"), member(remote, "mira")
    before = len(server.journal)
    remote.give(MIRA, wanted, known)
    assert routes(server, before) == ["POST Policy"]
    assert server.visible(server.user("mira")) == {"Shows"}
    assert server.can_sign_in("mira", "her own"), "the person's own password stays"


def test_it_finishes_an_account_of_ours_with_a_new_password_first(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("mira", "", libraries="all")
    wanted, known = access(remote, "Shows"), member(remote, "mira")
    before = len(server.journal)
    remote.give(MIRA, wanted, known, ours=True)
    assert routes(server, before)[-1] == "POST Policy" and len(server.journal) == before + 2
    assert not server.can_sign_in("mira", "")
    assert server.visible(server.user("mira")) == {"Shows"}


@pytest.mark.parametrize("ours", [False, True])
def test_it_never_touches_an_administrator(server: Any, remote: MediaBrowserRemote, ours: bool) -> None:
    server.add_user("root", "secret", libraries="all", admin=True)
    wanted, known = access(remote, "Shows"), member(remote, "root")
    before = len(server.journal)
    for touch in (lambda: remote.give(Person("root"), wanted, known, ours=ours), lambda: remote.take(replace(known, is_owner=False))):
        with pytest.raises(NotAllowed, match="administrator"):
            touch()
    assert len(server.journal) == before


def test_it_carries_restrictions_to_the_target(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("strict", "x", libraries="all", EnableRemoteAccess=False, RemoteClientBitrateLimit=4_000_000, MaxParentalRating=7)
    settings = {**member(remote, "strict").settings, "BlockUnratedItems": ["Movie"]}
    remote.give(MIRA, access(remote, "Films", settings=settings))
    policy = server.user("mira").policy
    assert policy["EnableRemoteAccess"] is False and policy["RemoteClientBitrateLimit"] == 4_000_000
    assert policy["MaxParentalRating"] == 7 and policy["BlockUnratedItems"] == ["Movie"]


@pytest.mark.parametrize(("one", "other"), [("emby 4.9", "jellyfin 12.0"), ("jellyfin 10.11", "emby 4.8")])
def test_it_carries_restrictions_to_the_other_product(one: str, other: str) -> None:
    with running(one) as source, running(other) as target:
        source.add_user("mira", "x", libraries="all", EnableRemoteAccess=False, BlockedTags=["gore"])
        remote = client_of(target)
        remote.give(MIRA, access(remote, "Films", settings=member(client_of(source), "mira").settings))
        policy = target.user("mira").policy
        assert policy["EnableRemoteAccess"] is False and policy["BlockedTags"] == ["gore"]
        assert set(policy) == set(target.user("admin").policy)


def test_it_takes_access_in_one_request_and_leaves_the_rest(server: Any, remote: MediaBrowserRemote) -> None:
    server.add_user("mira", "her own", libraries=["Films"], MaxParentalRating=7)
    known = member(remote, "mira")
    before = len(server.journal)
    remote.take(known)
    assert routes(server, before) == ["POST Policy"]
    after = server.user("mira").policy
    assert after["IsDisabled"] and server.visible(server.user("mira")) == set() and not server.can_sign_in("mira", "her own")
    assert {key for key in known.settings if known.settings[key] != after[key]} == {"IsDisabled", "EnabledFolders"}


def test_it_counts_an_account_that_is_gone_as_taken(server: Any, remote: MediaBrowserRemote) -> None:
    account = server.add_user("mira", "x", libraries=["Films"])
    known = member(remote, "mira")
    server.delete_account(account)
    remote.take(known)
    with pytest.raises(NotThere):
        remote.give(MIRA, access(remote, "Films"), known)


def test_it_sets_the_password_of_the_claim_link(server: Any, remote: MediaBrowserRemote) -> None:
    given = remote.give(MIRA, access(remote, "Films"))
    before, changes = len(server.journal), len(server.calls(changes=True))
    remote.set_password(given.account_id, "correct horse")
    assert len(server.journal) == before + 2 and len(server.calls(changes=True)) == changes + 1, "the account is looked at first"
    assert server.can_sign_in("mira", "correct horse") and not server.can_sign_in("mira", "")


def test_it_never_sets_an_empty_password(server: Any, remote: MediaBrowserRemote) -> None:
    given = remote.give(MIRA, access(remote, "Films"))
    before = len(server.journal)
    for account_id, password in ((given.account_id, ""), ("", "secret")):
        with pytest.raises(Refused):
            remote.set_password(account_id, password)
    assert len(server.journal) == before and not server.can_sign_in("mira", "")


def test_it_never_sets_the_password_of_an_administrator(server: Any, remote: MediaBrowserRemote) -> None:
    account = server.add_user("mira", "her own", libraries=["Films"], admin=True)
    with pytest.raises(NotAllowed, match="administrator"):
        remote.set_password(account.id, "correct horse")
    assert server.can_sign_in("mira", "her own") and not server.calls(changes=True)


def test_it_never_repeats_a_password_in_an_error_or_log(server: Any, remote: MediaBrowserRemote, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given = remote.give(MIRA, access(remote, "Films"))
    for status in (400, 403, 404, 500):
        server.faults[:] = [Fault("POST", "/Password", status=status, body='Bad request: {"NewPw":"correct horse"}', times=None)]
        with pytest.raises(PlatformError) as refusal:
            remote.set_password(given.account_id, "correct horse")
        assert "horse" not in str(refusal.value) + repr(refusal.value.__cause__) + repr(refusal.value.__context__)
    sent = [json.loads(entry.call.body) for entry in server.calls("POST", "/(New|Password)$") if entry.call.body]
    secrets = [body[key] for body in sent for key in ("NewPw", "Password") if body.get(key)]
    assert len(secrets) >= 5
    assert not any(secret in caplog.text for secret in [*secrets, server.api_key])


def test_it_gives_every_account_another_password(server: Any, remote: MediaBrowserRemote) -> None:
    for name in ("mira", "olaf"):
        remote.give(Person(name), access(remote, "Films"))
    assert len(server.user("mira").password) >= 40
    assert server.user("mira").password != server.user("olaf").password


def test_it_asks_the_guard_before_every_change(server: Any) -> None:
    asked: list[int] = []
    remote = client_of(server, guard=lambda: asked.append(len(server.calls(changes=True))))
    remote.give(MIRA, access(remote, "Films"))
    remote.take(member(remote, "mira"))
    remote.set_password(server.user("mira").id, "new")
    assert asked[0] == 0 and len(asked) >= 4


def test_it_sends_no_change_once_the_guard_forbids_it(server: Any) -> None:
    class Lost(Exception):
        pass

    def forbid() -> None:
        raise Lost

    server.add_user("mira", "x", libraries=["Films"])
    remote = client_of(server, guard=forbid)
    wanted, known = access(remote, "Films"), member(remote, "mira")
    for change in (
        lambda: remote.give(Person("olaf"), wanted),
        lambda: remote.give(MIRA, wanted, known),
        lambda: remote.take(known),
        lambda: remote.set_password(known.account_id, "new"),
    ):
        with pytest.raises(Lost):
            change()
    assert not server.calls(changes=True)
