"""What is in the libraries of a simulated Plex Media Server, and how far each person has watched it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from panel.simulators.http import Answer
from panel.simulators.plex_container import page
from panel.simulators.plex_markup import Node, Scalar
from panel.simulators.plex_people import PlexSection
from panel.simulators.plex_routes import Refusal, Request, Routes

if TYPE_CHECKING:
    from panel.simulators.plex_server import PlexServer

TYPE_NUMBERS = {"1": "movie", "2": "show", "3": "season", "4": "episode", "8": "artist", "9": "album", "10": "track"}

routes: Routes[PlexServer] = Routes()


@dataclass(eq=False)
class PlexItem:
    """One thing in a library: a movie, or a show with its seasons and episodes below. `guids` look like `imdb://tt0000131`."""

    rating_key: int
    section: PlexSection
    type: str
    title: str
    guids: tuple[str, ...] = ()
    parent: PlexItem | None = None
    index: int | None = None
    year: int = 2020
    duration_ms: int = 6_000_000
    children: list[PlexItem] = field(default_factory=list, repr=False)

    @property
    def guid(self) -> str:
        """The item's primary identifier."""
        return f"plex://{self.type}/{self.rating_key:024x}"

    def leaves(self) -> Iterator[PlexItem]:
        """What can be played: the item itself, or all below it."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()


@dataclass
class View:
    """How far one person is with one item. The offset is in milliseconds, the time in epoch seconds, the rating from 0 to 10."""

    count: int = 0
    last_viewed_at: int | None = None
    offset_ms: int = 0
    rating: float | None = None


def _node(server: PlexServer, item: PlexItem, viewer: int) -> Node:
    view = server.views.get((viewer, item.rating_key), View())
    attributes: dict[str, Scalar] = {
        "ratingKey": str(item.rating_key),
        "key": f"/library/metadata/{item.rating_key}" + ("/children" if item.children else ""),
        "guid": item.guid,
        "type": item.type,
        "title": item.title,
        "librarySectionID": item.section.key,
        "librarySectionTitle": item.section.title,
        "year": item.year,
        "duration": item.duration_ms,
        "addedAt": 1_600_000_000,
        "updatedAt": 1_600_000_000,
        "index": item.index,
        "viewCount": view.count or None,
        "lastViewedAt": view.last_viewed_at,
        "viewOffset": view.offset_ms or None,
        "userRating": None if view.rating is None else str(view.rating),
        **_ancestors(item),
    }
    tag = "Directory" if item.type in ("show", "season", "artist", "album") else "Video"
    return Node(tag, attributes, [Node("Guid", {"id": guid}) for guid in item.guids])


def _ancestors(item: PlexItem) -> dict[str, Scalar]:
    parent = item.parent
    if parent is None:
        return {}
    above: dict[str, Scalar] = {"parentRatingKey": str(parent.rating_key), "parentTitle": parent.title, "parentIndex": parent.index}
    if top := parent.parent:
        above |= {"grandparentRatingKey": str(top.rating_key), "grandparentTitle": top.title, "grandparentGuid": top.guid}
    return above


@routes.add("GET", "/library/sections/{key}/all")
def _section_items(server: PlexServer, request: Request) -> Answer:
    section = next((one for one in server.visible(request) if one.key == request.number("key")), None)
    if section is None:
        raise Refusal(404)
    kind = TYPE_NUMBERS.get(request.call.query.get("type", ""), section.type)
    return _items(server, request, [item for item in server.items.values() if item.section is section and item.type == kind])


@routes.add("GET", "/library/all")
def _all_items(server: PlexServer, request: Request) -> Answer:
    sections = server.visible(request)
    return _items(server, request, [item for item in server.items.values() if item.section in sections])


def _items(server: PlexServer, request: Request, items: list[PlexItem]) -> Answer:
    guid = request.call.query.get("guid")
    viewer = server.viewer(request)
    return page(request, [_node(server, item, viewer) for item in items if guid in (None, item.guid)])


@routes.add("GET", "/library/metadata/{keys}")
def _metadata(server: PlexServer, request: Request) -> Answer:
    items = [_visible_item(server, request, key) for key in request.args["keys"].split(",")]
    return page(request, [_node(server, item, server.viewer(request)) for item in items])


@routes.add("GET", "/library/metadata/{key}/children")
def _children(server: PlexServer, request: Request) -> Answer:
    item = _visible_item(server, request, request.args["key"])
    return page(request, [_node(server, child, server.viewer(request)) for child in item.children])


def _visible_item(server: PlexServer, request: Request, key: str) -> PlexItem:
    item = server.items.get(int(key)) if key.isascii() and key.isdigit() else None
    if item is None or item.section not in server.visible(request):
        raise Refusal(404)
    return item


def _named_view(server: PlexServer, request: Request, name: str = "key") -> View:
    item = _visible_item(server, request, request.call.query.get(name, ""))
    return server.view_of(server.viewer(request), item)


@routes.add("GET", "/:/scrobble")
def _mark_watched(server: PlexServer, request: Request) -> Answer:
    """Counts one more view, dated now, of the item or of all episodes below it."""
    for leaf in _visible_item(server, request, request.call.query.get("key", "")).leaves():
        view = server.view_of(server.viewer(request), leaf)
        view.count, view.last_viewed_at, view.offset_ms = view.count + 1, int(time.time()), 0
    return Answer(200)


@routes.add("GET", "/:/unscrobble")
def _mark_unwatched(server: PlexServer, request: Request) -> Answer:
    for leaf in _visible_item(server, request, request.call.query.get("key", "")).leaves():
        view = server.view_of(server.viewer(request), leaf)
        view.count, view.last_viewed_at, view.offset_ms = 0, None, 0
    return Answer(200)


@routes.add("GET", "/:/progress")
def _progress(server: PlexServer, request: Request) -> Answer:
    return _resume_at(_named_view(server, request), request)


@routes.add("GET", "/:/timeline")
def _timeline(server: PlexServer, request: Request) -> Answer:
    return _resume_at(_named_view(server, request, "ratingKey"), request)


def _resume_at(view: View, request: Request) -> Answer:
    """Sets the resume point; 0 does not reset it."""
    text = request.call.query.get("time", "")
    if not text.isascii() or not text.isdigit():
        raise Refusal(400, "Bad Request")
    view.offset_ms = int(text) or view.offset_ms
    return Answer(200)


@routes.add("PUT", "/:/rate")
def _rate(server: PlexServer, request: Request) -> Answer:
    view = _named_view(server, request)
    try:
        rating = float(request.call.query.get("rating", ""))
    except ValueError:
        raise Refusal(400, "Bad Request") from None
    view.rating = None if rating < 0 else min(rating, 10.0)
    return Answer(200)
