"""Two Plex accounts, three servers and a few people, simulated: what the Plex tests are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from panel.platforms.base import Member
from panel.platforms.plex import PlexRemote
from panel.simulators.http import Fault
from panel.simulators.plex_tv import PlexServer, PlexTv

LIBRARIES = [("Movies", "movie"), ("TV Shows", "show"), ("Music", "artist"), ("Family Photos", "photo")]
KIDS_ONLY = "contentRating=G%2CPG|label!=Private"
CLIENT_ID = "streamferry-tests"


class PlexWorld:
    """`den` and `attic` belong to `olga` (with Plex Pass), `barn` to `bert` (without). `alice` shares the den, `carl` was invited."""

    def __init__(self) -> None:
        self.tv = PlexTv()
        self.olga = self.tv.add_account("olga", "olga@example.test", plex_pass=True)
        self.bert = self.tv.add_account("bert", "bert@example.test")
        self.alice = self.tv.add_account("alice", "alice@example.test")
        self.carl = self.tv.add_account("carl", "carl@example.test")
        self.dora = self.tv.add_account("dora", "dora@example.test")
        self.den = self.tv.add_server(self.olga, "Den", LIBRARIES)
        self.attic = self.tv.add_server(self.olga, "Attic", LIBRARIES)
        self.barn = self.tv.add_server(self.bert, "Barn", LIBRARIES)
        self.tv.share(self.den, self.alice, ["Movies", "TV Shows"])
        self.tv.share(self.den, self.carl, ["Music"], accepted=False)
        self.remotes: list[PlexRemote] = []

    def remote(self, server: PlexServer | None = None, **how: Any) -> PlexRemote:
        """A client for `server` (the den), signed in as its owner unless `token` says otherwise; it knows the machine id."""
        server = server or self.den
        how = {"machine_id": server.machine_id, "cloud_url": self.tv.url, "client_id": CLIENT_ID, "timeouts": (2.0, 2.0), **how}
        remote = PlexRemote(how.pop("url", server.url), how.pop("token", server.owner.token), **how)
        self.remotes.append(remote)
        return remote

    def ids(self, *titles: str, server: PlexServer | None = None) -> frozenset[str]:
        """plex.tv's section ids of these libraries (of the den)."""
        return frozenset(str(section.id) for section in (server or self.den).sections if section.title in titles)

    def member(self, name: str, remote: PlexRemote | None = None) -> Member:
        """The entry with this name, as the client lists it."""
        return next(member for member in (remote or self.remote()).members() if member.name == name)

    def fail(self, path: str, **how: Any) -> None:
        """Let plex.tv go wrong from now on, for good unless `times` says otherwise."""
        self.tv.faults.append(Fault(path=path, **{"times": None, **how}))

    def sent(self, method: str = "", path: str = "") -> list[str]:
        """Requests to plex.tv so far: method and path."""
        return [f"{entry.call.method} {entry.call.path}" for entry in self.tv.calls(method, path)]

    def forget_calls(self) -> None:
        """Begin counting anew."""
        self.tv.journal.clear()
        for server in (self.den, self.attic, self.barn):
            server.journal.clear()


@contextmanager
def plex_world() -> Iterator[PlexWorld]:
    """A world that answers while inside."""
    world = PlexWorld()
    hosts = [world.tv, world.den, world.attic, world.barn]
    for host in hosts:
        host.start()
    try:
        yield world
    finally:
        for remote in world.remotes:
            remote.close()
        for host in hosts:
            host.stop()
