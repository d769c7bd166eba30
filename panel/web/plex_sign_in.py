"""Sign in with Plex: a PIN is approved on plex.tv's page while ours asks how it stands. No token is typed, none is kept in a session."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import PlexAccount
from panel.services import plex_accounts, plex_pins
from panel.services.plex_accounts import AccountRefused
from panel.web import htmx
from panel.web.plex_accounts import added

screen = Blueprint("plex_sign_in", __name__, url_prefix="/plex-accounts/sign-in")

KEY = "plex_pin"
EXPIRED = "The sign-in has expired before it was approved. Begin anew."
#: Two windows may wait for the same approval.
OVER = "This sign-in is over: it was finished, perhaps in another window, or it has expired. The list says how each account stands."


@screen.post("")
def start() -> BaseResponse:
    """Ask plex.tv for a PIN, for a new account or a fresh token of a known one."""
    account_id = request.form.get("account", type=int)
    if account_id is not None:
        db.get_or_404(PlexAccount, account_id)
    try:
        pin = plex_pins.start()
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
    """How the PIN stands: an empty 204 while nothing has happened."""
    pin = session.get(KEY)
    if pin is None:
        return htmx.go(url_for("plex_accounts.index"), OVER, "info")
    found = plex_pins.standing(pin["id"])
    if found.token:
        session.pop(KEY)
        return _signed_in(found.token, pin["account"])
    if found.expired or time.time() > pin["until"]:
        session.pop(KEY)
        known = pin["account"]
        again = url_for("plex_accounts.edit", account_id=known) if known is not None else url_for("plex_accounts.new")
        return htmx.go(again, EXPIRED, "warning")
    if not htmx.asks():
        return htmx.go(url_for("plex_sign_in.wait"), found.problem or "Not approved yet.", "info")
    return _waiting(pin, found.problem) if found.problem else Response(status=204)


def _signed_in(token: str, account_id: int | None) -> BaseResponse:
    account = db.session.get(PlexAccount, account_id) if account_id is not None else None
    try:
        found = plex_accounts.identify(token)
        if account is None:
            account, is_new = plex_accounts.add(token, found)
            return added(account, is_new=is_new)
        plex_accounts.replace_token(account, token, found)
    except AccountRefused as refusal:
        db.session.rollback()
        return htmx.go(url_for("plex_accounts.index"), str(refusal), "danger")
    return added(account, is_new=False)


def _waiting(pin: dict[str, Any], problem: str = "") -> Response:
    address, known = plex_pins.approval_address(pin["code"]), pin["account"]
    account = db.session.get(PlexAccount, known) if known is not None else None
    parts = {"plex-sign-in": "plex_accounts/_sign_in.html"}
    return htmx.page_or_partial("plex_accounts/sign_in.html", parts, address=address, account=account, problem=problem)
