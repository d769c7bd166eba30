"""The screen Payments: the list, adding, editing, deleting, and more days for many."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime, time
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response as BaseResponse
from wtforms.fields.choices import SelectChoice

from panel.domain.subscriptions import last_paid_day
from panel.extensions import db
from panel.models import Payment, Plan, User
from panel.models.types import utc_now
from panel.services import audit
from panel.services import payments as service
from panel.services.fingerprint import fingerprint
from panel.services.listing import order_from, page_of
from panel.services.user_bulk import extend_payments
from panel.web import htmx, sheets
from panel.web.forms.payments import ExtendForm, PaymentForm
from panel.web.listing import Ids, asked
from panel.web.picked import Picked, picked
from panel.web.place import back_to, begun_in
from panel.web.users import OFFERED, address_of, find, is_shown
from panel.web.words import both_numbers, brief, counted, zone

screen = Blueprint("payments", __name__, url_prefix="/payments")

HOME = "payments.index"
#: What the list can be narrowed by, each with the values it knows.
FILTERS: dict[str, Container[str]] = {"state": service.STATES, "plan": Ids()}


@screen.get("")
def index() -> Response:
    """The payments, 50 on a page."""
    wanted = asked("-end", service.orders(), **FILTERS)
    _, order = order_from(wanted.sort, service.orders(), wanted.default)
    page = page_of(service.with_names(service.matching(wanted.search, wanted.filters)), wanted.page, order)
    has_users = bool(page.rows) or db.session.scalar(select(User.id).limit(1)) is not None
    values: dict[str, Any] = {"asked": wanted, "page": page, "plans": _plans(), "states": service.STATES, "state_of": service.state_of}
    return htmx.page_or_partial("payments/index.html", {"payments": "payments/_update.html"}, has_users=has_users, **values)


@screen.get("/new")
def new() -> Response:
    """For whom, then the form."""
    user = db.session.get(User, request.args.get("user", 0, int))
    if user is None:
        search = request.args.get("q", "").strip()[:100]
        values: dict[str, Any] = {"search": search, "found": find(search), "offered": OFFERED}
        return sheets.sheet("users/_find.html", "Who has paid?", _back(), next=begun_in(HOME), **values)
    today, plan = utc_now().date(), Plan.default()
    form = _form_of(formdata=None, start_on=today)
    if plan is not None:
        form.plan.data, form.end_on.data = plan.id, last_paid_day(today, plan.duration_days)
    return _sheet(form, user)


@screen.post("/new")
def create() -> BaseResponse:
    """Add one."""
    user = db.get_or_404(User, request.args.get("user", 0, int))
    return _save(Payment(user_id=user.id), user, "payment.added")


@screen.get("/<int:payment_id>/actions")
def actions(payment_id: int) -> Response:
    """What can be done about one payment."""
    payment = db.get_or_404(Payment, payment_id)
    title = f"Payment of {brief(payment.user.name)} for {brief(payment.plan.name)}"
    values: dict[str, Any] = {"payment": payment, "next": begun_in(HOME), "is_shown": is_shown(payment.user)}
    return sheets.sheet("payments/_actions.html", title, _left(payment.user), **values)


@screen.get("/<int:payment_id>/edit")
def edit(payment_id: int) -> Response:
    """The form for one payment."""
    payment = db.get_or_404(Payment, payment_id)
    days = {"start_on": payment.start_at.date(), "end_on": payment.end_at.date()}
    return _sheet(_form_of(formdata=None, plan=payment.plan_id, **days), payment.user, payment)


@screen.post("/<int:payment_id>/edit")
def save(payment_id: int) -> BaseResponse:
    """Write it."""
    payment = db.get_or_404(Payment, payment_id)
    return _save(payment, payment.user, "payment.edited")


@screen.get("/<int:payment_id>/delete")
def ask_delete(payment_id: int) -> Response:
    """Asks before it is done."""
    payment = db.get_or_404(Payment, payment_id)
    sentences = [
        f"This deletes the payment of {brief(payment.user.name)} for {brief(payment.plan.name)}, {_days(payment)}.",
        "It cannot be taken back.",
        "No media server is asked: access stays as it is. Without a payment in force a user who is not permanent does not move.",
    ]
    return sheets.ask("Delete this payment?", _left(payment.user), sentences, "Delete", fields=[("next", begun_in(HOME) or "")])


@screen.post("/<int:payment_id>/delete")
def delete(payment_id: int) -> BaseResponse:
    """Gone."""
    payment = db.get_or_404(Payment, payment_id)
    user = payment.user
    audit.note(current_user.email, "payment.deleted", user.name, f"{payment.plan.name}, {_days(payment)}")
    db.session.delete(payment)
    db.session.commit()
    return htmx.go(_left(user)[1], "The payment is deleted.")


@screen.get("/extend")
def ask_extend() -> BaseResponse:
    """By how many days."""
    return _extend_sheet(picked(*FILTERS), ExtendForm(formdata=None))


@screen.post("/extend")
def extend() -> BaseResponse:
    """Says how many will end later; with `confirmed`, what was said, they do if that still holds."""
    chosen, form = picked(*FILTERS), ExtendForm()
    if not form.validate():
        return _extend_sheet(chosen, form, 422)
    ids = _chosen_ids(chosen)
    days, confirmed = form.days.data or 0, request.form.get("confirmed", "")
    if confirmed != fingerprint(ids, [days]) or not ids:
        return _ask_extend(chosen, ids, days, stale=bool(confirmed))
    extend_payments(ids, days)
    who = audit.names(service.first_payers(ids), len(ids))
    audit.note(current_user.email, "payments.extended", counted(len(ids), "payment"), f"{counted(days, 'day')}: {who}")
    db.session.commit()
    end = "ends" if len(ids) == 1 else "end"
    return htmx.go(chosen.address("payments.index"), f"{counted(len(ids), 'payment')} {end} {counted(days, 'day')} later now.")


def _save(payment: Payment, user: User, action: str) -> BaseResponse:
    form = _form_of()
    stored = payment if payment.id else None
    if not form.validate():
        return _sheet(form, user, stored, 422)
    before = _fields(payment) if stored else {}
    assert form.start_on.data and form.end_on.data
    service.write(payment, plan=db.session.get_one(Plan, form.plan.data), start_on=form.start_on.data, end_on=form.end_on.data)
    detail = audit.differences(before, _fields(payment)) if before else f"{payment.plan.name}, {_days(payment)}"
    if not before or detail:
        audit.note(current_user.email, action, user.name, detail)
    db.session.commit()
    return htmx.go(_left(user)[1], "The payment is saved.")


def _form_of(**how: object) -> PaymentForm:
    form = PaymentForm(**how)
    form.plan.choices = [SelectChoice(str(plan.id), plan.name) for plan in _plans()]
    return form


def _plans() -> list[Plan]:
    return list(db.session.scalars(select(Plan).order_by(func.lower(Plan.name))))


def _sheet(form: PaymentForm, user: User, payment: Payment | None = None, status: int = 200) -> Response:
    title = f"Payment of {brief(user.name)}"
    address = request.full_path.rstrip("?")
    values: dict[str, Any] = {"form": form, "payment": payment, "address": address, "days_begin": _days_begin()}
    return sheets.sheet("payments/_form.html", title, _left(user), status, **values)


def _days_begin() -> str:
    """When the days of payments begin where the panel is set to be; empty where that is midnight."""
    midnight = datetime.combine(utc_now().date(), time.min, UTC).astimezone(zone())
    return f"{midnight:%H:%M} in {zone()}" if midnight.utcoffset() else ""


def _extend_sheet(chosen: Picked, form: ExtendForm, status: int = 200) -> BaseResponse:
    total = len(_chosen_ids(chosen))
    if not total:
        return htmx.go(chosen.address("payments.index"), "Select at least one payment first.", "warning")
    title = f"Extend {counted(total, 'payment')}"
    return sheets.sheet("payments/_extend.html", title, _back(chosen), status, form=form, fields=chosen.fields)


def _ask_extend(chosen: Picked, ids: list[int], days: int, *, stale: bool) -> Response:
    each = "Each" if len(ids) != 1 else "It"
    sentences = [
        both_numbers(len(ids), len(ids), "payment"),
        f"{each} ends {counted(days, 'day')} later then, whether it has ended already or not.",
    ]
    if stale:
        sentences.insert(0, "The payments have changed since you were asked: nothing was done yet. Look again.")
    fields = [*chosen.fields, ("days", str(days)), ("confirmed", fingerprint(ids, [days]))]
    why_not = "" if ids else "None of these payments is there any more."
    title = f"Extend {counted(len(ids), 'payment')}?"
    return sheets.ask(title, _back(chosen), sentences, "Extend", why_not, 422 if stale else 200, fields=fields, tone="primary")


def _chosen_ids(chosen: Picked) -> list[int]:
    return list(db.session.scalars(chosen.rows_of(service.matching, Payment).with_only_columns(Payment.id)))


def _fields(payment: Payment) -> dict[str, object]:
    return {"plan": payment.plan.name, "start": f"{payment.start_at:%Y-%m-%d}", "end": f"{payment.end_at:%Y-%m-%d}"}


def _days(payment: Payment) -> str:
    return f"{payment.start_at:%-d %b %Y} to {payment.end_at:%-d %b %Y}"


def _back(chosen: Picked | None = None) -> sheets.Back:
    return "Payments", chosen.address(HOME) if chosen else begun_in(HOME) or url_for(HOME)


def _left(user: User) -> sheets.Back:
    """Where the form was opened: the list or the user's page as it was, else that page."""
    return back_to(HOME, (user.name, address_of(user)))
