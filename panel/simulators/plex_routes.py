"""How the Plex simulators find the function that answers a call, and how they say no."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import parse_qsl

from panel.simulators.http import Answer, Call
from panel.simulators.plex_markup import Node, Value, html_answer, tree, xml_answer

if TYPE_CHECKING:
    from panel.simulators.plex_people import PlexPerson


class Refusal(Exception):
    """The call is answered with an error. `code` is plex.tv's own number in v2 bodies; without `message` the body is an HTML page."""

    def __init__(self, status: int, message: str = "", code: int = 0, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.code = code or status
        self.headers = headers or {}


def unauthorized() -> Refusal:
    """Token missing, wrong or revoked (code 1001)."""
    return Refusal(401, "User could not be authenticated", 1001)


def not_found(what: str = "Resource not found") -> Refusal:
    """Nothing there, or not yours: plex.tv does not tell which (code 1002)."""
    return Refusal(404, what, 1002)


@dataclass
class Request:
    """A call on its way to its function: what the path held in `args`, and who asks (`None` only on routes open to everybody)."""

    call: Call
    args: dict[str, str] = field(default_factory=dict)
    asker: PlexPerson | None = None

    @property
    def me(self) -> PlexPerson:
        """Whose token the call carries."""
        assert self.asker is not None
        return self.asker

    @property
    def token(self) -> str:
        """The token sent, in the header or in the query; empty when there is none."""
        return self.call.headers.get("x-plex-token") or self.call.query.get("X-Plex-Token", "")

    @property
    def client_identifier(self) -> str:
        """Which installation asks, in the header or in the query."""
        return self.call.headers.get("x-plex-client-identifier") or self.call.query.get("X-Plex-Client-Identifier", "")

    @property
    def wants_json(self) -> bool:
        """Whether JSON was asked for; the v2 sharing calls never answer anything else."""
        return "application/json" in self.call.headers.get("accept", "") or always_json(self.call.path)

    def number(self, name: str) -> int:
        """A number in the path. Refused as 404 when it is none, as clients send `None` for ids they do not have."""
        text = self.args[name]
        if not text.isascii() or not text.isdigit():
            raise Refusal(404)
        return int(text)

    def object(self) -> dict[str, object]:
        """The body as a JSON object. Refused as 400 when it is anything else."""
        try:
            body = self.call.json()
        except ValueError:
            raise Refusal(400, "The request body could not be read") from None
        if not isinstance(body, dict):
            raise Refusal(400, "The request body could not be read")
        return body

    def fields(self) -> dict[str, str]:
        """Query and form fields together."""
        is_form = self.call.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        form = dict(parse_qsl(self.call.body.decode(), keep_blank_values=True)) if is_form else {}
        return {**self.call.query, **form}

    def reply(self, tag: str, value: Value, status: int = 200) -> Answer:
        """A v2 answer: `value` as JSON when asked for, else as XML under `tag`."""
        if self.wants_json:
            return Answer.of_json(value, status)
        return xml_answer(tree(tag, value), status)


def always_json(path: str) -> bool:
    """Whether this path belongs to the family of calls that never speak XML."""
    return path.startswith(("/api/v2/shared_servers", "/api/v2/sharing_settings"))


def refused(refusal: Refusal, request: Request) -> Answer:
    """The refusal in the form its path uses: `errors` in v2 and wherever the code is plex.tv's own, `Response` in v1."""
    status, message = refusal.status, refusal.message
    if not message:
        return html_answer(status, "Not Found" if status == 404 else "Error")
    if request.wants_json:
        body = {"errors": [{"code": refusal.code, "message": message, "status": status}]}
        answer = Answer.of_json(body, status)
        return Answer(status, answer.body, answer.content_type, refusal.headers)
    if status in (401, 429) or (request.call.path.startswith("/api/v2/") and refusal.code != status):
        error = Node("error", {"code": refusal.code, "message": message, "status": status})
        return xml_answer(Node("errors", children=[error]), status, refusal.headers)
    return xml_answer(Node("Response", {"code": status, "status": message}), status, refusal.headers)


Host = TypeVar("Host")


@dataclass(frozen=True)
class Route(Generic[Host]):
    """The function that answers, and whether it does so without a token."""

    answer: Callable[[Host, Request], Answer]
    is_open: bool


class Routes(Generic[Host]):
    """A table of routes. Patterns are paths with `{name}` for one segment; a slash at the end makes no difference."""

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], Route[Host]] = {}
        self._patterns: dict[tuple[str, int], list[tuple[re.Pattern[str], Route[Host]]]] = {}

    def add(
        self, method: str, path: str, *, is_open: bool = False
    ) -> Callable[[Callable[[Host, Request], Answer]], Callable[[Host, Request], Answer]]:
        """Decorator: the function answers `method` calls to `path`."""

        def register(function: Callable[[Host, Request], Answer]) -> Callable[[Host, Request], Answer]:
            route = Route(function, is_open)
            if "{" in path:
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
                self._patterns.setdefault((method, path.count("/")), []).append((pattern, route))
            else:
                self._fixed[method, path] = route
            return function

        return register

    def include(self, other: Routes[Host]) -> None:
        """Take over the routes of another table."""
        self._fixed.update(other._fixed)
        for place, patterns in other._patterns.items():
            self._patterns.setdefault(place, []).extend(patterns)

    def find(self, method: str, path: str) -> tuple[Route[Host], dict[str, str]] | None:
        """The route of this call and what its path held, `None` when there is no such page."""
        path = path.rstrip("/") or "/"
        if fixed := self._fixed.get((method, path)):
            return fixed, {}
        for pattern, route in self._patterns.get((method, path.count("/")), ()):
            if match := pattern.fullmatch(path):
                return route, match.groupdict()
        return None
