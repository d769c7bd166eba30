"""Library groups: adding, renaming, deleting."""

from __future__ import annotations

from flask import Blueprint, Response, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import LibraryGroup
from panel.services import audit
from panel.services import groups as service
from panel.web import htmx, sheets
from panel.web.forms.libraries import GroupForm
from panel.web.place import at_row
from panel.web.words import brief, counted

screen = Blueprint("groups", __name__, url_prefix="/libraries/groups")


@screen.get("")
def index() -> Response:
    """All groups with what uses them."""
    return htmx.page_or_partial("groups/index.html", {"groups": "groups/_list.html"}, lines=service.group_lines())


@screen.get("/new")
def new() -> Response:
    """An empty form."""
    return _new(GroupForm(formdata=None))


@screen.post("/new")
def add() -> BaseResponse:
    """A new group."""
    form = GroupForm()
    if not form.validate():
        return _new(form, 422)
    try:
        group = service.add(form.name.data or "")
    except service.GroupRefused as refusal:
        form.name.errors = [str(refusal)]
        return _new(form, 422)
    audit.note(current_user.email, "group.added", group.name)
    db.session.commit()
    return htmx.go(at_row("groups.index", "group", group.id), f"{group.name} is there. Put libraries into it, then add it to plans.")


@screen.get("/<int:group_id>/actions")
def actions(group_id: int) -> Response:
    """What can be done about one group."""
    line = service.line_of(db.get_or_404(LibraryGroup, group_id))
    return sheets.sheet("groups/_actions.html", line.group.name, _back(), line=line)


@screen.get("/<int:group_id>/edit")
def edit(group_id: int) -> Response:
    """The form to rename one."""
    group = db.get_or_404(LibraryGroup, group_id)
    return _edit(group, GroupForm(formdata=None, obj=group))


@screen.post("/<int:group_id>/edit")
def rename(group_id: int) -> BaseResponse:
    """Give it another name."""
    group, form = db.get_or_404(LibraryGroup, group_id), GroupForm()
    before = group.name
    if not form.validate():
        return _edit(group, form, 422)
    try:
        service.rename(group, form.name.data or "")
    except service.GroupRefused as refusal:
        form.name.errors = [str(refusal)]
        return _edit(group, form, 422)
    audit.note(current_user.email, "group.renamed", group.name, f"Before: {before}.")
    db.session.commit()
    return htmx.go(at_row("groups.index", "group", group.id), f"{before} is called {group.name} now.")


@screen.get("/<int:group_id>/delete")
def ask(group_id: int) -> Response:
    """What deleting would do, asked once."""
    line = service.line_of(db.get_or_404(LibraryGroup, group_id))
    sentences = [] if line.why_no_delete else [_freed(line.libraries)]
    return sheets.ask(f"Delete {brief(line.group.name)}?", _back(), sentences, "Delete group", line.why_no_delete)


@screen.post("/<int:group_id>/delete")
def delete(group_id: int) -> BaseResponse:
    """Delete it; its libraries are in no group from then on."""
    group = db.get_or_404(LibraryGroup, group_id)
    try:
        freed = service.delete(group)
    except service.GroupRefused as refusal:
        return htmx.go(at_row("groups.index", "group", group.id), str(refusal), "danger")
    audit.note(current_user.email, "group.deleted", group.name, f"Libraries that were in it: {freed}.")
    db.session.commit()
    return htmx.go(url_for("groups.index"), f"{group.name} is deleted.")


def _new(form: GroupForm, status: int = 200) -> Response:
    hint = "Put libraries of your servers into it afterwards, then add it to plans."
    return sheets.sheet("groups/_form.html", "New group", _back(), status, form=form, verb="Add", hint=hint)


def _edit(group: LibraryGroup, form: GroupForm, status: int = 200) -> Response:
    hint = "Libraries and plans keep the group; only its name changes."
    return sheets.sheet("groups/_form.html", f"Rename {brief(group.name)}", _back(), status, form=form, verb="Rename", hint=hint)


def _freed(libraries: int) -> str:
    if not libraries:
        return "No library is in it, so nothing else changes."
    which = "The library in it is" if libraries == 1 else f"{counted(libraries, 'library', 'libraries')} are"
    return f"{which} in no group afterwards and offered to nobody until you choose another one. Nobody loses access on a server."


def _back() -> sheets.Back:
    return "Library groups", url_for("groups.index")
