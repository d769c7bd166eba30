"""The Servers panel: every server with its state, and what can be done with it."""

from __future__ import annotations

from flask import Blueprint, Response, url_for
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.extensions import db
from panel.models import Server
from panel.services import servers as service
from panel.services.overview import server_card, server_cards
from panel.web import htmx

screen = Blueprint("servers", __name__, url_prefix="/servers")


@screen.get("")
def index() -> Response:
    """All servers."""
    return htmx.page_or_partial("servers/index.html", {"servers": "servers/_list.html"}, cards=server_cards())


@screen.get("/<int:server_id>/actions")
def actions(server_id: int) -> Response:
    """What can be done with one server: a page, or the content of the dialog."""
    card = server_card(db.get_or_404(Server, server_id))
    parts = {htmx.DIALOG: "servers/_actions.html"}
    return htmx.page_or_partial("servers/actions.html", parts, card=card, title=card.server.name)


@screen.post("/<int:server_id>/sync")
def sync(server_id: int) -> BaseResponse:
    """Have a worker fetch libraries, users and shares."""
    server = db.get_or_404(Server, server_id)
    if server_card(server).why_no_sync:
        return htmx.go(url_for("servers.index"), server_card(server).why_no_sync, "warning")
    if not jobs.wake_sync(server.id):
        return htmx.go(url_for("servers.index"), "The queue cannot be reached, so nothing was synced. Is Redis running?", "danger")
    return htmx.go(url_for("servers.index"), f"{server.name} is being synced in the background. Reload this page in a moment.", "info")


@screen.post("/<int:server_id>/look")
def look(server_id: int) -> BaseResponse:
    """Ask the server now whether it is there and takes our key."""
    server = db.get_or_404(Server, server_id)
    with db.session.no_autoflush:
        found = service.look(server)
    db.session.commit()
    if found.refusal:
        return htmx.go(url_for("servers.index"), found.refusal.message, "danger")
    return htmx.go(url_for("servers.index"), f"{server.name} answers; {len(found.libraries)} libraries, {len(found.members)} accounts.")
