"""Adding a server, from the list of a Plex account or by address and key, and editing one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, make_response, render_template, request, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import PlexAccount, Server
from panel.services import audit, plex_servers, server_changes
from panel.services.plex_accounts import AccountRefused
from panel.services.server_changes import Draft, ServerRefused, Trial
from panel.services.servers import ServerLimit, check_limits
from panel.services.sync import progress as sync_progress
from panel.web import htmx, sheets
from panel.web.forms.kinds import AtMost
from panel.web.forms.servers import ServerForm
from panel.web.place import at_row

screen = Blueprint("server_forms", __name__, url_prefix="/servers")


@screen.get("/new")
def new() -> Response:
    """Which kind of server; then, for Plex, which of an account's; then the form."""
    platform = _platform()
    if platform is None:
        return _choose()
    account = _account()
    if account is not None and "machine" not in request.args:
        return _pick(account)
    form = _fitted(platform)
    tried: list[plex_servers.TriedAddress] = []
    if account is not None:
        form.plex_account.data = account.id
        tried = _fill_in(form, account, request.args.get("machine", ""))
    return _screen(form, platform, tried=tried)


@screen.post("/new")
def create() -> BaseResponse:
    """Test the connection, or store the server and have it synced."""
    platform = _platform() or abort(404)
    return _submitted(platform, None)


@screen.get("/<int:server_id>/edit")
def edit(server_id: int) -> Response:
    """What is stored; the key is never shown."""
    server = db.get_or_404(Server, server_id)
    form = _fitted(server.platform)
    form.show(server)
    return _screen(form, server.platform, server)


@screen.post("/<int:server_id>/edit")
def save(server_id: int) -> BaseResponse:
    """Test the connection, or store the changes."""
    server = db.get_or_404(Server, server_id)
    return _submitted(server.platform, server)


def _submitted(platform: Platform, known: Server | None) -> BaseResponse:
    form, is_test = _fitted(platform), request.form.get("action") == "test"
    if is_test:
        form.name.validators = [AtMost(255)]
    is_valid, draft = form.validate(), form.draft(platform, _accounts())
    refusals = server_changes.refusals(draft, known)
    for refusal in refusals:
        form.refuse(refusal)
    if refusals or not is_valid:
        return _marked(form, platform, known)
    try:
        server_changes.check(draft, known)
        trial = server_changes.try_connection(draft, known)
        if is_test:
            return _screen(form, platform, known, trial=trial, is_named=_take_name(form, trial))
        if not trial and not (form.save_anyway.data and trial.may_be_stored):
            return _screen(form, platform, known, trial=trial, status=422)
        return _store(draft, trial, known)
    except ServerRefused as refusal:
        form.refuse(refusal)
        return _screen(form, platform, known, status=422)
    except ServerLimit as limit:
        return _screen(form, platform, known, status=422, problem=str(limit))


def _marked(form: ServerForm, platform: Platform, known: Server | None) -> Response:
    """The form with what is wrong beside its fields, also where the test alone was asked for."""
    if not htmx.targets("connection"):
        return _screen(form, platform, known, status=422)
    values = {"form": form, "platform": platform, "server": known, "trial": None, "tried": (), "problem": ""}
    answer = make_response(render_template("servers/_form.html", **values), 422)
    answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#server-form", "outerHTML"
    return answer


def _take_name(form: ServerForm, trial: Trial) -> bool:
    """Offer the server's own name where none was typed; whether that was so."""
    is_offered = bool(trial.name) and not (form.name.data or "").strip()
    if is_offered:
        form.name.data = trial.name[:255]
    return is_offered


def _store(draft: Draft, trial: Trial, known: Server | None) -> BaseResponse:
    changes = server_changes.differences(known, draft) if known else f"{draft.platform.label} at {server_changes.clean_url(draft.url)}"
    server = server_changes.store(draft, trial, known)
    audit.note(current_user.email, "server.edited" if known else "server.added", server.name, changes)
    is_queued = known is None and bool(trial) and sync_progress.queue(server)
    db.session.commit()
    if is_queued and not jobs.wake_sync(server.id):
        sync_progress.clear_queue(server)
        db.session.commit()
        is_queued = False
    done = "saved" if known else "added"
    return htmx.go(
        at_row("servers.index", "server", server.id), f"{server.name} was {done}." + (" Its first sync has begun." if is_queued else "")
    )


def _choose() -> Response:
    refusals = {}
    for platform in Platform:
        try:
            check_limits(platform)
        except ServerLimit as limit:
            refusals[platform] = str(limit)
    kinds, accounts = list(Platform), _accounts(enabled=True)
    return sheets.sheet("servers/_choose.html", "Add a server", _servers(), platforms=kinds, refusals=refusals, accounts=accounts)


def _pick(account: PlexAccount) -> Response:
    problem, choices = "", []
    try:
        choices = plex_servers.choices(account)
    except AccountRefused as refusal:
        problem = str(refusal)
    return sheets.sheet("servers/_pick.html", "Add a Plex server", _kinds(), account=account, choices=choices, problem=problem)


def _fill_in(form: ServerForm, account: PlexAccount, machine_id: str) -> list[plex_servers.TriedAddress]:
    """Name and the address at which the server answers; nothing where an address is to be typed."""
    try:
        choice = next((one for one in plex_servers.choices(account) if one.machine_id == machine_id), None)
    except AccountRefused:
        choice = None
    if choice is None:
        return []
    tried = plex_servers.try_addresses(choice)
    form.name.data, form.url.data, form.machine.data = choice.name, plex_servers.reachable(tried), choice.machine_id
    return tried


def _screen(
    form: ServerForm,
    platform: Platform,
    server: Server | None = None,
    *,
    trial: Trial | None = None,
    tried: Sequence[plex_servers.TriedAddress] = (),
    problem: str = "",
    is_named: bool = False,
    status: int = 200,
) -> Response:
    if trial is not None:
        form.offer(trial)
    title = (
        f"Edit {server.name}"
        if server
        else f"Add an {platform.label} server"
        if platform is Platform.EMBY
        else f"Add a {platform.label} server"
    )
    values: dict[str, Any] = {"form": form, "platform": platform, "server": server, "trial": trial, "tried": tried, "problem": problem}
    parts = {"connection": "servers/_connection.html", "server-form": "servers/_form.html"}
    return sheets.sheet("servers/_form.html", title, _servers() if server else _kinds(), status, parts, is_named=is_named, **values)


def _servers() -> sheets.Back:
    return "Servers", url_for("servers.index")


def _kinds() -> sheets.Back:
    return "Add a server", url_for("server_forms.new")


def _fitted(platform: Platform) -> ServerForm:
    form = ServerForm()
    form.fit(platform, _accounts())
    return form


def _platform() -> Platform | None:
    word = request.args.get("platform", "")
    return Platform(word) if word in set(Platform) else None


def _account() -> PlexAccount | None:
    number = request.args.get("account", type=int)
    return db.get_or_404(PlexAccount, number) if number is not None else None


def _accounts(*, enabled: bool = False) -> list[PlexAccount]:
    query = select(PlexAccount).order_by(PlexAccount.email)
    return list(db.session.scalars(query.where(PlexAccount.enabled.is_(True)) if enabled else query))
