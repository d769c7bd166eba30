"""The libraries of a Plex server, which Plex calls sections, and the server as plex.tv describes it with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from panel.platforms.answers import cut_name
from panel.platforms.base import RemoteLibrary, UnexpectedAnswer
from panel.platforms.plex.fields import required_id, text

KINDS = {"movie": "movies", "show": "shows", "artist": "music", "photo": "photos"}


@dataclass(frozen=True)
class Section:
    """A library. `id` is plex.tv's global section id (empty in a media server's own list), `key` the number the media server gave it."""

    id: str
    key: str
    title: str
    type: str

    @property
    def library(self) -> RemoteLibrary:
        """The same in our words."""
        return RemoteLibrary(self.id, cut_name(self.title), KINDS.get(self.type, "other"))


@dataclass(frozen=True)
class CloudServer:
    """A server as plex.tv knows it; `owned` is `None` where the answer does not say."""

    name: str
    owned: bool | None
    sections: tuple[Section, ...]


def own_section_of(row: Mapping[str, object], who: str) -> Section:
    """A row of a media server's own list, whose `id` is none of plex.tv's. Raises `UnexpectedAnswer` for one without its key."""
    key = text(row.get("key"))
    if not key:
        raise UnexpectedAnswer(f"{who} listed a library without its key.")
    return Section("", key, text(row.get("title")), text(row.get("type")))


def section_of(row: Mapping[str, object], who: str) -> Section:
    """A row of plex.tv's, in either generation of its API. Raises `UnexpectedAnswer` for one without its key or id."""
    return replace(own_section_of(row, who), id=required_id(row.get("id"), who))
