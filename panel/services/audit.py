"""The list of who changed what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Select, delete, or_, select, update

from panel.domain.deeds import deed_of
from panel.extensions import db, execute
from panel.models import AuditEntry
from panel.platforms import answers
from panel.platforms.sent import SentCall, collecting
from panel.services import listing
from panel.services.listing import Page

ORDERS = {"at": (AuditEntry.at, AuditEntry.id)}
NEWEST_FIRST = "-at"
#: So many names, and so many characters of a value, stand in the detail of an entry.
MOST_NAMES, LONGEST_VALUE = 20, 80

#: Stands while something is on its way to a server, and for good where the panel was stopped in between.
ON_ITS_WAY = "It is not known what came of it."


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


@contextmanager
def announced(by: str, begun: str, done: str, subject: str, detail: str, *, refusal: type[Exception]) -> Iterator[None]:
    """Around what a person has a server change outside of a run. That it is about to be is committed before, as the action `begun`; in its
    place comes `done`, with the requests that left, flushed. Where it fails those are committed with the reason, which a `refusal` says in
    a sentence, and all else of it is rolled back; where nothing had left, nothing stands."""
    entry = AuditEntry(by=by[:255], action=begun[:60], subject=subject[:500], detail=f"{detail}. {ON_ITS_WAY}")
    db.session.add(entry)
    db.session.commit()
    mine = AuditEntry.id == entry.id
    calls: list[SentCall] = []
    try:
        with collecting(calls):
            yield
    except Exception as error:
        db.session.rollback()
        reason = str(answers.storable(str(error))) if isinstance(error, refusal) else ON_ITS_WAY
        said = f"{_with_calls(detail, calls)}. {reason}"
        execute(update(AuditEntry).where(mine).values(detail=said) if calls else delete(AuditEntry).where(mine))
        db.session.commit()
        raise
    execute(update(AuditEntry).where(mine).values(action=done, detail=_with_calls(detail, calls)))


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    """What has changed, old → new, name by name; values are cut where they are long. Never give it secrets."""
    return "; ".join(f"{name}: {_shown(before[name])} → {_shown(value)}" for name, value in after.items() if before[name] != value)


def names(people: Sequence[tuple[int, str]], total: int | None = None) -> str:
    """Who was changed, by name and id, up to `MOST_NAMES` of them; `total`: how many there are, where not all were given."""
    said = ", ".join(f"{name[:LONGEST_VALUE]} ({number})" for number, name in people[:MOST_NAMES])
    left = (len(people) if total is None else total) - min(len(people), MOST_NAMES)
    return f"{said} and {left} more" if left > 0 else said


def _with_calls(detail: str, calls: Sequence[SentCall]) -> str:
    """Where something was done, and what was sent for it with what came back."""
    return ". ".join(filter(None, [detail, "; ".join(_told(call) for call in calls)]))


def _told(call: SentCall) -> str:
    deed, sent = deed_of(call.method, call.path), f"({call.method} {call.path})"
    if not call.result:
        return f"{deed.done} {sent}"
    return f"{deed.meant}: {f'answered with error {call.status}' if call.status else 'no answer'} {sent}"


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
