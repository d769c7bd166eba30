"""What the tests of the Emby and Jellyfin clients share: servers by name, clients to them, and short forms of what they ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from panel.platforms import connect
from panel.platforms.base import Access, Member
from panel.platforms.mediabrowser import MediaBrowserRemote
from panel.simulators.emby import Emby
from panel.simulators.http import Simulator
from panel.simulators.jellyfin import Jellyfin

LIBRARIES = [("Films", "movies"), ("Shows", "tvshows"), ("Tunes", "music"), ("Holidays", "homevideos")]

SERVERS: dict[str, Any] = {
    "emby 4.8": lambda: Emby("Cedar", "4.8.11.0", libraries=LIBRARIES),
    "emby 4.9": lambda: Emby("Cedar", "4.9.1.90", libraries=LIBRARIES),
    "jellyfin 10.11": lambda: Jellyfin("Birch", "10.11.11", libraries=LIBRARIES),
    "jellyfin 12.0": lambda: Jellyfin("Birch", "12.0.0", libraries=LIBRARIES),
}

#: Short enough that a test of a server that does not answer ends soon.
TIMEOUTS = (2.0, 5.0)


@contextmanager
def running(name: str) -> Iterator[Any]:
    """A started simulator of this name with two libraries' worth of people."""
    server = SERVERS[name]()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def client_of(server: Any, **how: Any) -> MediaBrowserRemote:
    """A client with the simulator's own key."""
    platform = "jellyfin" if isinstance(server, Jellyfin) else "emby"
    remote = connect(platform, server.url, how.pop("secret", server.api_key), timeouts=TIMEOUTS, **how)
    assert isinstance(remote, MediaBrowserRemote)
    return remote


def access(remote: MediaBrowserRemote, *names: str, **how: Any) -> Access:
    """Access to the libraries of these names."""
    ids = {library.name: library.id for library in remote.libraries()}
    return Access(frozenset(ids[name] for name in names), **how)


def member(remote: MediaBrowserRemote, name: str) -> Member:
    """This account as listed now."""
    return next(member for member in remote.members() if member.name == name)


def routes(server: Simulator, since: int = 0, *, changes: bool | None = None) -> list[str]:
    """Method and last words of the paths asked since the journal had this length."""
    entries: Iterable[Any] = server.journal[since:]
    return [
        f"{entry.call.method} {entry.call.path.removeprefix('/emby').rsplit('/', 1)[-1]}"
        for entry in entries
        if changes is None or entry.changes is changes
    ]
