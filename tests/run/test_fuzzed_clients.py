"""Clients of servers that answer nonsense: one field of a true answer missing, null, of another type or huge. They give a sentence for it,
or values that can be stored, and nothing else."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from panel.domain.names import fold
from panel.platforms import connect
from panel.platforms.base import Access, Given, Identity, Kept, Member, Person, PlatformError, Remote, RemoteLibrary
from panel.platforms.plex import account, pins
from panel.platforms.plex.account_shares import AccountShares
from panel.simulators.emby import Emby
from panel.simulators.http import Answer, Call
from panel.simulators.jellyfin import Jellyfin
from panel.simulators.plex_tv import PlexTv
from tests.run.bending import KINDS, Bender, at, at_random, of_one, once, places_in

#: What belongs to a simulator's sockets, not to its state, and what is not looked at.
KEPT = ("lock", "_server", "host", "port", "on_call", "faults", "journal", "answer")
PLATFORMS = ["plex", "emby", "jellyfin"]
CLIENT = "test"


class World:
    """One server of each kind with two people on it, and whom to give access to."""

    def __init__(self) -> None:
        self.tv = PlexTv()
        self.owner = self.tv.add_account("olga", "olga@example.test", plex_pass=True)
        self.oak = self.tv.add_server(self.owner, "Oak", [("Films", "movie"), ("Shows", "show")])
        for name in ("alice", "bob"):
            self.tv.share(self.oak, self.tv.add_account(name, f"{name}@example.test"), ["Films"], accepted=name == "alice")
        self.cedar, self.birch = (kind(kind.__name__, libraries=[("Films", "movies"), ("Shows", "tvshows")]) for kind in (Emby, Jellyfin))
        for server in (self.cedar, self.birch):
            for name in ("Alice", "Bob"):
                server.add_user(name, "secret", libraries=["Films"])
        self.secrets = {"plex": self.owner.token, "emby": self.cedar.api_key, "jellyfin": self.birch.api_key}

    def hosts(self, platform: str) -> tuple[Any, ...]:
        """Who answers for this platform."""
        return (self.tv, self.oak) if platform == "plex" else (self.server(platform),)

    def server(self, platform: str) -> Any:
        """Its media server."""
        return {"plex": self.oak, "emby": self.cedar, "jellyfin": self.birch}[platform]

    def remote(self, platform: str, machine_id: str | None = None) -> Remote:
        """A fresh connection, which has to find out for itself what the server is, or whether it is the one that is known."""
        url, secret = self.server(platform).url, self.secrets[platform]
        return connect(platform, url, secret, machine_id=machine_id, cloud_url=self.tv.url, client_id=CLIENT, timeouts=(5.0, 5.0))

    def alice(self, platform: str) -> Member:
        """Her access as it is now."""
        with contextlib.closing(self.remote(platform)) as remote:
            return next(member for member in remote.members() if fold(member.name) == "alice")

    @contextlib.contextmanager
    def as_it_was(self) -> Iterator[None]:
        """What happens inside to the accounts and shares is forgotten."""
        sims = (self.tv, self.oak, self.cedar, self.birch, self.owner)
        memo: dict[int, Any] = {id(one): one for sim in sims for one in (sim, getattr(sim, "lock", sim))}
        before = copy.deepcopy([{name: value for name, value in vars(sim).items() if name not in KEPT} for sim in sims], memo)
        yield
        for sim, state in zip(sims, before, strict=True):
            vars(sim).update(state)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[World]:
    world = World()
    with contextlib.ExitStack() as stack:
        for host in (world.tv, world.oak, world.cedar, world.birch):
            stack.enter_context(host.running())
        yield world


def use(remote: Remote, known: Member, library: str, number: int) -> None:
    """What a run asks of a server to give; each step that a bent answer spoils may raise a `PlatformError`."""
    newcomer = Person(f"New {number}", f"new{number}@example.test")
    steps: list[Callable[[], object]] = [
        remote.check,
        remote.libraries,
        remote.members,
        lambda: remote.give(newcomer, Access(frozenset({library}), False)),
        lambda: remote.give(Person(known.name, known.email, known.account_id), Access(frozenset({library}), False), known),
        lambda: remote.restrictions_for(newcomer, known.settings),
    ]
    for step in steps:
        sentence_or_values(step)


def sentence_or_values(step: Callable[[], object]) -> None:
    """Either of the two, and nothing else."""
    try:
        judge(step())
    except PlatformError as error:
        assert 10 < len(str(error)) < 2000
        assert "Traceback" not in str(error)


def judge(result: object) -> None:
    """What a client has read is of the types it says, can be stored, and is of a bearable size."""
    for row in result if isinstance(result, list) else [result]:
        if isinstance(row, Member):
            assert row.id or row.unreadable
            assert row.id or row.account_id or row.name or row.email, "it is told whose it is"
            assert all(isinstance(text, str) for text in (row.id, row.account_id, row.name, row.email, *row.library_ids))
            assert all(isinstance(flag, bool) for flag in (row.accepted, row.is_owner, row.disabled, row.all_libraries))
            assert not (row.unreadable and (row.has_access or row.settings)), "nothing is read out of what cannot be"
            assert fold(row.name) is not None and storable(row.name + row.email + row.id + row.account_id + row.unreadable)
            assert storable(json.dumps(dict(row.settings), ensure_ascii=False, allow_nan=False))
        elif isinstance(row, RemoteLibrary):
            assert row.id and storable(row.id + row.name + row.kind)
        elif isinstance(row, Identity):
            assert row.machine_id and storable(row.machine_id + row.name + row.version)
        elif isinstance(row, Given):
            assert row.member_id and storable(row.member_id + row.account_id + row.note)
        elif isinstance(row, account.PlexIdentity):
            assert row.id and storable(row.id + row.username + row.email)
        elif isinstance(row, account.PlexPerson):
            assert storable(row.id + row.name + row.email)
        elif isinstance(row, account.OwnedServer):
            assert row.machine_id and storable(row.machine_id + row.name + "".join(row.addresses))
        elif isinstance(row, pins.Pin):
            assert isinstance(row.id, int) and 0 <= row.lives_s < 10**6 and storable(row.code + row.token)


def storable(text: str) -> bool:
    """Whether every database takes this text."""
    return "\x00" not in text.encode().decode() and "\\u0000" not in text


def bend_clients(world: World, platform: str, seeds: range) -> int:
    """Use a server once for each seed, with one of its answers bent; answers how many were."""
    known = world.alice(platform)
    with contextlib.closing(world.remote(platform)) as remote:
        library = remote.libraries()[0].id
    bent = 0
    for seed in seeds:
        bender = Bender(once(seed % 12, at_random(seed)))
        with bender.around(*world.hosts(platform)), contextlib.closing(world.remote(platform)) as remote:
            try:
                use(remote, known, library, seed)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {bender.bent}") from error
        bent += len(bender.bent)
    return bent


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_client_makes_a_sentence_of_nonsense(fuzzed: World, platform: str) -> None:
    assert bend_clients(fuzzed, platform, range(40)) > 12


@pytest.mark.thorough
@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_client_makes_a_sentence_of_any_nonsense(fuzzed: World, platform: str) -> None:
    assert bend_clients(fuzzed, platform, range(40, 700)) > 200


# Field by field.


def with_remote(ask: Callable[[Remote, Member], object]) -> Callable[[World, str], Callable[[], object]]:
    """Something asked of a server over a fresh connection, about Alice as she was before anything was bent."""

    def prepared(world: World, platform: str) -> Callable[[], object]:
        alice = world.alice(platform)
        with contextlib.closing(world.remote(platform)) as remote:
            machine_id = remote.identity().machine_id

        def asked() -> object:
            with contextlib.closing(world.remote(platform, machine_id)) as remote:
                return ask(remote, alice)

        return asked

    return prepared


def kept_of(member: Member) -> Kept:
    """What it is now."""
    return Kept(member.library_ids, member.all_libraries, member.disabled, member.settings)


def given_again(remote: Remote, alice: Member) -> Given:
    """Her access edited."""
    return remote.give(Person(alice.name, alice.email, alice.account_id), Access(alice.library_ids, False), alice)


ASKED: dict[str, Callable[[World, str], Callable[[], object]]] = {
    "check": with_remote(lambda remote, _alice: remote.check()),
    "libraries": with_remote(lambda remote, _alice: remote.libraries()),
    "members": with_remote(lambda remote, _alice: remote.members()),
    "member": with_remote(lambda remote, alice: remote.member(alice.id)),
    "give": with_remote(lambda remote, alice: remote.give(Person("New", "new@example.test"), Access(alice.library_ids, False))),
    "give again": with_remote(given_again),
    "finish": with_remote(lambda remote, alice: remote.give(Person("Alice"), Access(alice.library_ids, False), alice, ours=True)),
    "take": with_remote(lambda remote, alice: remote.take(alice)),
    "restore": with_remote(lambda remote, alice: remote.restore(alice, kept_of(alice))),
    "set password": with_remote(lambda remote, alice: remote.set_password(alice.account_id, "chosen", switched_on=True)),
    "reopen": with_remote(lambda remote, alice: remote.reopen(alice.account_id, kept_of(alice))),
}
#: What Plex does not have, and what it answers without a body.
NEVER_ASKED = {("plex", "member"), ("plex", "set password"), ("plex", "reopen"), ("plex", "take")}


def account_shares(world: World) -> list[Member]:
    """The look for who has accepted."""
    shares = AccountShares(world.owner.token, world.tv.url, CLIENT)
    try:
        return shares.members(world.oak.machine_id)
    finally:
        shares.close()


def approved_pin(world: World) -> pins.Pin | None:
    """A PIN from its beginning to its token."""
    pin = pins.start_pin(world.tv.url, CLIENT)
    with contextlib.suppress(LookupError):
        world.tv.approve_pin(pin.id, world.owner)
    return pins.check_pin(pin.id, world.tv.url, CLIENT)


ASKED_OF_PLEX_TV: dict[str, Callable[[World], object]] = {
    "account": lambda world: account.read_account(world.owner.token, world.tv.url, CLIENT),
    "resources": lambda world: account.owned_servers(world.owner.token, world.tv.url, CLIENT),
    "people": lambda world: account.people(world.owner.token, world.tv.url, CLIENT),
    "connected": lambda world: account.connected(world.owner.token, world.tv.url, CLIENT),
    "account shares": account_shares,
    "pins": approved_pin,
}


def walk(world: World, hosts: tuple[Any, ...], ask: Callable[[], object], *, step: int = 1) -> int:
    """Ask again and again, each time with one field of one answer wrong in one way, every `step`-th of these; answers how often."""
    heard: list[bytes] = []
    with world.as_it_was(), Bender(lambda _call, body: heard.append(body)).around(*hosts):
        ask()
    wrongs = [(nth, path, kind) for nth, body in enumerate(heard) for path in places_in(body) for kind in KINDS]
    for nth, path, kind in wrongs[::step]:
        bender = Bender(once(nth, at(path, kind)))
        with world.as_it_was(), bender.around(*hosts):
            try:
                sentence_or_values(ask)
            except Exception as error:
                raise AssertionError(f"answer {nth}, {path} {kind}: {bender.bent}") from error
        assert len(bender.bent) == 1, f"answer {nth}, {path} {kind}: it was not asked for again"
    return len(wrongs[::step])


WALKS = [(platform, what) for platform in PLATFORMS for what in ASKED if (platform, what) not in NEVER_ASKED]


@pytest.mark.parametrize(("platform", "what"), WALKS)
def test_a_wrong_field_is_a_sentence(fuzzed: World, platform: str, what: str) -> None:
    assert walk(fuzzed, fuzzed.hosts(platform), ASKED[what](fuzzed, platform), step=29) > 0


@pytest.mark.thorough
@pytest.mark.parametrize(("platform", "what"), WALKS)
def test_any_wrong_field_is_a_sentence(fuzzed: World, platform: str, what: str) -> None:
    assert walk(fuzzed, fuzzed.hosts(platform), ASKED[what](fuzzed, platform)) > 10


@pytest.mark.parametrize("what", ASKED_OF_PLEX_TV)
def test_a_wrong_field_of_plex_tv_is_a_sentence(fuzzed: World, what: str) -> None:
    assert walk(fuzzed, (fuzzed.tv,), lambda: ASKED_OF_PLEX_TV[what](fuzzed), step=17) > 1


@pytest.mark.thorough
@pytest.mark.parametrize("what", ASKED_OF_PLEX_TV)
def test_any_wrong_field_of_plex_tv_is_a_sentence(fuzzed: World, what: str) -> None:
    assert walk(fuzzed, (fuzzed.tv,), lambda: ASKED_OF_PLEX_TV[what](fuzzed)) > 20


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", ["a\x00b", "half \ud800", "\ud83d\ude00", "line\nbreak", "\x1b[31m"])
def test_names_no_database_takes_are_read_as_ones_it_does(fuzzed: World, platform: str, name: str) -> None:
    def answer(call: Call, true_answer: Callable[[Call], Answer]) -> Answer:
        found = true_answer(call)
        if b'"Alice"' not in found.body and b'"alice"' not in found.body:
            return found
        return replace(found, body=re.sub(rb'"[Aa]lice"', lambda _: json.dumps(name).encode(), found.body))

    hosts = fuzzed.hosts(platform)
    for host in hosts:
        host.answer = lambda call, true_answer=host.answer: answer(call, true_answer)
    try:
        with contextlib.closing(fuzzed.remote(platform)) as remote:
            judge(remote.members())
    finally:
        for host in hosts:
            del host.answer


# Of one account alone.


@pytest.mark.parametrize(("platform", "path"), [("emby", "Policy"), ("jellyfin", "Policy.EnabledFolders"), ("plex", "libraries")])
def test_who_cannot_be_read_is_told_and_left_alone(fuzzed: World, platform: str, path: str) -> None:
    with Bender(of_one("alice", path, "wrong type")).around(*fuzzed.hosts(platform)):
        members = {fold(member.name): member for member in _members(fuzzed, platform)}
    assert [name for name, member in members.items() if member.unreadable] == ["alice"]
    assert not members["bob"].unreadable
    sent = len(fuzzed.server(platform).journal) + len(fuzzed.tv.journal)
    with contextlib.closing(fuzzed.remote(platform)) as remote:
        for change in (given_again, lambda remote, one: remote.take(one), lambda remote, one: remote.restore(one, kept_of(one))):
            with pytest.raises((PlatformError, ValueError)):
                change(remote, replace(members["alice"], library_ids=members["bob"].library_ids))
    journal = fuzzed.server(platform).journal + fuzzed.tv.journal
    assert not [entry for entry in journal[sent:] if entry.changes], "nothing is changed of what nobody knows"


def _members(world: World, platform: str) -> list[Member]:
    with contextlib.closing(world.remote(platform)) as remote:
        return remote.members()


@pytest.mark.parametrize(("platform", "path"), [("emby", "Policy"), ("jellyfin", "Name"), ("plex", "id")])
def test_a_list_of_which_nothing_can_be_read_is_the_servers_trouble(fuzzed: World, platform: str, path: str) -> None:
    def bend(_call: Call, body: bytes) -> tuple[bytes, str] | None:
        value = json.loads(body) if body[:1] in b"[{" else None
        if not isinstance(value, list) or not all(path in row for row in value):
            return None
        return json.dumps([{**row, path: {"odd": []}} for row in value]).encode(), path

    bender = Bender(bend)
    with bender.around(*fuzzed.hosts(platform)), pytest.raises(PlatformError) as refusal:
        _members(fuzzed, platform)
    assert bender.bent and refusal.value.about_server
