"""Plans: what they include, who is on them, and keeping exactly one the default."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import selectinload

from panel.domain.libraries import PRIVATE
from panel.extensions import db, execute
from panel.models import LibraryGroup, Payment, Plan
from panel.models.types import utc_now

LONGEST_DAYS = 3650


class PlanRefused(ValueError):
    """A plan cannot be changed like this; `str(error)` is a sentence, `field` what it is about (empty: the whole)."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True)
class PlanLine:
    """A plan, how many people are on it now, and how many payments name it."""

    plan: Plan
    users: int = 0
    payments: int = 0

    @property
    def why_no_delete(self) -> str:
        """Why it cannot be deleted; empty when it can."""
        if self.plan.is_default:
            return "This is the default plan. Make another one the default first."
        if self.payments:
            return f"{self.payments} payment{'s' if self.payments > 1 else ''} use it. Give those another plan first."
        return ""


@dataclass(frozen=True)
class Terms:
    """What an admin wants a plan to be."""

    name: str
    groups: tuple[LibraryGroup, ...]
    allow_downloads: bool
    duration_days: int
    is_default: bool


def plan_lines() -> list[PlanLine]:
    """All plans, the default first, then by name; 4 queries."""
    plans = db.session.scalars(select(Plan).options(selectinload(Plan.groups)).order_by(Plan.is_default.desc(), func.lower(Plan.name)))
    counts = dict(db.session.execute(select(Payment.plan_id, func.count()).group_by(Payment.plan_id)).all())
    users = users_by_plan()
    return [PlanLine(plan, users.get(plan.id, 0), counts.get(plan.id, 0)) for plan in plans]


def any_plan() -> bool:
    """Whether there is a plan at all."""
    return bool(db.session.scalar(select(exists(select(Plan.id)))))


def line_of(plan: Plan) -> PlanLine:
    """One plan with its numbers."""
    return next(line for line in plan_lines() if line.plan.id == plan.id)


def users_by_plan() -> Counter[int]:
    """How many people are on each plan now: of several payments in force the one that lasts longest counts. 1 query."""
    now = utc_now()
    in_force = db.session.execute(
        select(Payment.user_id, Payment.plan_id)
        .where(Payment.start_at <= now, Payment.end_at >= now)
        .order_by(Payment.end_at, Payment.start_at, Payment.plan_id)
    )
    return Counter(dict(in_force.all()).values())


def groups_to_choose() -> list[LibraryGroup]:
    """The groups a plan may include: all but Private."""
    return list(db.session.scalars(select(LibraryGroup).where(LibraryGroup.name != PRIVATE).order_by(func.lower(LibraryGroup.name))))


def save(plan: Plan, terms: Terms) -> None:
    """Make a new or a known plan what the terms say, flushed; the first plan becomes the default by itself. Raises `PlanRefused`."""
    name = " ".join(terms.name.split())
    _check(plan, name, terms)
    is_first = db.session.scalar(select(func.count()).select_from(Plan).where(Plan.is_default)) == 0
    if terms.is_default and not plan.is_default:
        execute(update(Plan).where(Plan.is_default).values(is_default=False))
    plan.name, plan.groups = name, list(terms.groups)
    plan.allow_downloads, plan.duration_days = terms.allow_downloads, terms.duration_days
    plan.is_default = terms.is_default or is_first
    db.session.add(plan)
    db.session.flush()


def delete(plan: Plan) -> None:
    """Delete a plan that nothing uses, flushed. Raises `PlanRefused`."""
    why_not = line_of(plan).why_no_delete
    if why_not:
        raise PlanRefused(why_not)
    db.session.delete(plan)
    db.session.flush()


def _check(plan: Plan, name: str, terms: Terms) -> None:
    rows = db.session.execute(select(Plan.id, Plan.name))
    taken = next((other for number, other in rows if number != plan.id and other.casefold() == name.casefold()), None)
    if taken is not None:
        raise PlanRefused(f"There is a plan {taken} already.", "name")
    if not terms.groups:
        raise PlanRefused("Choose at least one library group.", "groups")
    if any(group.name == PRIVATE for group in terms.groups):
        raise PlanRefused("Private is never opened by a plan.", "groups")
    if plan.is_default and not terms.is_default:
        raise PlanRefused("One plan has to be the default. Make another one the default instead.", "is_default")
