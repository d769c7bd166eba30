"""A simulated plex.tv: accounts, friends, Homes, servers, shares and invites of both API generations at one base URL."""

from __future__ import annotations

import time
from collections import defaultdict, deque

from panel.simulators import plex_approval, plex_signin, plex_v1, plex_v2
from panel.simulators.http import Answer, Call
from panel.simulators.plex_markup import html_answer
from panel.simulators.plex_people import PlexPerson, PlexSection, Share
from panel.simulators.plex_routes import Refusal, Request, Routes, refused, unauthorized
from panel.simulators.plex_server import PlexServer
from panel.simulators.plex_shares import PlexShares

__all__ = ["PlexPerson", "PlexSection", "PlexServer", "PlexTv", "Share"]

REMOVED = "This endpoint was deprecated and removed"

routes: Routes[PlexShares] = Routes()
for part in (plex_approval, plex_signin, plex_v1, plex_v2):
    routes.include(part.routes)


class PlexTv(PlexShares):
    """plex.tv for tests and the demo; all its host names are served here, paths decide.

    Switches: `v1_invites_gone` and `v1_shares_gone` (410), `v2_shares_gone` (`True`: a 404 page; a number: that status),
    `rate_limit` (writes, seconds) per account with an optional `retry_after` in seconds, and those of `PlexShares`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.v1_invites_gone = False
        self.v1_shares_gone = False
        self.v2_shares_gone: bool | int = False
        self.rate_limit: tuple[int, float] | None = None
        self.retry_after: int | None = None
        self._writes: defaultdict[int, deque[float]] = defaultdict(deque)

    def answer(self, call: Call) -> Answer:
        """plex.tv's answer: removed calls first, then the token, then the pace, then the call itself."""
        request = Request(call)
        try:
            self._refuse_removed(call.path)
            found = routes.find(call.method, call.path)
            if found is None:
                return html_answer(404, "Not Found")
            route, request.args = found
            request.asker = self.tokens.get(request.token)
            if not route.is_open:
                if request.asker is None:
                    raise unauthorized()
                self._count_write(call, request.asker)
            return route.answer(self, request)
        except Refusal as refusal:
            return refused(refusal, request)

    def _refuse_removed(self, path: str) -> None:
        if (self.v1_invites_gone and path.startswith("/api/invites/")) or path.startswith("/api/friends/"):
            raise Refusal(410, REMOVED)
        if self.v1_shares_gone and path.startswith("/api/servers/") and "/shared_servers" in path:
            raise Refusal(410, REMOVED)
        if self.v2_shares_gone and path.startswith(("/api/v2/shared_servers", "/api/v2/sharing_settings")):
            raise Refusal(404) if self.v2_shares_gone is True else Refusal(self.v2_shares_gone, REMOVED)

    def _count_write(self, call: Call, asker: PlexPerson) -> None:
        if self.rate_limit is None or call.method == "GET":
            return
        allowed, seconds = self.rate_limit
        now, writes = time.monotonic(), self._writes[asker.id]
        while writes and writes[0] <= now - seconds:
            writes.popleft()
        if len(writes) >= allowed:
            headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
            raise Refusal(429, "API rate limit exceeded", 1003, headers)
        writes.append(now)
