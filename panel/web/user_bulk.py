"""One change for all users checked, or for all that match the filters: asked what, told how many, then done."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from flask_login import current_user
from sqlalchemy import Select, func, select
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Plan, User
from panel.services import audit, user_bulk, user_list
from panel.services.user_bulk import Change, Effect
from panel.web import htmx, sheets
from panel.web.forms.users import BulkForm
from panel.web.picked import Picked, picked
from panel.web.users import FILTERS
from panel.web.words import both_numbers, brief, counted, some_of

screen = Blueprint("user_bulk", __name__, url_prefix="/users/bulk")

NOBODY = "Select at least one user first."
NAMES_SHOWN = 20


@screen.get("")
def choose() -> BaseResponse:
    """What to do with them."""
    chosen = picked(*FILTERS)
    return _form(chosen, _bulk_form(formdata=None))


@screen.post("")
def change() -> BaseResponse:
    """Says what will happen; with `confirmed`, what was said, it happens if that still holds."""
    chosen, form = picked(*FILTERS), _bulk_form()
    if not form.validate() or not _is_complete(form):
        return _form(chosen, form, 422)
    wanted = _change(form)
    users = chosen.rows_of(user_list.matching, User)
    found = user_bulk.effect(wanted, users)
    if not found.chosen:
        return htmx.go(chosen.address("users.index"), NOBODY, "warning")
    if not found.changed:
        form.change.errors = [_nothing(wanted, found)]
        return _form(chosen, form, 422)
    if request.form.get("confirmed", "") != found.fingerprint:
        return _ask(chosen, form, wanted, found)
    done = user_bulk.apply(wanted, users)
    who = audit.names(done.first, done.changed)
    audit.note(current_user.email, "users.edited", counted(done.changed, "user"), f"{wanted.sentence}: {who}")
    db.session.commit()
    return htmx.go(chosen.address("users.index"), f"{wanted.sentence}: done for {done.changed} of {counted(done.chosen, 'user')}.")


def _bulk_form(**how: object) -> BulkForm:
    form = BulkForm(**how)
    plans = db.session.execute(select(Plan.id, Plan.name).order_by(func.lower(Plan.name)))
    form.plan.choices = [(row[0], row[1]) for row in plans]
    return form


def _is_complete(form: BulkForm) -> bool:
    """Whether what the chosen change needs is there; else the field says so."""
    if form.change.data in user_bulk.WITH_PLAN and form.plan.data not in {number for number, _ in form.plan.choices}:
        form.plan.errors = ["Choose the plan." if form.plan.choices else "There is no plan yet: make one first."]
    if form.change.data == "extend" and not form.days.data:
        form.days.errors = ["Say how many days."]
    return not (form.plan.errors or form.days.errors)


def _change(form: BulkForm) -> Change:
    plan = db.session.get(Plan, form.plan.data) if form.change.data in user_bulk.WITH_PLAN else None
    return Change(form.change.data, plan, form.days.data or 0)


def _form(chosen: Picked, form: BulkForm, status: int = 200) -> BaseResponse:
    users = chosen.rows_of(user_list.matching, User)
    total = db.session.scalar(select(func.count()).select_from(users.subquery())) or 0
    if not total:
        return htmx.go(chosen.address("users.index"), NOBODY, "warning")
    title, names = f"Change {counted(total, 'user')}", _names(users)
    return sheets.sheet("users/_bulk.html", title, _back(chosen), status, form=form, fields=chosen.fields, names=names, total=total)


def _ask(chosen: Picked, form: BulkForm, wanted: Change, found: Effect) -> Response:
    names = [brief(name) for name in _names(chosen.rows_of(user_list.matching, User))]
    more = f" and {found.chosen - len(names)} more" if found.chosen > len(names) else ""
    how_many = both_numbers(found.changed, found.chosen, "user", stays=wanted.stays)
    sentences = [f"{wanted.sentence}.", how_many, f"Chosen: {', '.join(names)}{more}."]
    if is_stale := bool(request.form.get("confirmed")):
        sentences.insert(0, "The users have changed since you were asked: nothing was done yet. Look again.")
    fields = [*chosen.fields, ("change", form.change.data), ("plan", form.plan.data or ""), ("days", form.days.data or "")]
    fields.append(("confirmed", found.fingerprint))
    title = f"Change {some_of(found.changed, found.chosen, 'user')}?"
    return sheets.ask(title, _back(chosen), sentences, "Change them", status=422 if is_stale else 200, fields=fields, tone="primary")


def _nothing(wanted: Change, found: Effect) -> str:
    """Why none of them would change; said beside the choice, so that another can be made for the same people."""
    none = both_numbers(0, found.chosen, "user", stays=wanted.stays)
    if request.form.get("confirmed"):
        return f"The users have changed since you were asked: nothing was done. Nothing would change by now. {none}"
    return f"Nothing would change. {none}"


def _names(users: Select[Any]) -> list[str]:
    query = users.order_by(None).with_only_columns(User.name).order_by(func.lower(User.name), User.id)
    return list(db.session.scalars(query.limit(NAMES_SHOWN)))


def _back(chosen: Picked) -> sheets.Back:
    return "Users", chosen.address("users.index")
