"""Which runs the list of migrations shows and in which order: said in the query, however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, and_, case, cast, extract, func, or_, select
from sqlalchemy.orm import selectinload

from panel.domain.statuses import ACTIVE, MigrationStatus
from panel.extensions import db
from panel.models import Migration, Server

#: What the list can be narrowed to, and how that reads.
STATES = {"active": "Under way", "scheduled": "Scheduled", "finished": "Finished", "failed": "Failed", "cancelled": "Cancelled"}
NEWEST_FIRST = "-number"


def matching(search: str = "", filters: Mapping[str, str] | None = None) -> Select[Any]:
    """The runs from or to a server whose name holds `search`, or with that number, that are as `filters` say: `state` (a key of `STATES`),
    `server` (an id, on either side)."""
    filters = filters or {}
    query = select(Migration)
    if search:
        query = query.where(_found_by(search))
    if filters.get("state") in STATES:
        query = query.where(_are(filters["state"]))
    if (server_id := filters.get("server", "")).isdecimal() and len(server_id) < 10:
        query = query.where(or_(Migration.source_id == int(server_id), Migration.target_id == int(server_id)))
    return query


def with_servers(query: Select[Any]) -> Select[Any]:
    """The same with both servers loaded for a page of rows, 2 queries more."""
    return query.options(selectinload(Migration.source), selectinload(Migration.target))


def orders() -> dict[str, Sequence[Any]]:
    """What the list can be sorted by: as the list shows it. A run that has taken no time yet goes before those that have."""
    begun = func.coalesce(Migration.started_at, Migration.created_at)
    waits = and_(Migration.started_at.is_(None), Migration.ended_at.is_(None), Migration.start_at.is_not(None))
    took = case((_never_begun(), None), else_=_seconds(Migration.ended_at) - _seconds(begun))
    return {
        "number": (Migration.id,),
        "started": (case((_never_begun(), Migration.created_at), (waits, Migration.start_at), else_=begun), Migration.id),
        "took": (func.coalesce(took, -1.0), Migration.id),
    }


def is_scheduled(run: Migration) -> bool:
    """Whether a run waits for the time that was set for it."""
    return run.status in ACTIVE and run.start_at is not None and run.started_at is None


def _found_by(search: str) -> ColumnElement[bool]:
    named = select(Server.id).where(Server.name.icontains(search, autoescape=True))
    found = or_(Migration.source_id.in_(named), Migration.target_id.in_(named))
    return or_(found, Migration.id == int(search)) if search.isdecimal() and len(search) < 10 else found


def _are(state: str) -> ColumnElement[bool]:
    waits = and_(Migration.start_at.is_not(None), Migration.started_at.is_(None))
    if state in ("active", "scheduled"):
        return and_(Migration.status.in_(ACTIVE), waits if state == "scheduled" else ~waits)
    return Migration.status == MigrationStatus(state)


def _never_begun() -> ColumnElement[bool]:
    return and_(Migration.status == MigrationStatus.CANCELLED, Migration.started_at.is_(None))


def _seconds(at: Any) -> ColumnElement[float]:
    """A time as a number that can be subtracted: databases do not agree on the difference of two times."""
    if db.session.get_bind().dialect.name == "sqlite":
        return func.julianday(at) * 86400.0
    return cast(extract("epoch", at), Float)
