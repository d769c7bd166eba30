"""Which users a list shows and in which order: said in the query, however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import joinedload, selectinload

from panel.extensions import db
from panel.models import Payment, Plan, Share, User
from panel.models.types import utc_now

#: What the list can be narrowed to, and how that reads.
SHOWN = {
    "active": "Active",
    "expired": "Without a payment now",
    "unpaid": "Never had a payment",
    "permanent": "Permanent",
    "no-plex-email": "No Plex e-mail",
    "no-emby-email": "No Emby e-mail",
    "waiting": "Invite not accepted yet",
    "must-change": "Must change Plex account",
}


def matching(search: str = "", filters: Mapping[str, str] | None = None) -> Select[Any]:
    """The users whose name or any e-mail holds `search`, and who are as `filters` say: `show` (a key of `SHOWN`), `server` (an id)."""
    filters = filters or {}
    query = select(User)
    if search:
        query = query.where(holds(search))
    if filters.get("show") in SHOWN:
        query = query.where(_are(filters["show"], utc_now()))
    if (server_id := filters.get("server", "")).isdecimal() and len(server_id) < 10:
        query = query.where(exists().where(Share.user_id == User.id, Share.server_id == int(server_id)))
    return query


def holds(search: str) -> ColumnElement[bool]:
    """Whether a user's name or any of their addresses and names on platforms holds this text, in any case."""
    # One look at them together takes a third of the time of six; nobody searches for the end of a line.
    together: ColumnElement[str] = User.name.expression
    for column in (User.email, User.plex_email, User.emby_email, User.plex_username, User.jellyfin_name):
        together = together + "\n" + column
    return together.icontains(search, autoescape=True)


def orders() -> dict[str, Sequence[Any]]:
    """What the list can be sorted by; `plan` and `paid` look at the payments."""
    now = utc_now()
    paid_until = select(func.max(Payment.end_at)).where(Payment.user_id == User.id).correlate(User).scalar_subquery()
    plan = select(func.min(Plan.name)).join(Payment).where(Payment.user_id == User.id, *_covering(now)).correlate(User).scalar_subquery()
    return {
        "name": (func.lower(User.name), User.id),
        "plan": (func.coalesce(plan, ""), User.id),
        "paid": (func.coalesce(paid_until, datetime.min.replace(tzinfo=now.tzinfo)), User.id),
        "added": (User.created_at, User.id),
    }


def with_payments(query: Select[Any]) -> Select[Any]:
    """The same with payments and plans loaded for a page of rows, 1 query more."""
    return query.options(selectinload(User.payments).joinedload(Payment.plan))


def shares_by_user(users: Sequence[User]) -> dict[int, list[Share]]:
    """The shares of these users with their servers; 1 query."""
    query = select(Share).where(Share.user_id.in_([user.id for user in users])).options(joinedload(Share.server)).order_by(Share.id)
    found: dict[int, list[Share]] = {user.id: [] for user in users}
    for share in db.session.scalars(query):
        found[share.user_id].append(share)
    return found


def payment_now(user: User) -> Payment | None:
    """The payment in force; of several the one that began last."""
    now = utc_now()
    current = [payment for payment in user.payments if payment.start_at <= now <= payment.end_at]
    return max(current, key=lambda payment: payment.start_at, default=None)


def paid_until(user: User) -> datetime | None:
    """The last moment any payment covers."""
    return max((payment.end_at for payment in user.payments), default=None)


def _are(shown: str, now: datetime) -> ColumnElement[bool]:
    paying = exists().where(Payment.user_id == User.id, *_covering(now))
    return {
        "active": or_(User.permanent, paying),
        "expired": and_(~User.permanent, ~paying),
        "unpaid": never_paid(),
        "permanent": User.permanent.is_(True),
        "no-plex-email": User.plex_email == "",
        "no-emby-email": User.emby_email == "",
        "waiting": exists().where(Share.user_id == User.id, Share.accepted_at.is_(None)),
        "must-change": User.must_change_plex_account.is_(True),
    }[shown]


def never_paid() -> ColumnElement[bool]:
    """Whether a user who needs a payment has had none yet, as newcomers of a sync without a default plan."""
    return and_(User.permanent.is_(False), ~exists().where(Payment.user_id == User.id))


def _covering(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Payment.start_at <= now, Payment.end_at >= now)
