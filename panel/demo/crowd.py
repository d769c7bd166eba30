"""A world of many alike people, for measuring: everybody is on a Jellyfin server and may move to an empty Emby server."""

from __future__ import annotations

from panel.simulators.emby import Emby
from panel.simulators.http import Simulator
from panel.simulators.jellyfin import Jellyfin

LIBRARIES = (("Films", "movies"), ("Shows", "tvshows"))
SOURCE, TARGET = "Birch", "Cedar"


def crowd(people: int) -> dict[str, Simulator]:
    """The two hosts, `people` accounts on the first, which see one of its two libraries."""
    source = Jellyfin(SOURCE, libraries=LIBRARIES)
    for number in range(1, people + 1):
        source.add_user(name_of(number), "a password", libraries=["Films"])
    return {SOURCE: source, TARGET: Emby(TARGET, libraries=LIBRARIES)}


def name_of(number: int) -> str:
    """The account name of one of the crowd."""
    return f"guest-{number:05}"


def email_of(number: int) -> str:
    """Their address at Emby Connect."""
    return f"{name_of(number)}@people.example"
