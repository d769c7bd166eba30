"""The only code that speaks to media servers. `connect` is its door: a platform's name, URL and secret in, a `Remote` out."""

from __future__ import annotations

from collections.abc import Callable

from panel.platforms.base import Remote
from panel.platforms.emby import EmbyRemote
from panel.platforms.http import CONNECT_S, READ_S, Guard, unguarded
from panel.platforms.jellyfin import JellyfinRemote

Timeouts = tuple[float, float]


def connect(
    platform: str,
    url: str,
    secret: str,
    *,
    machine_id: str | None = None,
    cloud_url: str = "",
    client_id: str = "",
    guard: Guard = unguarded,
    timeouts: Timeouts | None = None,
) -> Remote:
    """A connection to one media server; nothing is sent yet.

    `platform` is plex, emby or jellyfin, `secret` its token or API key, `machine_id` the id it is known by (a check that it is still the
    same). `cloud_url` and `client_id` concern Plex alone. `timeouts` is (connect, read) in seconds. Raises `ValueError` for an unknown
    platform.
    """
    if platform not in REMOTES:
        raise ValueError(f"There is no platform named {platform!r}.")
    return REMOTES[platform](url, secret, machine_id, cloud_url, client_id, guard, timeouts or (CONNECT_S, READ_S))


def _plex(url: str, secret: str, machine_id: str | None, cloud_url: str, client_id: str, guard: Guard, timeouts: Timeouts) -> Remote:
    # Imported here: Emby and Jellyfin do not need plexapi in memory.
    from panel.platforms.plex.server import PlexRemote

    return PlexRemote(url, secret, machine_id=machine_id, cloud_url=cloud_url, client_id=client_id, guard=guard, timeouts=timeouts)


def _emby(url: str, secret: str, machine_id: str | None, cloud_url: str, client_id: str, guard: Guard, timeouts: Timeouts) -> Remote:
    return EmbyRemote(url, secret, machine_id=machine_id, guard=guard, timeouts=timeouts)


def _jellyfin(url: str, secret: str, machine_id: str | None, cloud_url: str, client_id: str, guard: Guard, timeouts: Timeouts) -> Remote:
    return JellyfinRemote(url, secret, machine_id=machine_id, guard=guard, timeouts=timeouts)


REMOTES: dict[str, Callable[[str, str, str | None, str, str, Guard, Timeouts], Remote]] = {
    "plex": _plex,
    "emby": _emby,
    "jellyfin": _jellyfin,
}
