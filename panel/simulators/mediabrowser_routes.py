"""Routing as Emby and Jellyfin share it: paths and query names match in any case; a route says who may call it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import unquote

from panel.simulators.http import Answer, Call
from panel.simulators.mediabrowser_accounts import Account, Caller

if TYPE_CHECKING:
    from panel.simulators.mediabrowser import MediaBrowser

Server = TypeVar("Server", bound="MediaBrowser")


class Need(Enum):
    """What a caller must bring."""

    NOTHING = "nothing"
    TOKEN = "token"
    ADMIN = "admin"


class Refused(Exception):
    """The request is answered with `answer` and goes no further."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass
class Asked:
    """One routed request: `ids` holds the path parameters, `query` has lower-case names, `caller` is `None` without a valid token.

    `touched` is the account the request is about, set while it is carried out.
    """

    call: Call
    ids: dict[str, str]
    query: dict[str, str]
    caller: Caller | None = None
    touched: Account | None = None

    def flag(self, name: str) -> bool | None:
        """A true/false query value, `None` when it is absent or neither."""
        return {"true": True, "false": False}.get(self.query.get(name.lower(), "").lower())

    def number(self, name: str, otherwise: int) -> int:
        """A whole number from the query."""
        value = self.query.get(name.lower(), "")
        return int(value) if value.isdecimal() else otherwise


@dataclass(frozen=True)
class Route(Generic[Server]):
    """What answers a path."""

    handler: Callable[[Server, Asked], Answer]
    need: Need


class Routes(Generic[Server]):
    """A table of routes. Fixed paths win over those with parameters, as `/Users/Query` over `/Users/{id}`."""

    def __init__(self, *others: Routes[Any]) -> None:
        self._fixed: dict[str, dict[str, Route[Server]]] = {}
        self._patterns: dict[int, dict[re.Pattern[str], dict[str, Route[Server]]]] = {}
        for other in others:
            self._include(other)

    def add(
        self, method: str, *paths: str, need: Need = Need.ADMIN
    ) -> Callable[[Callable[[Server, Asked], Answer]], Callable[[Server, Asked], Answer]]:
        """Decorator: the function answers `method` on each of `paths`, in which `{name}` stands for one path segment."""

        def registered(handler: Callable[[Server, Asked], Answer]) -> Callable[[Server, Asked], Answer]:
            for path in paths:
                self._verbs(path)[method] = Route(handler, need)
            return handler

        return registered

    def find(self, method: str, path: str) -> tuple[Route[Server], dict[str, str]] | None:
        """The route of this method and path, with the path's parameters decoded."""
        return next(((verbs[method], ids) for verbs, ids in self._candidates(path) if method in verbs), None)

    def knows(self, path: str) -> bool:
        """Whether some method is served at this path."""
        return next(iter(self._candidates(path)), None) is not None

    def _candidates(self, path: str) -> Iterable[tuple[dict[str, Route[Server]], dict[str, str]]]:
        fixed = self._fixed.get(path.lower())
        if fixed:
            yield fixed, {}
        for pattern, verbs in self._patterns.get(path.count("/"), {}).items():
            match = pattern.fullmatch(path)
            if match:
                yield verbs, {name: unquote(value) for name, value in match.groupdict().items()}

    def _verbs(self, path: str) -> dict[str, Route[Server]]:
        if "{" not in path:
            return self._fixed.setdefault(path.lower(), {})
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path), re.IGNORECASE)
        return self._patterns.setdefault(path.count("/"), {}).setdefault(pattern, {})

    def _include(self, other: Routes[Any]) -> None:
        for path, verbs in other._fixed.items():
            self._fixed.setdefault(path, {}).update(verbs)
        for depth, patterns in other._patterns.items():
            for pattern, verbs in patterns.items():
                self._patterns.setdefault(depth, {}).setdefault(pattern, {}).update(verbs)
