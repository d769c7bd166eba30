"""The list of who changed what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, or_, select

from panel.extensions import db
from panel.models import AuditEntry
from panel.services import listing
from panel.services.listing import Page

ORDERS = {"at": (AuditEntry.at, AuditEntry.id)}
NEWEST_FIRST = "-at"
#: So many names, and so many characters of a value, stand in the detail of an entry.
MOST_NAMES, LONGEST_VALUE = 20, 80


@dataclass(frozen=True)
class Wanted:
    """Which entries: of one admin, of one kind, with some words in them; empty means all. `named`: the actions that read like these words
    on the page."""

    by: str = ""
    action: str = ""
    search: str = ""
    named: tuple[str, ...] = ()


def note(by: str, action: str, subject: str = "", detail: str = "") -> None:
    """Write down one change together with it; flushed with the rest. `action`: noun and past participle, such as `server.edited`."""
    db.session.add(AuditEntry(by=by[:255], action=action[:60], subject=subject[:500], detail=detail))


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """What has changed, old → new, name by name; values are cut where they are long. Never give it secrets."""
    return "; ".join(f"{name}: {_shown(before[name])} → {_shown(value)}" for name, value in after.items() if before[name] != value)


def names(people: Sequence[tuple[int, str]], total: int | None = None) -> str:
    """Who was changed, by name and id, up to `MOST_NAMES` of them; `total`: how many there are, where not all were given."""
    said = ", ".join(f"{name[:LONGEST_VALUE]} ({number})" for number, name in people[:MOST_NAMES])
    left = (len(people) if total is None else total) - min(len(people), MOST_NAMES)
    return f"{said} and {left} more" if left > 0 else said


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(str(value).split()) if value not in (None, "") else "empty"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def entries(wanted: Wanted, sort: str, number: int) -> Page[AuditEntry]:
    """One page of them, newest first unless `sort` is `at`; 2 queries."""
    _, order = listing.order_from(sort, ORDERS, NEWEST_FIRST)
    return listing.page_of(_query(wanted), number, order)


def authors() -> list[str]:
    """Everybody who has changed something."""
    return list(db.session.scalars(select(AuditEntry.by).where(AuditEntry.by != "").distinct().order_by(AuditEntry.by)))


def actions() -> list[str]:
    """Every kind of change there has been."""
    return list(db.session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)))


def _query(wanted: Wanted) -> Select[AuditEntry]:
    query = select(AuditEntry)
    if wanted.by:
        query = query.where(AuditEntry.by == wanted.by)
    if wanted.action:
        query = query.where(AuditEntry.action == wanted.action)
    if wanted.search:
        columns = (AuditEntry.by, AuditEntry.action, AuditEntry.subject, AuditEntry.detail)
        query = query.where(
            or_(*(column.icontains(wanted.search, autoescape=True) for column in columns), AuditEntry.action.in_(wanted.named))
        )
    return query
