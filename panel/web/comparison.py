"""Servers beside each other: which groups they offer, which plans they can carry, what keeps two of them apart."""

from __future__ import annotations

from flask import Blueprint, Response, request

from panel.services import comparison as service
from panel.web import htmx

screen = Blueprint("comparison", __name__, url_prefix="/comparison")


@screen.get("")
def index() -> Response:
    """Groups × servers; with `source` and `target` also what stands between these two."""
    compared = service.comparison()
    servers = {server.id: server for server in compared.servers}
    source = servers.get(request.args.get("source", 0, int))
    target = servers.get(request.args.get("target", 0, int))
    pair = service.pair_view(compared, source, target) if source and target else None
    values: dict[str, object] = {"compared": compared, "source": source, "target": target, "pair": pair}
    return htmx.page_or_partial("comparison/index.html", {"pair": "comparison/_pair.html"}, 200, **values)
