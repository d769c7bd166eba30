"""Sign in with Plex: a PIN is approved on plex.tv's page while ours asks how it stands. No token is typed, none is kept in a session."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import PlexAccount
from panel.services import plex_accounts, plex_pins
from panel.services.plex_accounts import AccountNotAsked, AccountRefused, AccountUnanswered
from panel.web import htmx
from panel.web.plex_accounts import added

screen = Blueprint("plex_sign_in", __name__, url_prefix="/plex-accounts/sign-in")

KEY = "plex_pin"
#: Until when plex.tv is not asked for another PIN of a new account.
NEXT_KEY = "plex_pin_next_at"
EXPIRED = "The sign-in has expired before it could be finished. Begin anew."
SLOWED = "plex.tv has asked to slow down. The sign-in goes on by itself after that."
LATER = "plex.tv has asked to slow down. Try again in a few minutes."
#: Two windows may wait for the same approval.
OVER = "This sign-in is over: it was finished, perhaps in another window, or it has expired. The list says how each account stands."


@screen.post("")
def start() -> BaseResponse:
    """Ask plex.tv for a PIN, for a new account or a fresh token of a known one. Nobody is sent there for one that is to be left alone."""
    account_id = request.form.get("account", type=int)
    account = db.get_or_404(PlexAccount, account_id) if account_id is not None else None
    if account is None and time.time() < session.get(NEXT_KEY, 0.0):
        return htmx.go(url_for("plex_accounts.index"), LATER, "warning")
    try:
        pin = plex_pins.start(account)
    except AccountNotAsked as refusal:
        session[NEXT_KEY] = time.time() + refusal.after_s
        return htmx.go(url_for("plex_accounts.index"), str(refusal), "warning")
    except AccountRefused as refusal:
        return htmx.go(url_for("plex_accounts.index"), str(refusal), "danger")
    session[KEY] = {"id": pin.id, "code": pin.code, "account": account_id, "until": time.time() + pin.lives_s}
    return htmx.go(url_for("plex_sign_in.wait"))


@screen.get("")
def wait() -> BaseResponse:
    """Where to approve it; the page asks every three seconds, without JavaScript by a button."""
    return _waiting(session[KEY]) if KEY in session else redirect(url_for("plex_accounts.index"))


@screen.post("/check")
def check() -> BaseResponse:
    """How the PIN stands: an empty 204 while nothing has happened. One for an account that is to be left alone for now stays, and is asked
    about again after that."""
    pin = session.get(KEY)
    if pin is None:
        return htmx.go(url_for("plex_accounts.index"), OVER, "info")
    is_late = time.time() > pin["until"]
    if time.time() < pin.get("ask_at", 0.0):
        return _expired(pin) if is_late else _not_yet(pin, SLOWED, is_slowed=True)
    try:
        found = plex_pins.standing(pin["id"], _account_of(pin))
    except AccountNotAsked as refusal:
        return _expired(pin) if is_late else _left_alone(pin, refusal)
    if found.token:
        return _signed_in(found.token, pin)
    return _expired(pin) if found.expired or is_late else _not_yet(pin, found.problem)


def _not_yet(pin: dict[str, Any], problem: str, *, is_slowed: bool = False) -> BaseResponse:
    if not htmx.asks():
        return htmx.go(url_for("plex_sign_in.wait"), problem or "Not approved yet.", "info")
    # What the page tells is taken off it once it is over. The page says so itself: in the session it would put back an older sign-in
    # where another window has begun anew meanwhile.
    if not problem and not request.form.get("told"):
        return Response(status=204)
    return _waiting(pin, problem, is_slowed=is_slowed)


def _expired(pin: dict[str, Any]) -> BaseResponse:
    session.pop(KEY)
    known = _account_of(pin)
    again = url_for("plex_accounts.edit", account_id=known.id) if known is not None else url_for("plex_accounts.new")
    return htmx.go(again, EXPIRED, "warning")


def _signed_in(token: str, pin: dict[str, Any]) -> BaseResponse:
    """After the approval: whose token it is. What plex.tv does not say for now is asked again with the same PIN."""
    account = _account_of(pin)
    try:
        found = plex_accounts.identify(token, account)
    except AccountNotAsked as refusal:
        return _left_alone(pin | {"is_approved": True}, refusal)
    except AccountUnanswered as refusal:
        session[KEY] = pin = pin | {"is_approved": True}
        return _not_yet(pin, str(refusal))
    except AccountRefused as refusal:
        return _refused(refusal)
    session.pop(KEY)
    if account is None:
        account, is_new = plex_accounts.add(token, found)
        return added(account, is_new=is_new)
    try:
        plex_accounts.replace_token(account, token, found)
    except AccountRefused as refusal:
        return _refused(refusal)
    return added(account, is_new=False)


def _left_alone(pin: dict[str, Any], refusal: AccountNotAsked) -> BaseResponse:
    """The PIN is asked about again once plex.tv may be. When that is stands in the session where there is no account to keep it with."""
    is_known = _account_of(pin) is not None
    if not is_known:
        pin = pin | {"ask_at": time.time() + refusal.after_s}
        session[NEXT_KEY] = pin["ask_at"]
    session[KEY] = pin
    return _not_yet(pin, str(refusal) if is_known else SLOWED, is_slowed=True)


def _refused(refusal: AccountRefused) -> BaseResponse:
    session.pop(KEY, None)
    db.session.rollback()
    return htmx.go(url_for("plex_accounts.index"), str(refusal), "danger")


def _account_of(pin: dict[str, Any]) -> PlexAccount | None:
    return db.session.get(PlexAccount, pin["account"]) if pin["account"] is not None else None


def _waiting(pin: dict[str, Any], problem: str = "", *, is_slowed: bool = False) -> Response:
    """`is_slowed`: the problem is that plex.tv is to be left alone for a while, which passes by itself."""
    known = {"address": plex_pins.approval_address(pin["code"]), "account": _account_of(pin), "is_approved": pin.get("is_approved", False)}
    parts = {"plex-sign-in": "plex_accounts/_sign_in.html"}
    return htmx.page_or_partial("plex_accounts/sign_in.html", parts, **known, problem=problem, is_slowed=is_slowed)
