"""What is known of every user, read at once and without the weight of rows that can be changed."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from panel.domain.subscriptions import Period, PlanTerms
from panel.extensions import db
from panel.models import Payment, Plan, User


@dataclass(frozen=True, slots=True)
class UserFacts:
    """One user as stored, with the payments; the fields mean what they mean in `User`."""

    periods: tuple[Period, ...]
    id: int
    name: str
    email: str
    plex_email: str
    emby_email: str
    jellyfin_name: str
    plex_id: str
    plex_username: str
    is_managed: bool
    permanent: bool
    must_change_plex_account: bool

    @property
    def emails(self) -> tuple[str, ...]:
        """All addresses known for this person, case-folded, without repeats."""
        return tuple(dict.fromkeys(email.casefold() for email in (self.email, self.plex_email, self.emby_email) if email))


_COLUMNS = [getattr(User, field.name) for field in fields(UserFacts) if field.name != "periods"]


def all_users() -> list[UserFacts]:
    """Every user with payments and plans, by name, in a fixed number of queries however many there are."""
    periods = _periods()
    rows = db.session.execute(select(*_COLUMNS).order_by(func.lower(User.name), User.id))
    return [UserFacts(periods.get(row[0], ()), *row) for row in rows]


def terms_of(plan: Plan) -> PlanTerms:
    """A plan as the rules see it."""
    return PlanTerms(plan.id, plan.name, frozenset(group.id for group in plan.groups), plan.allow_downloads)


def _periods() -> dict[int, tuple[Period, ...]]:
    query = select(Payment.user_id, Payment.plan_id, Payment.start_at, Payment.end_at).order_by(Payment.start_at, Payment.id)
    payments = db.session.execute(query).all()
    # After the payments: a plan that has been added in between is there.
    terms = {plan.id: terms_of(plan) for plan in db.session.scalars(select(Plan).options(selectinload(Plan.groups)))}
    found: dict[int, tuple[Period, ...]] = {}
    for user_id, plan_id, start, end in payments:
        if plan_id in terms:
            found[user_id] = (*found.get(user_id, ()), Period(terms[plan_id], start, end))
    return found
