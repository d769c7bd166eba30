"""Plans: the list, the form, the default."""

from __future__ import annotations

from flask import Blueprint, Response, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Plan
from panel.services import audit
from panel.services import plans as service
from panel.web import htmx, sheets
from panel.web.forms.plans import PlanForm
from panel.web.place import at_row
from panel.web.words import brief

screen = Blueprint("plans", __name__, url_prefix="/plans")


@screen.get("")
def index() -> Response:
    """All plans."""
    return htmx.page_or_partial("plans/index.html", {"plans": "plans/_list.html"}, lines=service.plan_lines())


@screen.get("/new")
def new() -> Response:
    """An empty form."""
    form = PlanForm(formdata=None, data={"duration_days": 30})
    return _form(Plan(), form)


@screen.post("/new")
def add() -> BaseResponse:
    """A new plan."""
    return _save(Plan(), "plan.added")


@screen.get("/<int:plan_id>/actions")
def actions(plan_id: int) -> Response:
    """What can be done about one plan."""
    line = service.line_of(db.get_or_404(Plan, plan_id))
    return sheets.sheet("plans/_actions.html", line.plan.name, _back(), line=line)


@screen.get("/<int:plan_id>/edit")
def edit(plan_id: int) -> Response:
    """The form of one plan."""
    plan = db.get_or_404(Plan, plan_id)
    form = PlanForm(formdata=None, obj=plan, groups=None)
    form.groups.data = [group.id for group in plan.groups]
    return _form(plan, form)


@screen.post("/<int:plan_id>/edit")
def save(plan_id: int) -> BaseResponse:
    """Change one plan."""
    return _save(db.get_or_404(Plan, plan_id), "plan.edited")


@screen.get("/<int:plan_id>/delete")
def ask(plan_id: int) -> Response:
    """What deleting would do, asked once."""
    line = service.line_of(db.get_or_404(Plan, plan_id))
    sentence = f"No payment uses {brief(line.plan.name)}, so nobody loses anything. It cannot be brought back."
    sentences = [] if line.why_no_delete else [sentence]
    return sheets.ask(f"Delete {brief(line.plan.name)}?", _back(), sentences, "Delete plan", line.why_no_delete)


@screen.post("/<int:plan_id>/delete")
def delete(plan_id: int) -> BaseResponse:
    """Delete a plan that nothing uses."""
    plan = db.get_or_404(Plan, plan_id)
    try:
        service.delete(plan)
    except service.PlanRefused as refusal:
        return htmx.go(at_row("plans.index", "plan", plan.id), str(refusal), "danger")
    audit.note(current_user.email, "plan.deleted", plan.name)
    db.session.commit()
    return htmx.go(url_for("plans.index"), f"{plan.name} is deleted.")


def _save(plan: Plan, action: str) -> BaseResponse:
    form = PlanForm()
    form.offer(service.groups_to_choose())
    if not form.validate():
        return _form(plan, form, 422)
    before = _fields(plan) if plan.id else {}
    try:
        with db.session.no_autoflush:
            service.save(plan, form.terms)
    except service.PlanRefused as refusal:
        form[refusal.field or "name"].errors = [str(refusal)]
        return _form(plan, form, 422)
    if not before:
        audit.note(current_user.email, action, plan.name, _told(plan))
    elif detail := audit.differences(before, _fields(plan)):
        audit.note(current_user.email, action, plan.name, detail)
    db.session.commit()
    return htmx.go(at_row("plans.index", "plan", plan.id), f"{plan.name} is saved.")


def _fields(plan: Plan) -> dict[str, object]:
    groups = ", ".join(sorted(group.name for group in plan.groups))
    days, downloads = plan.duration_days, bool(plan.allow_downloads)
    return {"name": plan.name, "groups": groups, "days": days, "downloads": downloads, "default": bool(plan.is_default)}


def _told(plan: Plan) -> str:
    names = ", ".join(group.name for group in plan.groups)
    more = [f"Groups: {names}", f"{plan.duration_days} days", "with downloads" if plan.allow_downloads else "without downloads"]
    return "; ".join([*more, *(["default"] if plan.is_default else [])]) + "."


def _form(plan: Plan, form: PlanForm, status: int = 200) -> Response:
    form.offer(service.groups_to_choose())
    title = f"Edit {brief(plan.name)}" if plan.id else "New plan"
    return sheets.sheet("plans/_form.html", title, _back(), status, plan=plan, form=form)


def _back() -> sheets.Back:
    return "Plans", url_for("plans.index")
