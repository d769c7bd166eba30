"""Two users who are one person become one row: everything of the other goes over to the first, nothing that happened is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from panel.domain.statuses import MoveStatus
from panel.extensions import db, execute
from panel.models import Account, Move, Payment, PossibleTwin, SentRequest, Share, User
from panel.services.users import why_not_removable

#: Filled in from the other where the first has none.
FILLED = ("email", "plex_email", "emby_email", "jellyfin_name")
#: Never touched a server, so their rows say nothing but that.
HARMLESS = (MoveStatus.SKIPPED, MoveStatus.CANCELLED)


class NotMergeable(ValueError):
    """These two cannot become one; `str(error)` says why."""


@dataclass(frozen=True)
class Merge:
    """What merging two users does. `filled`: columns the first takes over; `kept_in_notes`: addresses and names of the other that have no
    column left; `dropped`: rows of runs in which both were listed and one was left out (skipped or cancelled)."""

    payments: int
    shares: int
    accounts: int
    moves: int
    filled: dict[str, str]
    kept_in_notes: tuple[str, ...]
    dropped: tuple[int, ...]
    problem: str = ""


def plan(first: User, other: User) -> Merge:
    """What `merge` would do, and why it cannot (`problem`); changes nothing."""
    problem, dropped = _conflicts(first, other)
    counts = {model: _count(model, other) for model in (Payment, Share, Account, Move)}
    theirs = db.session.scalars(select(Move.id).where(Move.user_id == other.id, Move.id.in_(dropped))).all()
    filled = {column: getattr(other, column) for column in FILLED if getattr(other, column) and not getattr(first, column)}
    return Merge(
        payments=counts[Payment],
        shares=counts[Share],
        accounts=counts[Account],
        moves=counts[Move] - len(theirs),
        filled=filled,
        kept_in_notes=tuple(_left_over(first, other, filled)),
        dropped=dropped,
        problem=_why_not(first, other) or problem,
    )


def merge(first: User, other: User) -> Merge:
    """Make them one; flushed, `other` is deleted. Raises `NotMergeable` and then has changed nothing."""
    planned = plan(first, other)
    if planned.problem:
        raise NotMergeable(planned.problem)
    other_id = other.id
    _write_person(first, other, planned)
    db.session.flush()
    _carry_requests((first.id, other_id), planned.dropped)
    execute(delete(Move).where(Move.id.in_(planned.dropped)))
    for model in (Payment, Share, Account, Move):
        execute(update(model).where(model.user_id == other_id).values(user_id=first.id))
    _carry_questions(first.id, other_id)
    db.session.expire_all()
    # By a statement of its own: the mapper would delete the payments it remembers with the user.
    execute(delete(User).where(User.id == other_id))
    db.session.expunge(other)
    return planned


def _why_not(first: User, other: User) -> str:
    if first.id == other.id:
        return "That is the same user: choose another one."
    if first.plex_id and other.plex_id and first.plex_id != other.plex_id:
        return (
            f"{first.name} and {other.name} have two different Plex accounts. The panel knows one for each user, so the next sync would "
            "list the second one again: keep them as two users."
        )
    return why_not_removable(first, other)


def _conflicts(first: User, other: User) -> tuple[str, tuple[int, ...]]:
    """Runs that list both: why that is in the way, and the rows that go because one of the two was left out."""
    rows = db.session.scalars(select(Move).where(Move.user_id.in_((first.id, other.id))).order_by(Move.id))
    by_run: dict[int, dict[int, Move]] = {}
    for move in rows:
        by_run.setdefault(move.migration_id, {})[move.user_id] = move
    dropped = []
    for run_id, moves in by_run.items():
        if len(moves) < 2:
            continue
        # The first's row stays where either could go.
        untouched = next((move for move in (moves[other.id], moves[first.id]) if _is_harmless(move)), None)
        if untouched is None:
            return f"Migration {run_id} has dealt with both of them: what it did for one would be lost. Keep them as two users.", ()
        dropped.append(untouched.id)
    return "", tuple(dropped)


def _is_harmless(move: Move) -> bool:
    return move.status in HARMLESS and not (move.given_at or move.taken_at or move.created_account or move.taken or move.before)


def _left_over(first: User, other: User, filled: dict[str, str]) -> Iterable[str]:
    """What the other is known by and the merged user has no place for."""
    known = {value.casefold() for value in (first.name, *first.emails, first.jellyfin_name, first.plex_username, *filled.values())}
    for value in (other.name, *(getattr(other, column) for column in FILLED)):
        if value and value.casefold() not in known:
            known.add(value.casefold())
            yield value


def _write_person(first: User, other: User, planned: Merge) -> None:
    for column, value in planned.filled.items():
        setattr(first, column, value)
    if other.plex_id and not first.plex_id:
        first.plex_id, first.plex_username, first.is_managed = other.plex_id, other.plex_username, other.is_managed
    first.permanent = first.permanent or other.permanent
    first.imported = first.imported or other.imported
    first.must_change_plex_account = first.must_change_plex_account or other.must_change_plex_account
    first.created_at = min(first.created_at, other.created_at)
    also = f"Merged with another user, also known as: {', '.join(planned.kept_in_notes)}." if planned.kept_in_notes else ""
    first.notes = "\n".join(part for part in (first.notes, other.notes, also) if part)


def _carry_requests(user_ids: tuple[int, int], dropped: tuple[int, ...]) -> None:
    """What was sent for a row that goes is shown with the one that stays in the same run."""
    for run_id, move_id in db.session.execute(select(Move.migration_id, Move.id).where(Move.id.in_(dropped))).all():
        stays = select(Move.id).where(Move.migration_id == run_id, Move.user_id.in_(user_ids), Move.id != move_id).scalar_subquery()
        execute(update(SentRequest).where(SentRequest.move_id == move_id).values(move_id=stays))


def _carry_questions(first_id: int, other_id: int) -> None:
    """Questions about the other become the first's, but for those between the two and those the first has already."""
    rows = list(db.session.scalars(select(PossibleTwin).where(or_(_about(first_id), _about(other_id)))))
    seen = {frozenset((row.user_id, row.other_id)) for row in rows if other_id not in (row.user_id, row.other_id)}
    for row in rows:
        if other_id not in (row.user_id, row.other_id):
            continue
        third = row.other_id if row.user_id == other_id else row.user_id
        if third == first_id or frozenset((first_id, third)) in seen:
            execute(delete(PossibleTwin).where(PossibleTwin.id == row.id))
            continue
        seen.add(frozenset((first_id, third)))
        column = PossibleTwin.user_id if row.user_id == other_id else PossibleTwin.other_id
        execute(update(PossibleTwin).where(PossibleTwin.id == row.id).values({column: first_id}))


def _about(user_id: int) -> ColumnElement[bool]:
    return or_(PossibleTwin.user_id == user_id, PossibleTwin.other_id == user_id)


def _count(model: type[Payment] | type[Share] | type[Account] | type[Move], user: User) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(model.user_id == user.id)) or 0
