"""A small cast of running simulators: two Plex accounts with three Plex servers, an Emby and a Jellyfin server, and a few people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from panel.simulators.connect import ConnectAccount
from panel.simulators.emby import Emby
from panel.simulators.jellyfin import Jellyfin
from panel.simulators.plex_tv import PlexServer, PlexTv

PLEX_LIBRARIES = [("Movies", "movie"), ("TV Shows", "show"), ("Movies 4K", "movie"), ("Home Videos", "movie")]
LIBRARIES = [("Films", "movies"), ("Shows", "tvshows"), ("Films 4K", "movies"), ("Home Videos", "homevideos")]
GROUPS = {
    "Movies": "Standard",
    "TV Shows": "Standard",
    "Movies 4K": "Premium 4K",
    "Films": "Standard",
    "Shows": "Standard",
    "Films 4K": "Premium 4K",
    "Home Videos": "Private",
}
ALWAYS = {"start": "2020-01-01", "end": "2099-12-31"}


class World:
    """`den` and `loft` belong to `olga` (with Plex Pass), `barn` to `bert`; `cedar` is an Emby, `birch` a Jellyfin server.

    On den: alice (Movies, TV Shows), dora (4K too), carl (invited only), kim (a managed user). On cedar: alice, linked with Emby
    Connect, and emil, who has no e-mail. On birch: juna. In the estate Alice and juna have paid for Basic (the default plan), Dora for
    Premium; the others a sync finds.
    """

    def __init__(self) -> None:
        self.tv = PlexTv()
        self.olga = self.tv.add_account("olga", "olga@example.test", plex_pass=True)
        self.bert = self.tv.add_account("bert", "bert@example.test", plex_pass=True)
        self.alice, self.carl, self.dora = (self.tv.add_account(name, f"{name}@example.test") for name in ("alice", "carl", "dora"))
        self.kim = self.tv.add_managed_user(self.olga, "Kim")
        self.den = self.tv.add_server(self.olga, "Den", PLEX_LIBRARIES)
        self.loft = self.tv.add_server(self.olga, "Loft", PLEX_LIBRARIES)
        self.barn = self.tv.add_server(self.bert, "Barn", PLEX_LIBRARIES)
        self.tv.share(self.den, self.alice, ["Movies", "TV Shows"])
        self.tv.share(self.den, self.dora, ["Movies", "TV Shows", "Movies 4K"])
        self.tv.share(self.den, self.carl, ["Movies"], accepted=False)
        self.tv.share(self.den, self.kim, ["TV Shows"])
        self.cedar = Emby("Cedar", libraries=LIBRARIES)
        self.cedar.connect_accounts["alice@example.test"] = ConnectAccount("alice@example.test", "alice@example.test")
        self.cedar.add_user("Alice E", "secret", libraries=["Films", "Shows"], connect_email="alice@example.test")
        self.cedar.add_user("emil", "secret", libraries=["Films"])
        self.birch = Jellyfin("Birch", libraries=LIBRARIES)
        self.birch.add_user("juna", "secret", libraries=["Films", "Shows"])

    @property
    def hosts(self) -> list[PlexTv | PlexServer | Emby | Jellyfin]:
        """Everything that answers."""
        return [self.tv, self.den, self.loft, self.barn, self.cedar, self.birch]

    def forget_calls(self) -> None:
        """Begin counting requests anew."""
        for host in self.hosts:
            host.journal.clear()


@contextmanager
def running_world() -> Iterator[World]:
    """A world that answers while inside."""
    world = World()
    try:
        for host in world.hosts:
            host.start()
        yield world
    finally:
        for host in world.hosts:
            host.stop()


def estate_of(world: World) -> str:
    """An estate file in YAML for these servers, their libraries in groups, and a few of the people."""
    servers: list[dict[str, Any]] = [
        *(
            {"name": server.name, "platform": "plex", "url": server.url, "plex_account": server.owner.email}
            for server in (world.den, world.loft, world.barn)
        ),
        {"name": "Cedar", "platform": "emby", "url": world.cedar.url, "token": world.cedar.api_key, "has_emby_premiere": True},
        {"name": "Birch", "platform": "jellyfin", "url": world.birch.url, "token": world.birch.api_key},
    ]
    libraries = [
        {"server": server["name"], "name": name, "group": GROUPS[name]}
        for server in servers
        for name, _ in (PLEX_LIBRARIES if server["platform"] == "plex" else LIBRARIES)
    ]
    estate = {
        "plex_accounts": [{"email": one.email, "token": one.token, "has_plex_pass": True} for one in (world.olga, world.bert)],
        "servers": servers,
        "libraries": libraries,
        "plans": [
            {"name": "Basic", "library_groups": ["Standard"], "duration_days": 30, "default": True},
            {"name": "Premium", "library_groups": ["Standard", "Premium 4K"], "allow_downloads": True},
        ],
        "users": [
            _user("Alice", "Basic", plex_email="alice@example.test", emby_email="alice@example.test"),
            _user("Dora", "Premium", plex_email="dora@example.test", emby_email="dora@example.test"),
            _user("juna", "Basic", email="juna@example.test"),
        ],
        "settings": {"admin_email": "admin@example.test"},
    }
    return yaml.safe_dump(estate, sort_keys=False)


def _user(name: str, plan: str, **emails: str) -> dict[str, Any]:
    return {"name": name, **emails, "payments": [{"plan": plan, **ALWAYS}]}
