"""Payments by hand: whole days, the last one included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import selectinload

from panel.domain.subscriptions import whole_days
from panel.extensions import db
from panel.models import Payment, Plan, User
from panel.models.types import utc_now
from panel.services import audit
from panel.services.user_list import holds

#: What the list can be narrowed to, and how that reads.
STATES = {"active": "Active", "ended": "Ended", "later": "Starts later"}


def matching(search: str = "", filters: Mapping[str, str] | None = None) -> Select[Any]:
    """The payments of users who match `search` that are as `filters` say: `state` (a key of `STATES`), `plan` (an id)."""
    filters = filters or {}
    query = select(Payment)
    if search:
        query = query.where(Payment.user_id.in_(select(User.id).where(holds(search))))
    if filters.get("state") in STATES:
        query = query.where(*_are(filters["state"], utc_now()))
    if (plan_id := filters.get("plan", "")).isdecimal() and len(plan_id) < 10:
        query = query.where(Payment.plan_id == int(plan_id))
    return query


def with_names(query: Select[Any]) -> Select[Any]:
    """The same with user and plan (1 query more for each): joined, they would make the rows wide that are sorted."""
    return query.options(selectinload(Payment.user), selectinload(Payment.plan))


def orders() -> dict[str, Sequence[Any]]:
    """What the list can be sorted by."""
    user = select(func.lower(User.name)).where(User.id == Payment.user_id).correlate(Payment).scalar_subquery()
    plan = select(Plan.name).where(Plan.id == Payment.plan_id).correlate(Payment).scalar_subquery()
    return {
        "user": (user, Payment.id),
        "plan": (plan, Payment.id),
        "start": (Payment.start_at, Payment.id),
        "end": (Payment.end_at, Payment.id),
    }


def state_of(payment: Payment) -> str:
    """A key of `STATES`."""
    now = utc_now()
    if payment.end_at < now:
        return "ended"
    return "later" if payment.start_at > now else "active"


def first_payers(payment_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Of these payments the first, each by its id and its user's name, for the list of changes; 1 query."""
    query = select(Payment.id, User.name).join(User).where(Payment.id.in_(payment_ids[: audit.MOST_NAMES])).order_by(Payment.id)
    return [(row[0], row[1]) for row in db.session.execute(query)]


def write(payment: Payment, *, plan: Plan, start_on: date, end_on: date) -> None:
    """From the first moment of one day to the last of another, UTC; flushed. A day that stays keeps its moment. Raises `ValueError`."""
    if end_on < start_on:
        raise ValueError("The last day is before the first.")
    start, end = whole_days(start_on, end_on)
    if payment.start_at is None or payment.start_at.date() != start_on:
        payment.start_at = start
    if payment.end_at is None or payment.end_at.date() != end_on or payment.end_at < payment.start_at:
        payment.end_at = end
    payment.plan = plan
    db.session.add(payment)
    db.session.flush()


def _are(state: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return {
        "active": (Payment.start_at <= now, Payment.end_at >= now),
        "ended": (Payment.end_at < now,),
        "later": (Payment.start_at > now,),
    }[state]
