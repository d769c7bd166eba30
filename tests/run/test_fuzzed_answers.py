"""Servers that answer nonsense: one field of a true answer missing, null, of another type or huge.

Clients give a sentence for it and nothing else; a run goes on, fails that user, or waits and stops, and nobody loses anything by it. What
is bent where follows from numbers, so that a failure can be repeated.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

import pytest

from panel.domain.names import fold
from panel.extensions import db
from panel.models import Move, User
from panel.platforms import connect
from panel.platforms.base import Access, Identity, Member, Person, PlatformError, Remote, RemoteLibrary
from panel.simulators.emby import Emby
from panel.simulators.http import Answer, Call
from panel.simulators.jellyfin import Jellyfin
from panel.simulators.plex_tv import PlexTv
from tests.scene import Scene, Side

MISSING = object()
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]
NONSENSE: tuple[Any, ...] = (
    MISSING, None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "0", "false", "null", "x" * 100_000, "\x00", "\ud800", "\u202e",
    "../..", "<b>", [], [None], [[]], {}, {"Id": None}, DEEP,
)  # fmt: skip
XML_NONSENSE = (MISSING, "", " ", "0", "-1", "abc", "9" * 40, "x" * 100_000, "\u202e", "../..", "true", "null", "1.5")


@dataclass
class Bender:
    """Bends the answers of a simulator that are to be bent: the one with number `nth` of those with a body, in a place by `seed`."""

    seed: int
    nth: int = 0
    seen: int = 0
    bent: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def around(self, *hosts: Any) -> Iterator[None]:
        """At work inside."""
        for host in hosts:
            host.answer = self._bending(host.answer)
        try:
            yield
        finally:
            for host in hosts:
                del host.answer

    def _bending(self, true_answer: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        def answer(call: Call) -> Answer:
            found = true_answer(call)
            if not found.body or not 200 <= found.status < 300:
                return found
            self.seen += 1
            if self.seen - 1 != self.nth:
                return found
            body, what = bent_body(found.body, random.Random(self.seed))
            self.bent.append(f"{call.method} {call.path}: {what}")
            return replace(found, body=body)

        return answer


def bent_body(body: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The body with one thing changed, and what."""
    if body.lstrip()[:1] == b"<":
        return bent_xml(body, chance)
    value = json.loads(body)
    places = list(paths_in(value))
    path, nonsense = chance.choice(places), chance.choice(NONSENSE)
    bent = with_other(value, path, nonsense)
    return json.dumps(bent).encode(), f"{'.'.join(map(str, path))} = {'missing' if nonsense is MISSING else repr(nonsense)[:40]}"


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value, the whole included."""
    yield path
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in rows:
        yield from paths_in(inner, (*path, key))


def with_other(value: Any, path: tuple[Any, ...], nonsense: Any) -> Any:
    """A copy with something else in this place."""
    if not path:
        return None if nonsense is MISSING else nonsense
    bent = copy.deepcopy(value)
    place = bent
    for step in path[:-1]:
        place = place[step]
    if nonsense is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = nonsense
    return bent


def bent_xml(body: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One attribute of one element changed, or the element renamed."""
    root = ElementTree.fromstring(body)
    element = chance.choice(list(root.iter()))
    if not element.attrib or chance.random() < 0.1:
        before, element.tag = element.tag, "Odd"
        return ElementTree.tostring(root), f"<{before}> renamed"
    name, nonsense = chance.choice(sorted(element.attrib)), chance.choice(XML_NONSENSE)
    if isinstance(nonsense, str):
        element.attrib[name] = nonsense
    else:
        del element.attrib[name]
    return ElementTree.tostring(root), f"<{element.tag} {name}> = {nonsense!r:.40}"


# Clients alone.


class World:
    """One server of each kind with two people on it, and whom to give access to."""

    def __init__(self) -> None:
        self.tv = PlexTv()
        owner = self.tv.add_account("olga", "olga@example.test", plex_pass=True)
        self.oak = self.tv.add_server(owner, "Oak", [("Films", "movie"), ("Shows", "show")])
        for name in ("alice", "bob"):
            self.tv.share(self.oak, self.tv.add_account(name, f"{name}@example.test"), ["Films"], accepted=name == "alice")
        self.cedar, self.birch = (kind(kind.__name__, libraries=[("Films", "movies"), ("Shows", "tvshows")]) for kind in (Emby, Jellyfin))
        for server in (self.cedar, self.birch):
            for name in ("Alice", "Bob"):
                server.add_user(name, "secret", libraries=["Films"])
        self.secrets = {"plex": owner.token, "emby": self.cedar.api_key, "jellyfin": self.birch.api_key}

    def hosts(self, platform: str) -> tuple[Any, ...]:
        """Who answers for this platform."""
        return (self.tv, self.oak) if platform == "plex" else (self.server(platform),)

    def server(self, platform: str) -> Any:
        """Its media server."""
        return {"plex": self.oak, "emby": self.cedar, "jellyfin": self.birch}[platform]

    def remote(self, platform: str) -> Remote:
        """A fresh connection, which has to find out for itself what the server is."""
        url, secret = self.server(platform).url, self.secrets[platform]
        return connect(platform, url, secret, cloud_url=self.tv.url, client_id="test", timeouts=(5.0, 5.0))


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[World]:
    world = World()
    with contextlib.ExitStack() as stack:
        for host in (world.tv, world.oak, world.cedar, world.birch):
            stack.enter_context(host.running())
        yield world


def use(remote: Remote, known: Member, library: str, number: int) -> None:
    """Everything a run asks of a server; each step that a bent answer spoils may raise a `PlatformError`."""
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
        try:
            judge(step())
        except PlatformError as error:
            assert len(str(error)) > 10 and len(str(error)) < 2000
            assert "Traceback" not in str(error)


def judge(result: object) -> None:
    """What a client has read is of the types it says, can be stored, and is of a bearable size."""
    for row in result if isinstance(result, list) else [result]:
        if isinstance(row, Member):
            assert row.id and all(isinstance(text, str) for text in (row.id, row.account_id, row.name, row.email, *row.library_ids))
            assert all(isinstance(flag, bool) for flag in (row.accepted, row.is_owner, row.disabled, row.all_libraries))
            assert fold(row.name) is not None and storable(row.name + row.email + row.id + row.account_id)
            assert storable(json.dumps(dict(row.settings), ensure_ascii=False, allow_nan=False))
        elif isinstance(row, RemoteLibrary):
            assert row.id and storable(row.id + row.name + row.kind)
        elif isinstance(row, Identity):
            assert row.machine_id and storable(row.machine_id + row.name + row.version)


def storable(text: str) -> bool:
    """Whether every database takes this text."""
    return "\x00" not in text.encode().decode() and "\\u0000" not in text


def bend_clients(world: World, platform: str, seeds: range) -> int:
    """Use a server once for each seed, with one of its answers bent; answers how many were."""
    with contextlib.closing(world.remote(platform)) as remote:
        known = next(member for member in remote.members() if fold(member.name) == "alice")
        library = remote.libraries()[0].id
    bent = 0
    for seed in seeds:
        bender = Bender(seed, nth=seed % 12)
        with bender.around(*world.hosts(platform)), contextlib.closing(world.remote(platform)) as remote:
            try:
                use(remote, known, library, seed)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {bender.bent}") from error
        bent += len(bender.bent)
    return bent


@pytest.mark.parametrize("platform", ["plex", "emby", "jellyfin"])
def test_a_client_makes_a_sentence_of_nonsense(fuzzed: World, platform: str) -> None:
    assert bend_clients(fuzzed, platform, range(60)) > 20


@pytest.mark.thorough
@pytest.mark.parametrize("platform", ["plex", "emby", "jellyfin"])
def test_a_client_makes_a_sentence_of_any_nonsense(fuzzed: World, platform: str) -> None:
    assert bend_clients(fuzzed, platform, range(60, 700)) > 200


@pytest.mark.parametrize("platform", ["plex", "emby", "jellyfin"])
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


# Whole runs.

PAIRS = [("plex", "emby"), ("emby", "jellyfin"), ("jellyfin", "plex"), ("plex", "plex")]


def run_with(scene: Scene, source: str, target: str, seed: int, caplog: pytest.LogCaptureFixture) -> list[str]:
    """A whole run of two people in which one answer is bent; what that was."""
    for kind, name in ((source, "Old"), (target, "New")):
        scene.add_server(kind, name)
    for name in ("Ada", "Ben"):
        scene.person(name)
    run = scene.start()
    bender = Bender(seed, nth=seed % 9)
    hosts = {id(host): host for host in (scene.tv, *(side.sim for side in scene.sides))}.values()
    with bender.around(*hosts), caplog.at_level(logging.ERROR):
        scene.finish(run)
    where = f"seed {seed}: {bender.bent}"
    assert "nobody foresaw" not in caplog.text, where + caplog.text[-3000:]
    assert run.ended_at is not None or all(move.status.value == "invited" for move in run.moves if move.step.value == "accept"), where
    for move in run.moves:
        assert_unharmed(scene, move, where)
    return bender.bent


def assert_unharmed(scene: Scene, move: Move, where: str) -> None:
    """Who has lost the source has the target; who was not moved is told why."""
    if not works(scene, move.name, scene.source):
        assert works(scene, move.name, scene.target), where
    if move.status.value in ("failed", "skipped", "cancelled"):
        assert move.detail or move.reasons or move.migration.problem, where
    assert db.session.get(User, move.user_id) is not None


def works(scene: Scene, name: str, side: Side) -> bool:
    """Whether somebody can watch there, or has an invite that waits for them."""
    if side.kind.value == "plex":
        return side.sim.share_of(f"{name.lower()}@example.test") is not None
    return bool(scene.opened(name, side))


@pytest.mark.parametrize(("source", "target", "seed"), [(*PAIRS[number % 3], seed) for number, seed in enumerate((3, 13, 22, 31, 40, 50))])
def test_a_run_survives_nonsense(scene: Scene, source: str, target: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    run_with(scene, source, target, seed, caplog)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(100, 130))
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_run_survives_any_nonsense(scene: Scene, source: str, target: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    run_with(scene, source, target, seed, caplog)
