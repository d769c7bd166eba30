"""The screen Waiting invites: who has not accepted, and what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy import Select, func, select
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.extensions import db
from panel.models import Migration, Move, Server, Share
from panel.services import audit, people_mails
from panel.services import invites as service
from panel.services.listing import Page, order_from, page_of
from panel.web import htmx, sheets
from panel.web.access import safe_next
from panel.web.listing import Asked, Ids, asked
from panel.web.words import brief

screen = Blueprint("invites", __name__, url_prefix="/invites")

#: What the list can be narrowed by, each with the values it knows.
FILTERS: dict[str, Container[str]] = {"from": ("runs", "sync"), "server": Ids(), "run": Ids()}

#: How many of those are named of whom it cannot be told.
MOST_NAMED = 5
NO_ACCESS = "The invite is taken back on Plex, so accepting it no longer works."


@screen.get("")
def index() -> Response:
    """Those of migrations, or those only a sync knows of, 50 on a page; and how many there are of the others. Where nothing else is asked
    for, whichever has any."""
    counts = {"runs": _count(service.of_runs(), Move), "sync": _count(service.known_by_sync(), Share)}
    wanted = _asked(counts)
    by_sync = wanted.filters.get("from") == "sync"
    page: Page[Any] = _shares(wanted) if by_sync else _moves(wanted)
    values: dict[str, Any] = {
        "asked": wanted,
        "page": page,
        "by_sync": by_sync,
        "counts": counts,
        "here": wanted.address(page=page.number),
        "is_narrowed": bool(wanted.search or set(wanted.filters) - {"from"}),
        "runs": [] if by_sync else [(run.id, _title(run)) for run in service.runs_awaited()],
        "mails": {} if by_sync else people_mails.newest_of(page.rows),
        "servers": db.session.scalars(select(Server).order_by(func.lower(Server.name))).all(),
    }
    return htmx.page_or_partial("invites/index.html", {"invites": "invites/_list.html"}, **values)


@screen.get("/moves/<int:move_id>/actions")
def actions(move_id: int) -> Response:
    """What can be done about an invite that a migration has sent."""
    move = db.get_or_404(Move, move_id)
    values: dict[str, Any] = {"move": True, "server": move.migration.target, "why_no_reminder": service.why_no_reminder(move)}
    return sheets.sheet("invites/_actions.html", f"Invite of {brief(move.name)}", _back(), row=move, **values)


@screen.get("/shares/<int:share_id>/actions")
def actions_of_share(share_id: int) -> Response:
    """What can be done about an invite that only a sync knows of."""
    share = db.get_or_404(Share, share_id)
    return sheets.sheet("invites/_actions.html", f"Invite of {brief(share.user.name)}", _back(), row=share, server=share.server)


@screen.post("/moves/<int:move_id>/remind")
def remind(move_id: int) -> BaseResponse:
    """The mail about the invite once more."""
    move = db.get_or_404(Move, move_id)
    try:
        mail = service.remind(move)
    except service.NotNow as refusal:
        return _refused(refusal)
    audit.note(current_user.email, "invite.reminded", move.name, f"Migration {move.migration_id}, to {mail.recipient}")
    db.session.commit()
    jobs.wake_mail(mail.id)
    return htmx.go(_list(), f"A mail to {move.name} at {mail.recipient} is in the outbox.")


@screen.get("/moves/<int:move_id>/withdraw")
def ask_withdraw(move_id: int) -> Response:
    """Asks before it is done."""
    move = db.get_or_404(Move, move_id)
    then = f"In migration {move.migration_id} the user counts as failed then, and can be retried: that sends a new invite."
    lost = ["Their access to the source server was removed already: until then they have neither."] if move.taken_at else []
    return _ask(move.name, then, *lost)


@screen.post("/moves/<int:move_id>/withdraw")
def withdraw(move_id: int) -> BaseResponse:
    """Taken back; the move has failed and can be retried."""
    move = db.get_or_404(Move, move_id)
    where = f"Migration {move.migration_id}, {move.migration.target.name}"
    return _withdrawn(move.name, where, lambda: service.withdraw(move))


@screen.get("/shares/<int:share_id>/withdraw")
def ask_withdraw_share(share_id: int) -> Response:
    """Asks before it is done."""
    share = db.get_or_404(Share, share_id)
    return _ask(share.user.name, f"No migration waits for it; {brief(share.user.name)} stays in the panel.")


@screen.post("/shares/<int:share_id>/withdraw")
def withdraw_share(share_id: int) -> BaseResponse:
    """Taken back; its entry goes."""
    share = db.get_or_404(Share, share_id)
    return _withdrawn(share.user.name, share.server.name, lambda: service.withdraw_share(share))


@screen.post("/servers/<int:server_id>/check")
def check(server_id: int) -> BaseResponse:
    """Ask one server now who has accepted."""
    server = db.get_or_404(Server, server_id)
    try:
        found = service.check(server)
    except service.NotNow as refusal:
        return _refused(refusal)
    for run_id in found.run_ids:
        jobs.wake(run_id)
    wait = "waits" if found.waiting == 1 else "wait"
    sentence = f"{server.name}: {found.accepted} accepted since the last look, {found.waiting} still {wait}."
    if found.untold:
        sentence += f" {_untold(found.untold)}"
    audit.note(current_user.email, "invites.checked", server.name, sentence)
    db.session.commit()
    return htmx.go(_list(), sentence)


def _untold(names: Sequence[str]) -> str:
    some = [brief(name) for name in names[:MOST_NAMED]] + (["others"] if len(names) > MOST_NAMED else [])
    who = f"{', '.join(some[:-1])} and {some[-1]} have" if len(some) > 1 else f"{some[0]} has"
    return f"Whether {who} accepted cannot be told. Open their migration and press “Show what happened” beside the name: it says why."


def _asked(counts: dict[str, int]) -> Asked:
    wanted = asked("since", service.move_orders(), **FILTERS)
    if wanted.search or wanted.filters or counts["runs"] or not counts["sync"]:
        return wanted
    return replace(wanted, filters={"from": "sync"})


def _title(run: Migration) -> str:
    return f"Migration {run.id}: {brief(run.source.name, 30)} → {brief(run.target.name, 30)}"


def _moves(wanted: Asked) -> Page[Move]:
    _, order = order_from(wanted.sort, service.move_orders(), wanted.default)
    return page_of(service.of_runs(wanted.search, wanted.filters), wanted.page, order)


def _shares(wanted: Asked) -> Page[Share]:
    _, order = order_from(wanted.sort, service.share_orders(), wanted.default)
    return page_of(service.known_by_sync(wanted.search, wanted.filters), wanted.page, order)


def _count(query: Select[Any], model: type[Move] | type[Share]) -> int:
    return db.session.scalar(select(func.count()).select_from(query.with_only_columns(model.id).subquery())) or 0


def _ask(name: str, *sentences: str) -> Response:
    back = _back()
    return sheets.ask(f"Withdraw the invite of {brief(name)}?", back, [NO_ACCESS, *sentences], "Withdraw", fields=[("next", back[1])])


def _withdrawn(name: str, where: str, verb: Callable[[], None]) -> BaseResponse:
    actions = "invite.withdrawal_begun", "invite.withdrawn"
    try:
        with audit.announced(current_user.email, *actions, name, where, refusal=service.NotNow):
            verb()
    except service.NotNow as refusal:
        return _refused(refusal)
    db.session.commit()
    return htmx.go(_list(), f"The invite of {brief(name)} is withdrawn.")


def _list() -> str:
    """The list as it was when something in it was pressed: its tab, filters, order and page."""
    return safe_next(request.values.get("next"), url_for("invites.index"))


def _back() -> sheets.Back:
    return "Waiting invites", _list()


def _refused(refusal: ValueError) -> BaseResponse:
    db.session.rollback()
    return htmx.go(_list(), str(refusal), "danger")
