"""The `MediaContainer` every list of a Plex Media Server comes in, whole or page by page."""

from __future__ import annotations

from panel.simulators.http import Answer
from panel.simulators.plex_markup import Node, Scalar, xml_answer
from panel.simulators.plex_routes import Request


def container(request: Request, attributes: dict[str, Scalar], children: list[Node], headers: dict[str, str] | None = None) -> Answer:
    """All `children`, as XML or, when asked for, as JSON."""
    node = Node("MediaContainer", {"size": len(children), **attributes}, children)
    if request.wants_json:
        answer = Answer.of_json({"MediaContainer": node.json()})
        return Answer(200, answer.body, answer.content_type, headers or {})
    return xml_answer(node, headers=headers)


def page(request: Request, rows: list[Node]) -> Answer:
    """The part of `rows` the two container headers (or query fields) ask for."""
    start, size = (_window(request, name) for name in ("Start", "Size"))
    begin = start or 0
    shown = rows[begin:] if size is None else rows[begin : begin + size]
    headers = {"X-Plex-Container-Start": str(begin), "X-Plex-Container-Total-Size": str(len(rows))}
    return container(request, {"totalSize": len(rows), "offset": begin}, shown, headers)


def _window(request: Request, name: str) -> int | None:
    field = f"X-Plex-Container-{name}"
    text = request.call.headers.get(field.lower()) or request.call.query.get(field) or ""
    return int(text) if text.isdigit() else None
