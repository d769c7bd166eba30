"""The Servers panel: every server with its state, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.extensions import db
from panel.models import Server
from panel.services import audit, first_steps, plans, server_changes, server_removal
from panel.services.overview import server_card, server_cards
from panel.services.sync import progress as sync_progress
from panel.web import htmx, losses, sheets
from panel.web.place import at_row
from panel.web.workers import workers_problem

screen = Blueprint("servers", __name__, url_prefix="/servers")

QUEUE_AWAY = "The queue cannot be reached, so nothing was synced. Is Redis running?"
BELIEVING = (
    "Believing it asks the server once more. Whoever it does not list, or not so that they can be recognised, then loses the remembered "
    "share in the panel, and no longer moves with a migration from it.",
    "The users themselves stay, and nothing on the server is touched.",
)


@screen.get("")
def index() -> Response:
    """All servers; above them, until a first migration has finished, what leads to it, later a link to what is still open. A sync that ends
    may have done a step."""
    cards = server_cards()
    all_steps, is_over = first_steps.first_steps(), first_steps.is_over()
    values: dict[str, Any] = {
        "has_plans": plans.any_plan(),
        "steps": [] if is_over else all_steps,
        "steps_left": sum(not step.done for step in all_steps) if is_over else 0,
    }
    return htmx.page_or_partial("servers/index.html", {"servers": "servers/_update.html"}, cards=cards, **values)


@screen.get("/<int:server_id>/actions")
def actions(server_id: int) -> Response:
    """What can be done with one server."""
    card = server_card(db.get_or_404(Server, server_id))
    why_no_removal, scheduled = server_removal.why_not_remove(card.server), server_removal.scheduled_on(card.server)
    return sheets.sheet("servers/_actions.html", card.server.name, _back(), card=card, why_no_removal=why_no_removal, scheduled=scheduled)


@screen.post("/<int:server_id>/sync")
def sync(server_id: int) -> BaseResponse:
    """Have a worker fetch libraries, users and shares."""
    return _sync(db.get_or_404(Server, server_id), jobs.wake_sync, "server.synced")


@screen.post("/sync-all")
def sync_all() -> BaseResponse:
    """The same for every server that is free."""
    queued = [server for server in db.session.scalars(select(Server).order_by(Server.id)) if sync_progress.queue(server)]
    if queued:
        audit.note(by=current_user.email, action="server.synced", subject=", ".join(server.name for server in queued))
    db.session.commit()
    # Where the first wake-up fails, the others would only wait for the same queue.
    if queued and not all(jobs.wake_sync(server.id) for server in queued):
        _unqueue(queued)
        return htmx.go(url_for("servers.index"), QUEUE_AWAY, "danger")
    if not queued:
        return htmx.go(url_for("servers.index"), "No server is free to be synced now: migrations or syncs are using them.", "warning")
    return index() if htmx.targets("servers") else htmx.go(url_for("servers.index"))


@screen.get("/<int:server_id>/believe")
def ask_believe(server_id: int) -> Response:
    """What believing a list that was not believed would do."""
    server = db.get_or_404(Server, server_id)
    sentences = [server.sync_result, *BELIEVING]
    return sheets.ask(f"Believe {server.name}?", _back(), sentences, "Believe it", server_card(server).why_no_sync)


@screen.post("/<int:server_id>/believe")
def believe(server_id: int) -> BaseResponse:
    """Sync once more; whoever is not listed loses the remembered share."""
    return _sync(db.get_or_404(Server, server_id), jobs.wake_belief, "server.believed")


@screen.post("/<int:server_id>/look")
def look(server_id: int) -> Response:
    """Ask the server now whether it is there and takes our key."""
    server = db.get_or_404(Server, server_id)
    trial = server_changes.try_stored(server)
    db.session.commit()
    values = {"trial": trial, "platform": server.platform, "card": server_card(server)}
    return sheets.tested(server.name, _back(), "servers", _mend(server, trial.failed), failed=trial.failed not in ("", "later"), **values)


@screen.post("/<int:server_id>/switch")
def switch(server_id: int) -> BaseResponse:
    """Enable or disable."""
    server = db.get_or_404(Server, server_id)
    enabled = request.form.get("enabled") == "yes"
    server_changes.set_enabled(server, enabled)
    audit.note(by=current_user.email, action="server.enabled" if enabled else "server.disabled", subject=server.name)
    db.session.commit()
    if not enabled and (scheduled := server_removal.scheduled_on(server)):
        return htmx.go(at_row("servers.index", "server", server.id), f"{server.name} is disabled now. {scheduled}", "warning")
    return htmx.go(at_row("servers.index", "server", server.id), f"{server.name} is {'enabled' if enabled else 'disabled'} now.")


@screen.get("/<int:server_id>/remove")
def ask_remove(server_id: int) -> Response:
    """What removing would take along."""
    server = db.get_or_404(Server, server_id)
    why_not, lost = server_removal.why_not_remove(server), losses.of_server(server, server_removal.loss_of(server))
    return sheets.ask(f"Remove {server.name}?", _back(), [] if why_not else lost, "Remove it", why_not)


@screen.post("/<int:server_id>/remove")
def remove(server_id: int) -> BaseResponse:
    """Remove it with its libraries and remembered shares; users stay."""
    server = db.get_or_404(Server, server_id)
    name, loss = server.name, server_removal.loss_of(server)
    try:
        server_removal.remove(server)
    except server_removal.RemovalRefused as refusal:
        db.session.rollback()
        return htmx.go(at_row("servers.index", "server", server.id), str(refusal), "danger")
    detail = f"{loss.libraries} libraries, {loss.shares} remembered shares, {loss.migrations} past migrations"
    audit.note(current_user.email, "server.removed", name, detail)
    db.session.commit()
    return htmx.go(url_for("servers.index"), f"{name} was removed from the panel. The server itself was not touched.")


def _sync(server: Server, wake: Callable[[int], bool], action: str) -> BaseResponse:
    address, why_not = at_row("servers.index", "server", server.id), server_card(server).why_no_sync
    if why_not or not sync_progress.queue(server):
        return htmx.go(address, why_not or f"{server.name} has just been taken by a migration or a sync.", "warning")
    audit.note(by=current_user.email, action=action, subject=server.name)
    db.session.commit()
    if not wake(server.id):
        _unqueue([server])
        return htmx.go(address, QUEUE_AWAY, "danger")
    if workers_problem():
        return htmx.go(address, f"{server.name} is synced as soon as a worker runs.", "info")
    return htmx.go(address, f"{server.name} is being synced in the background.", "info")


def _mend(server: Server, failed: str) -> sheets.Back:
    """A server of Plex has no key of its own."""
    if failed == "key" and server.plex_account_id:
        return "Sign in again…", url_for("plex_accounts.edit", account_id=server.plex_account_id, again=1)
    return "Edit…", url_for("server_forms.edit", server_id=server.id)


def _back() -> sheets.Back:
    return "Servers", url_for("servers.index")


def _unqueue(servers: list[Server]) -> None:
    for server in servers:
        sync_progress.clear_queue(server)
    db.session.commit()
