"""A simulated Plex Media Server: identity, libraries, accounts, history; share tokens see what is shared with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from panel.simulators.http import Answer, Call, Simulator
from panel.simulators.plex_container import container, page
from panel.simulators.plex_library import PlexItem, View
from panel.simulators.plex_library import routes as library_routes
from panel.simulators.plex_markup import Node, Scalar, html_answer
from panel.simulators.plex_people import PlexPerson, PlexSection, Share, fixed_token
from panel.simulators.plex_routes import Refusal, Request, Routes

if TYPE_CHECKING:
    from panel.simulators.plex_accounts import PlexAccounts

VERSION = "1.41.0.8994-f2c27da23"
AGENTS = {"movie": "tv.plex.agents.movie", "show": "tv.plex.agents.series", "artist": "tv.plex.agents.music"}
SCANNERS = {"movie": "Plex Movie", "show": "Plex TV Series", "artist": "Plex Music"}

routes: Routes[PlexServer] = Routes()
routes.include(library_routes)


class PlexServer(Simulator):
    """One media server, made by `PlexTv.add_server` and claimed by its owner. It shares the lock of its plex.tv.

    `history` holds the attributes of play rows (`accountID`, `viewedAt`, `librarySectionID`, …); `maintenance` answers 503 to everything.
    """

    def __init__(self, tv: PlexAccounts, owner: PlexPerson, name: str, number: int) -> None:
        super().__init__()
        self.lock = tv.lock
        self.tv = tv
        self.owner = owner
        self.name = name
        self.number = number
        self.machine_id = fixed_token("machine", number) * 2
        self.token = fixed_token("server", number)
        self.maintenance = False
        self.sections: list[PlexSection] = []
        self.shares: dict[int | str, Share] = {}
        self.share_tokens: dict[str, Share] = {}
        self.items: dict[int, PlexItem] = {}
        self.views: dict[tuple[int, int], View] = {}
        self.history: list[dict[str, Scalar]] = []

    def add_section(self, title: str, kind: str, *, published: bool = True) -> PlexSection:
        """One more library; `kind` is movie, show, artist or photo. People with access to all libraries see it at once."""
        with self.lock:
            key = len(self.sections) + 1
            section = PlexSection(118_000_000 + self.number * 10_000 + key, key, title, kind, published)
            self.sections.append(section)
            for share in self.shares.values():
                if share.all_libraries:
                    share.section_ids.add(section.id)
            return section

    def add_item(
        self, title: str, guids: tuple[str, ...] = (), *, library: str = "", parent: PlexItem | None = None, index: int | None = None
    ) -> PlexItem:
        """A movie or a show in `library`, or a season or an episode below `parent`. Raises `KeyError` for an unknown library."""
        with self.lock:
            section = parent.section if parent else {section.title: section for section in self.sections}[library]
            kind = {"show": "season", "season": "episode"}[parent.type] if parent else section.type
            item = PlexItem(101 + len(self.items), section, kind, title, guids, parent, index)
            if parent:
                parent.children.append(item)
            self.items[item.rating_key] = item
            return item

    def view_of(self, viewer: int, item: PlexItem) -> View:
        """How far a person is with an item; the number is the plex.tv id, or 1 for the owner."""
        return self.views.setdefault((viewer, item.rating_key), View())

    @property
    def published_ids(self) -> set[int]:
        """The section ids plex.tv knows of."""
        return {section.id for section in self.sections if section.published}

    def share_of(self, person_or_email: PlexPerson | str) -> Share | None:
        """The row of this person (or username, or address), whatever its state."""
        person = person_or_email if isinstance(person_or_email, PlexPerson) else self.tv.find(person_or_email)
        return self.shares.get(person.id if person else str(person_or_email).lower())

    def admit(self, share: Share) -> None:
        """File a new share under its person or address and under its token."""
        self.shares[share.relation.key] = self.share_tokens[share.token] = share

    def expel(self, share: Share) -> None:
        """Forget a share."""
        self.shares.pop(share.relation.key, None)
        self.share_tokens.pop(share.token, None)

    def rekey(self, old_key: int | str, share: Share) -> None:
        """File a share under its person, once the invited address has an account."""
        self.shares[share.relation.key] = self.shares.pop(old_key)

    def access(self, token: str) -> PlexPerson | Share | None:
        """What a token opens: everything for the owner, a share for its holder, nothing for account tokens of others."""
        if self.owner.token in self.tv.tokens and token == self.token:
            return self.owner
        if self.tv.tokens.get(token) is self.owner and token not in self.tv.switch_tokens:
            return self.owner
        share = self.share_tokens.get(token)
        return share if share and share.accepted else None

    def answer(self, call: Call) -> Answer:
        """The server's answer; every refusal is a page of HTML."""
        if self.maintenance:
            return html_answer(503, "Maintenance")
        found = routes.find(call.method, call.path)
        request = Request(call, found[1] if found else {})
        if (found is None or not found[0].is_open) and self.access(request.token) is None:
            return html_answer(401, "Unauthorized")
        try:
            return found[0].answer(self, request) if found else html_answer(404, "Not Found")
        except Refusal as refusal:
            return html_answer(refusal.status, refusal.message or "Not Found")

    def visible(self, request: Request) -> list[PlexSection]:
        """The libraries this token may see."""
        access = self.access(request.token)
        return access.sections if isinstance(access, Share) else list(self.sections)

    def viewer(self, request: Request) -> int:
        """By which number the server knows the person whose token this is: 1 for the owner, else the plex.tv id."""
        access = self.access(request.token)
        return access.person.id if isinstance(access, Share) and access.person else 1

    def require_owner(self, request: Request) -> None:
        """Refuse share tokens, as for everything administrators alone may see."""
        if isinstance(self.access(request.token), Share):
            raise Refusal(401, "Unauthorized")


@routes.add("GET", "/identity", is_open=True)
def _identity(server: PlexServer, request: Request) -> Answer:
    return container(request, {"apiVersion": "1.1.1", "claimed": True, "machineIdentifier": server.machine_id, "version": VERSION}, [])


@routes.add("GET", "/")
def _root(server: PlexServer, request: Request) -> Answer:
    attributes: dict[str, Scalar] = {
        "allowCameraUpload": True,
        "allowSharing": True,
        "allowSync": True,
        "friendlyName": server.name,
        "machineIdentifier": server.machine_id,
        "multiuser": True,
        "myPlex": True,
        "myPlexSigninState": "ok",
        "myPlexSubscription": server.owner.plex_pass,
        "myPlexUsername": server.owner.email,
        "ownerFeatures": "pass,sync" if server.owner.plex_pass else "",
        "platform": "Linux",
        "platformVersion": "6.1",
        "updatedAt": 1_700_000_000,
        "version": VERSION,
    }
    return container(request, attributes, [Node("Directory", {"count": 1, "key": "library", "title": "library"})])


@routes.add("GET", "/library")
def _library(server: PlexServer, request: Request) -> Answer:
    server.require_owner(request)
    children = [Node("Directory", {"key": "sections", "title": "Library Sections"})]
    return container(request, {"identifier": "com.plexapp.plugins.library", "title1": "Plex Library"}, children)


@routes.add("GET", "/library/sections")
def _sections(server: PlexServer, request: Request) -> Answer:
    children = [_directory(section) for section in server.visible(request)]
    return container(request, {"allowSync": False, "title1": "Plex Library"}, children)


def _directory(section: PlexSection) -> Node:
    attributes: dict[str, Scalar] = {
        "allowSync": True,
        "key": str(section.key),
        "type": section.type,
        "title": section.title,
        "agent": AGENTS.get(section.type, "com.plexapp.agents.none"),
        "scanner": SCANNERS.get(section.type, "Plex Photo Scanner"),
        "language": "en-US",
        "uuid": fixed_token("section", section.id),
        "createdAt": 1_600_000_000,
        "updatedAt": 1_700_000_000,
        "hidden": 0,
    }
    return Node("Directory", attributes, [Node("Location", {"id": section.key, "path": f"/media/{section.key}"})])


@routes.add("GET", "/playlists")
def _playlists(server: PlexServer, request: Request) -> Answer:
    return page(request, [])


@routes.add("GET", "/accounts")
def _accounts(server: PlexServer, request: Request) -> Answer:
    server.require_owner(request)
    names = [(0, ""), (1, server.owner.username)]
    names += [(share.person.id, share.person.title) for share in server.shares.values() if share.accepted and share.person]
    children = [Node("Account", {"id": number, "key": f"/accounts/{number}", "name": name}) for number, name in names]
    return container(request, {"identifier": "com.plexapp.system.accounts"}, children)


@routes.add("GET", "/status/sessions")
def _playing(server: PlexServer, request: Request) -> Answer:
    server.require_owner(request)
    return container(request, {}, [])


@routes.add("GET", "/status/sessions/history/all")
def _history(server: PlexServer, request: Request) -> Answer:
    server.require_owner(request)
    rows = [row for row in server.history if _is_asked_for(row, request.call.query)]
    direction = -1 if request.call.query.get("sort", "").endswith(":desc") else 1
    rows.sort(key=lambda row: direction * int(row.get("viewedAt") or 0))
    return page(request, [Node("Track" if row.get("type") == "track" else "Video", row) for row in rows])


def _is_asked_for(row: dict[str, Scalar], query: dict[str, str]) -> bool:
    same = all(str(row.get(name)) == query[name] for name in ("accountID", "librarySectionID") if name in query)
    since = query.get("viewedAt>") or "0"
    return same and (not re.fullmatch(r"\d+", since) or int(row.get("viewedAt") or 0) >= int(since))
