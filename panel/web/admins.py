"""The screen Admins: who may sign in, and as what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Admin, Role
from panel.services import admins as service
from panel.services import audit
from panel.web import htmx, sheets
from panel.web.forms.admins import ROLES, AdminForm
from panel.web.place import at_row
from panel.web.words import brief

screen = Blueprint("admins", __name__, url_prefix="/settings/admins")


@screen.get("")
def index() -> Response:
    """Everybody who may sign in."""
    return htmx.page_or_partial("admins/index.html", {"admins": "admins/_list.html"}, admins=service.by_email(), roles=ROLES)


@screen.get("/new")
def new() -> Response:
    """The form for a new one."""
    return _form(AdminForm(formdata=None))


@screen.post("")
def create() -> BaseResponse:
    """Add one, with a first password that they change themselves."""
    form = AdminForm()
    if not form.validate():
        return _form(form, 422)
    try:
        admin = service.create(form.email.data or "", form.password.data or "", Role(form.role.data))
    except ValueError as refusal:
        db.session.rollback()
        form.email.errors = [str(refusal)]
        return _form(form, 422)
    audit.note(current_user.email, "admin.added", admin.email, f"Role: {admin.role.value}")
    db.session.commit()
    return htmx.go(
        at_row("admins.index", "admin", admin.id),
        f"{admin.email} can sign in now. Give them the password; they change it under “My sign-in”.",
    )


@screen.get("/<int:admin_id>/actions")
def actions(admin_id: int) -> Response:
    """What can be done about one of them."""
    admin = db.get_or_404(Admin, admin_id)
    values: dict[str, Any] = {
        "admin": admin,
        "roles": ROLES,
        "other_role": _other_role(admin),
        "why_not_role": service.why_not_viewer(admin, current_user),
        "why_not_reset": service.why_not_reset(admin, current_user),
        "why_not_removed": service.why_not_removed(admin, current_user),
    }
    return sheets.sheet("admins/_actions.html", admin.email, _back(), **values)


@screen.get("/<int:admin_id>/role")
def ask_role(admin_id: int) -> Response:
    """Asks before it is done."""
    admin = db.get_or_404(Admin, admin_id)
    other = _other_role(admin)
    label, meaning = ROLES[other]
    sentences = [f"{label}: {meaning[0].lower()}{meaning[1:]}", "It counts from their next click on."]
    why_not = service.why_not_viewer(admin, current_user)
    title = f"Make {brief(admin.email)} {'an' if other is Role.ADMINISTRATOR else 'a'} {label.lower()}?"
    return sheets.ask(title, _back(), sentences, f"Make {label.lower()}", why_not, fields=[("role", other.value)], tone="primary")


@screen.post("/<int:admin_id>/role")
def change_role(admin_id: int) -> BaseResponse:
    """Administrator or viewer, from their next click on."""
    admin = db.get_or_404(Admin, admin_id)
    wanted = request.form.get("role", "")
    if wanted not in set(Role):
        abort(400, "There is no such role.")
    before = admin.role
    try:
        service.change_role(admin, Role(wanted), current_user)
    except ValueError as refusal:
        return _refused(admin_id, refusal)
    audit.note(current_user.email, "admin.edited", admin.email, f"Role: {before.value} → {admin.role.value}")
    db.session.commit()
    return htmx.go(at_row("admins.index", "admin", admin.id), f"{admin.email}: {ROLES[admin.role][0].lower()} now.")


@screen.get("/<int:admin_id>/remove")
def ask_remove(admin_id: int) -> Response:
    """Asks before it is done."""
    sentence = "They are signed out at once and cannot sign in again. What they have changed stays, with their e-mail, under “Changes”."
    return _ask(admin_id, "Remove", sentence, service.why_not_removed)


@screen.post("/<int:admin_id>/remove")
def remove(admin_id: int) -> BaseResponse:
    """They cannot sign in any more."""
    return _do(admin_id, service.remove, "admin.removed", "", "is removed")


@screen.get("/<int:admin_id>/second-factor")
def ask_reset(admin_id: int) -> Response:
    """Asks before it is done."""
    sentence = (
        "For somebody who has lost their telephone and their recovery codes: their password alone is enough until they set it up again."
    )
    return _ask(admin_id, "Reset", sentence, service.why_not_reset, "the second factor of ")


@screen.post("/<int:admin_id>/second-factor")
def reset(admin_id: int) -> BaseResponse:
    """Their second factor is off."""
    return _do(admin_id, service.reset_second_factor, "admin.edited", "Second factor reset", "signs in with the password alone now")


def _ask(admin_id: int, verb: str, sentence: str, why_not: Callable[[Admin, Admin], str], what: str = "") -> Response:
    admin = db.get_or_404(Admin, admin_id)
    return sheets.ask(f"{verb} {what}{brief(admin.email)}?", _back(), [sentence], verb, why_not(admin, current_user))


def _do(admin_id: int, verb: Callable[[Admin, Admin], object], action: str, detail: str, done: str) -> BaseResponse:
    admin = db.get_or_404(Admin, admin_id)
    email = admin.email
    try:
        verb(admin, current_user)
    except ValueError as refusal:
        return _refused(admin_id, refusal)
    audit.note(current_user.email, action, email, detail)
    db.session.commit()
    return htmx.go(at_row("admins.index", "admin", admin_id), f"{email} {done}.")


def _other_role(admin: Admin) -> Role:
    return Role.VIEWER if admin.role is Role.ADMINISTRATOR else Role.ADMINISTRATOR


def _form(form: AdminForm, status: int = 200) -> Response:
    return sheets.sheet("admins/_form.html", "Add somebody", _back(), status, form=form, roles=ROLES)


def _back() -> sheets.Back:
    return "Admins", url_for("admins.index")


def _refused(admin_id: int, refusal: ValueError) -> BaseResponse:
    db.session.rollback()
    return htmx.go(at_row("admins.index", "admin", admin_id), str(refusal), "danger")
