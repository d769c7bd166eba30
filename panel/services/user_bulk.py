"""One change for many users or payments at once: counted first, then done in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, exists, func, select, update

from panel.domain.subscriptions import days_from
from panel.extensions import db, execute
from panel.models import Payment, Plan, User
from panel.models.types import utc_now
from panel.services import audit
from panel.services.fingerprint import fingerprint

#: What can be done to many, and how that reads.
CHANGES = {
    "pay": "Give a payment from today to those who have none now",
    "permanent": "Make permanent",
    "standard": "Make standard (no longer permanent)",
    "must-change": "Set “must change Plex account”",
    "need-not-change": "Clear “must change Plex account”",
    "plan": "Change the plan of the payment in force",
    "extend": "Extend the last payment that has not ended",
}
FLAGS: dict[str, tuple[str, bool]] = {
    "permanent": ("permanent", True),
    "standard": ("permanent", False),
    "must-change": ("must_change_plex_account", True),
    "need-not-change": ("must_change_plex_account", False),
}
SO_ALREADY = ("is so already", "are so already")
#: Why a change leaves somebody as they are: said of one, and of several.
STAYS: dict[str, tuple[str, str]] = {
    "pay": ("has a payment in force or is permanent", "have a payment in force or are permanent"),
    "plan": ("has this plan already or no payment in force", "have this plan already or no payment in force"),
    "extend": ("has no payment that has not ended", "have no payment that has not ended"),
}
#: The changes that need a plan.
WITH_PLAN = ("pay", "plan")
#: So long may payments be extended at once.
MOST_DAYS = 3650
#: Databases take a limited number of values in one query.
AT_ONCE = 500


@dataclass(frozen=True)
class Change:
    """What is to be done: a key of `CHANGES`, with the plan or the days it needs."""

    kind: str
    plan: Plan | None = None
    days: int = 0

    @property
    def sentence(self) -> str:
        """What it does, as the beginning of a sentence."""
        if self.kind == "pay" and self.plan:
            return f"Give those who have none now a payment on {self.plan.name}, {self.plan.duration_days} days from today"
        if self.kind == "plan" and self.plan:
            return f"Change the plan of the payment in force to {self.plan.name}"
        return f"Extend the last payment that has not ended by {self.days} days" if self.kind == "extend" else CHANGES[self.kind]

    @property
    def stays(self) -> tuple[str, str]:
        """Why somebody stays as they are: said of one, and of several."""
        return STAYS.get(self.kind, SO_ALREADY)


@dataclass(frozen=True)
class Effect:
    """How many were chosen, and for how many anything changes. `fingerprint` tells these people and rows from others; `first`: the first
    of those whom it changes, by id and name, once that is done."""

    chosen: int
    changed: int
    fingerprint: str
    first: tuple[tuple[int, str], ...] = ()


def effect(change: Change, users: Select[Any]) -> Effect:
    """What `apply` would do to these users; changes nothing."""
    return _effect(users, _met(change, users))


def apply(change: Change, users: Select[Any]) -> Effect:
    """Do it; flushed. Answers what was done."""
    met = _met(change, users)
    done = replace(_effect(users, met), first=_first(change, met))
    if change.kind == "extend":
        extend_payments(met, change.days)
    elif change.kind == "pay":
        _give_payments(met, change.plan)
    else:
        model, values = _values(change)
        for start in range(0, len(met), AT_ONCE):
            execute(update(model).where(model.id.in_(met[start : start + AT_ONCE])).values(**values))
    db.session.expire_all()
    return done


def extend_payments(payment_ids: Sequence[int], days: int) -> None:
    """Let these payments end so many days later; flushed."""
    ends: list[tuple[int, datetime]] = []
    for start in range(0, len(payment_ids), AT_ONCE):
        ids = payment_ids[start : start + AT_ONCE]
        ends += [(row[0], row[1]) for row in db.session.execute(select(Payment.id, Payment.end_at).where(Payment.id.in_(ids)))]
    if ends:
        table = cast(Table, Payment.__table__)
        statement = update(table).where(table.c.id == bindparam("payment")).values(end_at=bindparam("new_end", type_=table.c.end_at.type))
        db.session.execute(statement, [{"payment": row_id, "new_end": end + timedelta(days=days)} for row_id, end in ends])
    db.session.expire_all()


def _first(change: Change, met: Sequence[int]) -> tuple[tuple[int, str], ...]:
    by_payment = change.kind in ("plan", "extend")
    query = select(User.id, User.name).order_by(func.lower(User.name), User.id)
    ids = met[: audit.MOST_NAMES]
    query = query.join(Payment).where(Payment.id.in_(ids)) if by_payment else query.where(User.id.in_(ids))
    return tuple((row[0], row[1]) for row in db.session.execute(query))


def _give_payments(user_ids: Sequence[int], plan: Plan | None) -> None:
    assert plan is not None
    start, end = days_from(utc_now().date(), plan.duration_days)
    db.session.add_all(Payment(user_id=user_id, plan_id=plan.id, start_at=start, end_at=end) for user_id in user_ids)
    db.session.flush()


def _values(change: Change) -> tuple[type[User] | type[Payment], dict[str, object]]:
    if change.kind == "plan":
        assert change.plan is not None
        return Payment, {"plan_id": change.plan.id}
    column, value = FLAGS[change.kind]
    return User, {column: value}


def _met(change: Change, users: Select[Any]) -> list[int]:
    """The ids of the rows that change: users, or for another plan and more days one payment of each."""
    ids = users.order_by(None).with_only_columns(User.id)
    if change.kind in FLAGS:
        column, value = FLAGS[change.kind]
        return list(db.session.scalars(select(User.id).where(User.id.in_(ids), getattr(User, column).is_(not value))))
    now = utc_now()
    if change.kind == "pay":
        paying = exists().where(Payment.user_id == User.id, Payment.start_at <= now, Payment.end_at >= now)
        return list(db.session.scalars(select(User.id).where(User.id.in_(ids), User.permanent.is_(False), ~paying)))
    query = select(Payment.user_id, Payment.id, Payment.plan_id).where(Payment.user_id.in_(ids), Payment.end_at >= now)
    if change.kind == "plan":
        query = query.where(Payment.start_at <= now).order_by(Payment.start_at, Payment.id)
    else:
        query = query.order_by(Payment.end_at, Payment.id)
    last = {row[0]: (row[1], row[2]) for row in db.session.execute(query)}
    plan_id = change.plan.id if change.plan else None
    return sorted(payment for payment, plan in last.values() if plan != plan_id)


def _effect(users: Select[Any], met: Sequence[int]) -> Effect:
    chosen = list(db.session.scalars(users.order_by(None).with_only_columns(User.id)))
    return Effect(len(chosen), len(met), fingerprint(chosen, met))
