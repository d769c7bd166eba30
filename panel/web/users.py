"""The screen Users: the list, one user with everything known of them, deleting and merging."""

from __future__ import annotations

from collections.abc import Container
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Account, Migration, Move, Payment, Server, Share, User
from panel.services import audit, merging, people_mails, user_list
from panel.services import users as service
from panel.services.listing import order_from, page_of
from panel.services.run.way_back import ways_back
from panel.web import htmx, sheets
from panel.web.listing import Ids, asked
from panel.web.place import alone, back_to, begun_in, opened_from
from panel.web.words import all_counted, brief, counted

screen = Blueprint("users", __name__, url_prefix="/users")

HOME = "users.index"
#: What the list can be narrowed by, each with the values it knows.
FILTERS: dict[str, Container[str]] = {"show": user_list.SHOWN, "server": Ids()}
#: How many a search for one user offers, and how many past moves a user's page lists.
OFFERED, MOVES_SHOWN = 20, 50


@screen.get("")
def index() -> Response:
    """The users, 50 on a page."""
    wanted = asked("name", user_list.orders(), **FILTERS)
    _, order = order_from(wanted.sort, user_list.orders(), wanted.default)
    page = page_of(user_list.with_payments(user_list.matching(wanted.search, wanted.filters)), wanted.page, order)
    values: dict[str, Any] = {
        "asked": wanted,
        "page": page,
        "shares": user_list.shares_by_user(page.rows),
        "servers": db.session.scalars(select(Server).order_by(func.lower(Server.name))).all(),
        "shown": user_list.SHOWN,
        "payment_now": user_list.payment_now,
        "paid_until": user_list.paid_until,
    }
    return htmx.page_or_partial("users/index.html", {"users": "users/_update.html"}, **values)


@screen.get("/<int:user_id>")
def show(user_id: int) -> Response:
    """One user: identities, payments, servers, past moves."""
    user = db.get_or_404(User, user_id, options=[selectinload(User.payments).joinedload(Payment.plan)])
    share_rows = select(Share).where(Share.user_id == user.id).options(joinedload(Share.server), selectinload(Share.libraries))
    moves = select(Move).where(Move.user_id == user.id).order_by(Move.id.desc()).limit(MOVES_SHOWN)
    runs = joinedload(Move.migration).options(joinedload(Migration.source), joinedload(Migration.target))
    account_rows = select(Account, Server).join(Server, Server.id == Account.server_id).where(Account.user_id == user.id)
    values: dict[str, Any] = {
        "user": user,
        "back": back(),
        "here": address_of(user, begun_in(HOME)),
        "payment": user_list.payment_now(user),
        "shares": db.session.scalars(share_rows.order_by(Share.id)).all(),
        "accounts": [(row[0], row[1]) for row in db.session.execute(account_rows.order_by(Server.name, Account.id))],
        "moves": (past := db.session.scalars(moves.options(runs)).all()),
        "mails": people_mails.newest_of(past),
        "ways_back": ways_back(past),
    }
    return htmx.page_or_partial("users/show.html", {}, **values)


@screen.get("/<int:user_id>/actions")
def actions(user_id: int) -> Response:
    """What can be done about one user."""
    user = db.get_or_404(User, user_id)
    return sheets.sheet("users/_actions.html", user.name, back(user), user=user, next=begun_in(HOME), is_shown=is_shown(user))


@screen.get("/<int:user_id>/delete")
def ask_delete(user_id: int) -> Response:
    """Says what is lost, and asks."""
    user = db.get_or_404(User, user_id)
    loss = service.loss_of(user)
    sentences = [
        f"This deletes {brief(user.name)} from the panel{_with(loss)}. It cannot be taken back.",
        *_kept(user),
        "No media server is asked: access there stays as it is, and a sync that finds this person again adds them as somebody new.",
    ]
    why_not, fields = service.why_not_deletable(user), [("next", begun_in(HOME) or "")]
    return sheets.ask(f"Delete {brief(user.name)}?", back(user), sentences, "Delete", why_not, fields=fields)


@screen.post("/<int:user_id>/delete")
def delete(user_id: int) -> BaseResponse:
    """Gone, with everything that hangs on them."""
    user = db.get_or_404(User, user_id)
    loss, name, place = service.loss_of(user), user.name, _when_gone(user)
    try:
        service.remove(user)
    except service.InUse as refusal:
        db.session.rollback()
        return htmx.go(back(user)[1], str(refusal), "danger")
    detail = _with(loss).removeprefix(", ").capitalize()
    audit.note(current_user.email, "user.deleted", name, detail)
    db.session.commit()
    return htmx.go(place, f"{brief(name)} is deleted.")


@screen.get("/<int:user_id>/merge")
def ask_merge(user_id: int) -> Response:
    """Choose the other by search; then what will be moved."""
    user = db.get_or_404(User, user_id)
    other_id = request.args.get("other", type=int)
    if other_id is None:
        return _choose(user)
    other = db.get_or_404(User, other_id)
    plan = merging.plan(user, other)
    values: dict[str, Any] = {"user": user, "other": other, "plan": plan, "counts": _counts(plan), "next": begun_in(HOME)}
    return sheets.sheet("users/_merge.html", f"Merge {brief(other.name)} into {brief(user.name)}?", back(user, other), **values)


@screen.post("/<int:user_id>/merge")
def merge(user_id: int) -> BaseResponse:
    """The other's rows become this user's; the other is gone."""
    user = db.get_or_404(User, user_id)
    other = db.get_or_404(User, request.form.get("other", 0, int))
    name, place = other.name, _when_gone(other, user)
    try:
        done = merging.merge(user, other)
    except merging.NotMergeable as refusal:
        db.session.rollback()
        return htmx.go(back(user)[1], str(refusal), "danger")
    moved = _counts(done)
    audit.note(current_user.email, "user.merged", user.name, f"Took over from {name}: {moved or 'nothing'}")
    db.session.commit()
    return htmx.go(place, f"{brief(name)} is {brief(user.name)} now and was taken over{f' with {moved}' if moved else ''}.")


def address_of(user: User, begun: str | None = None) -> str:
    """A user's own page, with the list it was opened from: so it can be come back to from what is done there."""
    return url_for("users.show", user_id=user.id, next=alone(begun))


def back(user: User | None = None, other: User | None = None) -> tuple[str, str]:
    """Where a sheet about users belongs to: the list or the page it was opened in as it was, else the user's page or all users."""
    pages = [(one.name, address_of(one)) for one in (user, other) if one and one.id]
    return back_to(HOME, pages[0] if pages else ("Users", url_for(HOME)), *pages[1:])


def is_shown(user: User) -> bool:
    """Whether what is asked was begun on the user's own page, or nobody knows where."""
    begun = begun_in(HOME)
    return begun is None or urlsplit(begun).path == address_of(user)


def _when_gone(user: User, stays: User | None = None) -> str:
    """Where to go on to without this user: where it was begun; from their own page to that of the one who `stays`, else to the list."""
    begun = begun_in(HOME)
    if begun and not is_shown(user):
        return begun
    listed = opened_from(begun, HOME) if begun else None
    return address_of(stays, listed) if stays else listed or url_for(HOME)


def find(search: str, but: int = 0) -> list[User]:
    """The users one search offers."""
    query = user_list.matching(search).where(User.id != but).order_by(*user_list.orders()["name"]).limit(OFFERED)
    return list(db.session.scalars(query)) if search else []


def _kept(user: User) -> list[str]:
    """What is on record of requests to servers for them outlives them."""
    number = service.lines_about(user)
    if not number:
        return []
    lines = counted(number, "line")
    return [f"What migrations have sent to the servers for {brief(user.name)} stays on record in their downloads ({lines}), with the name."]


def _with(loss: service.Loss) -> str:
    rows = _counts(loss)
    return f", with {rows}" if rows else ""


def _counts(rows: service.Loss | merging.Merge) -> str:
    parts = [(rows.payments, "payment", ""), (rows.shares, "shared server", ""), (rows.accounts, "known account", "")]
    moves = (rows.moves, "entry in a past migration", "entries in past migrations")
    return all_counted([*parts, moves])


def _choose(user: User) -> Response:
    search = request.args.get("q", "").strip()[:100]
    values: dict[str, Any] = {"user": user, "search": search, "found": find(search, user.id), "offered": OFFERED, "next": begun_in(HOME)}
    return sheets.sheet("users/_find.html", f"Who is the same person as {brief(user.name)}?", back(user), **values)
