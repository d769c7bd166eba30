"""Plex accounts: the owners of Plex servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.extensions import db
from panel.models import PlexAccount, Server
from panel.services import audit
from panel.services import plex_accounts as service
from panel.services.plex_accounts import AccountRefused
from panel.web import htmx, losses, sheets
from panel.web.forms.plex_accounts import PlexAccountForm, TokenForm
from panel.web.place import at_row

screen = Blueprint("plex_accounts", __name__, url_prefix="/plex-accounts")


@screen.get("")
def index() -> Response:
    """All accounts."""
    parts = {"plex-accounts": "plex_accounts/_list.html"}
    return htmx.page_or_partial("plex_accounts/index.html", parts, accounts=service.accounts_with_servers())


@screen.get("/new")
def new() -> Response:
    """Sign in with Plex, or a token."""
    return _new_screen(TokenForm())


@screen.post("/new")
def create() -> BaseResponse:
    """Add the account of a token."""
    form = TokenForm()
    if not form.validate():
        return _new_screen(form, 422)
    token = form.token.data or ""
    try:
        account, is_new = service.add(token, service.identify(token))
    except AccountRefused as refusal:
        form.token.errors = [str(refusal)]
        return _new_screen(form, 422)
    return added(account, is_new=is_new)


@screen.get("/<int:account_id>/actions")
def actions(account_id: int) -> Response:
    """What can be done with one account."""
    account = db.get_or_404(PlexAccount, account_id)
    return sheets.sheet("plex_accounts/_actions.html", account.email, _back(), account=account)


@screen.get("/<int:account_id>/edit")
def edit(account_id: int) -> Response:
    """What is stored; the token is never shown."""
    account = db.get_or_404(PlexAccount, account_id)
    form = PlexAccountForm()
    form.show(account)
    return _edit_screen(account, form)


@screen.post("/<int:account_id>/edit")
def save(account_id: int) -> BaseResponse:
    """Store the changes; a new token is tried first."""
    account, form = db.get_or_404(PlexAccount, account_id), PlexAccountForm()
    if not form.validate():
        return _edit_screen(account, form, 422)
    token = (form.token.data or "").strip()
    try:
        # Before anything is changed: nothing of a form that is refused is stored.
        found = service.identify(token, account) if token else None
        service.set_plex_pass(account, form.says_pass)
        account.enabled = bool(form.enabled.data)
        if found is not None:
            service.replace_token(account, token, found)
    except AccountRefused as refusal:
        db.session.rollback()
        form.token.errors = [str(refusal)]
        return _edit_screen(account, form, 422)
    detail = f"Has Plex Pass: {form.plex_pass.data}; enabled: {'yes' if account.enabled else 'no'}"
    detail += "; new token" if token else ""
    healed = service.queue_healed(account) if token else []
    audit.note(by=current_user.email, action="plex_account.edited", subject=account.email, detail=detail)
    db.session.commit()
    wake_syncs(healed)
    return htmx.go(at_row("plex_accounts.index", "plex-account", account.id), f"{account.email} was saved.")


@screen.post("/<int:account_id>/test")
def test(account_id: int) -> Response:
    """Ask plex.tv now whether the token still works."""
    account = db.get_or_404(PlexAccount, account_id)
    had_pass = account.has_plex_pass
    problem = service.check(account)
    # Where plex.tv is not to be asked now, or does not answer, nothing is wrong with the account.
    failed = bool(problem) and problem == account.problem
    healed = [] if problem else service.queue_healed(account)
    if account.has_plex_pass is not had_pass:
        audit.note(current_user.email, "plex_account.edited", account.email, _pass_change(had_pass, account.has_plex_pass))
    db.session.commit()
    wake_syncs(healed)
    mend = "Sign in again…", url_for("plex_accounts.edit", account_id=account.id, again=1)
    values = {"account": account, "servers": service.server_count(account), "why_not_asked": "" if failed else problem}
    return sheets.tested(account.email, _back(), "plex_accounts", mend, failed=failed, **values)


@screen.get("/<int:account_id>/remove")
def ask_remove(account_id: int) -> Response:
    """What removing would take along."""
    account = db.get_or_404(PlexAccount, account_id)
    why_not, lost = service.why_not_remove(account), losses.of_account(account, service.loss_of(account))
    return sheets.ask(f"Remove {account.email}?", _back(), [] if why_not else lost, "Remove it", why_not)


@screen.post("/<int:account_id>/remove")
def remove(account_id: int) -> BaseResponse:
    """Remove it with its servers; users stay."""
    account = db.get_or_404(PlexAccount, account_id)
    email, loss = account.email, service.loss_of(account)
    try:
        service.remove(account)
    except AccountRefused as refusal:
        db.session.rollback()
        return htmx.go(at_row("plex_accounts.index", "plex-account", account_id), str(refusal), "danger")
    detail = f"Removed servers: {', '.join(loss.names) or 'none'}; kept, disabled: {', '.join(loss.kept) or 'none'}"
    audit.note(by=current_user.email, action="plex_account.removed", subject=email, detail=detail)
    db.session.commit()
    return htmx.go(url_for("plex_accounts.index"), f"{email} was removed from the panel. Nothing was changed on plex.tv.")


def added(account: PlexAccount, *, is_new: bool) -> BaseResponse:
    """After an account came in, by token or by signing in: commit, and on to what is next."""
    action = "plex_account.added" if is_new else "plex_account.edited"
    audit.note(by=current_user.email, action=action, subject=account.email, detail="new token")
    email, account_id = account.email, account.id
    healed = service.queue_healed(account)
    db.session.commit()
    wake_syncs(healed)
    if not is_new:
        return htmx.go(at_row("plex_accounts.index", "plex-account", account_id), f"{email} has a fresh token now.")
    return htmx.go(url_for("server_forms.new", platform="plex", account=account_id), f"{email} was added. Choose its servers.")


def wake_syncs(servers: Sequence[Server]) -> None:
    """Wake a worker for each; housekeeping does it later for those whose wake-up is lost."""
    for server in servers:
        jobs.wake_sync(server.id)


def _back() -> sheets.Back:
    return "Plex accounts", url_for("plex_accounts.index")


def _pass_change(before: bool, now: bool) -> str:
    words = {True: "yes", False: "no"}
    return f"Has Plex Pass: {words[before]} → {words[now]}, as plex.tv says"


def _new_screen(form: TokenForm, status: int = 200) -> Response:
    return sheets.sheet("plex_accounts/_new.html", "Add a Plex account", _back(), status, form=form)


def _edit_screen(account: PlexAccount, form: PlexAccountForm, status: int = 200) -> Response:
    values: dict[str, Any] = {"account": account, "form": form, "again": "again" in request.args}
    return sheets.sheet("plex_accounts/_form.html", f"Edit {account.email}", _back(), status, **values)
