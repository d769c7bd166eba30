"""Whoever redirects the panel learns nothing for somebody else: no request, and so no key, token or PIN, goes on to where it points."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from panel.platforms.base import Access, Person, PlatformError
from panel.platforms.plex import account, pins
from panel.services import servers
from panel.simulators.http import Answer, Call, Fault, Simulator
from tests.scene import Scene, Side

Ask = Callable[[Scene], object]

NUMBERS = itertools.count()


class Elsewhere(Simulator):
    """Takes whatever comes, and remembers it."""

    def answer(self, call: Call) -> Answer:
        """Nothing but that it came."""
        return Answer()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    made = Elsewhere()
    with made.running():
        yield made


@pytest.fixture
def stage(scene: Scene) -> Scene:
    """Oak (Plex), Cedar (Emby) and Birch (Jellyfin)."""
    for kind, name in (("plex", "Oak"), ("emby", "Cedar"), ("jellyfin", "Birch")):
        scene.add_server(kind, name)
    return scene


def of_server(number: int, ask: Callable[[Any, Side], object]) -> Ask:
    """Something asked of one of the servers, through a connection of its own."""

    def act(scene: Scene) -> object:
        side = scene.sides[number]
        with contextlib.closing(servers.remote_for(side.row)) as remote:
            return ask(remote, side)

    return act


def of_cloud(ask: Callable[..., object], *arguments: object, token: bool = True) -> Ask:
    """Something asked of plex.tv."""
    return lambda scene: ask(*([scene.sides[0].owner.token] if token else []), *arguments, scene.tv.url, "client")


def give(remote: Any, side: Side) -> object:
    libraries = frozenset(library.remote_id for library in side.row.libraries)
    return remote.give(Person(f"Zoe {next(NUMBERS)}", "zoe@example.test"), Access(libraries))


ASKED: dict[str, tuple[str, Ask]] = {
    "emby check": ("", of_server(1, lambda remote, _: remote.check())),
    "emby members": ("/Users", of_server(1, lambda remote, _: remote.members())),
    "emby new account": ("/Users/New$", of_server(1, give)),
    "emby connect": ("/Connect/Link$", of_server(1, give)),
    "jellyfin check": ("", of_server(2, lambda remote, _: remote.check())),
    "jellyfin members": ("/Users", of_server(2, lambda remote, _: remote.members())),
    "jellyfin new account": ("/Users/New$", of_server(2, give)),
    "plex server identity": ("/identity$", of_server(0, lambda remote, _: remote.check())),
    "plex server libraries": ("/library/sections$", of_server(0, lambda remote, _: remote.libraries())),
    "plex.tv server": ("/api/", of_server(0, lambda remote, _: remote.check())),
    "plex.tv shares": ("/api/", of_server(0, lambda remote, _: remote.members())),
    "plex.tv invite": ("/shared_servers$", of_server(0, give)),
    "plex.tv account": ("", of_cloud(account.read_account)),
    "plex.tv owned servers": ("resources", of_cloud(account.owned_servers)),
    "plex.tv people": ("/api/", of_cloud(account.people)),
    "plex.tv new PIN": ("/pins$", of_cloud(pins.start_pin, token=False)),
    "plex.tv PIN": ("/pins/1$", of_cloud(pins.check_pin, 1, token=False)),
}


@pytest.mark.parametrize("what", ASKED)
def test_a_redirect_takes_nothing_elsewhere(app: Flask, stage: Scene, elsewhere: Elsewhere, what: str) -> None:
    path, ask = ASKED[what]
    for status in (301, 302, 303, 307, 308):
        fault = Fault(path=path, times=None, status=status, headers={"Location": f"{elsewhere.url}/stolen"})
        for host in (stage.tv, *(side.sim for side in stage.sides)):
            host.faults[:] = [fault]
        if what == "emby connect":
            # The account is there by then; what became of linking it is a remark.
            assert "redirect" in ask(stage).note  # type: ignore[attr-defined]
        else:
            with pytest.raises(PlatformError):
                ask(stage)
        assert fault.seen > 0
        assert elsewhere.journal == [], status
