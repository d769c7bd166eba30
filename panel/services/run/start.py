"""How a run begins: judged once more, written down whole in one transaction that also takes hold of both servers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, update

from panel.domain.eligibility import Verdict
from panel.domain.reasons import Blocker, Refusal
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.services.preflight import Preflight
from panel.services.unreadable import why_unreadable

STARTS_LATER = "It begins at the time that was set."


@dataclass(frozen=True)
class Schedule:
    """When a run begins (`None`: at once), and how it is repeated for those who are left: hours between two rounds, and how many more."""

    start_at: datetime | None = None
    repeat_every_h: float = 0.0
    rounds: int = 0


AT_ONCE = Schedule()


class Blocked(Exception):
    """The run cannot start; `refusals` says why, each with a sentence."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(" ".join(refusal.message for refusal in refusals))
        self.refusals = tuple(refusals)


def start(flight: Preflight, schedule: Schedule = AT_ONCE) -> Migration:
    """Write the run and a row per user, skipped ones with their reasons; flushed. Raises `Blocked`.

    The two servers are taken by one conditional UPDATE, so that of two clicks at the same time one is refused. A run that begins later
    takes hold of no server yet, and its users are written down when it does.
    """
    if flight.blockers:
        raise Blocked(flight.blockers)
    run = Migration(
        source=flight.source,
        target=flight.target,
        removal=flight.removal,
        pace_s=flight.pace_s,
        repeat_every_h=schedule.repeat_every_h,
        rounds_left=schedule.rounds,
    )
    db.session.add(run)
    if schedule.start_at is not None and schedule.start_at > utc_now():
        run.start_at = run.wake_at = schedule.start_at
        run.wake_reason = STARTS_LATER
        db.session.flush()
        return run
    db.session.flush()
    if not hold_servers(run):
        db.session.rollback()
        raise Blocked([Refusal(Blocker.MIGRATION_RUNNING, "A migration or a sync has just begun on one of the two servers.")])
    write_users(run, flight)
    return run


def write_users(run: Migration, flight: Preflight, *, without: Collection[int] = ()) -> None:
    """A row per user but those `without` (ids), those who move first; flushed."""
    verdicts = [verdict for verdict in (*flight.moving, *flight.staying) if verdict.candidate.id not in without]
    rows = [_row(run, position, verdict, why_unreadable(flight, verdict.candidate.id)) for position, verdict in enumerate(verdicts)]
    if rows:
        db.session.execute(insert(Move), rows)


def _row(run: Migration, position: int, verdict: Verdict, detail: str) -> dict[str, Any]:
    return {
        "migration_id": run.id,
        "user_id": verdict.candidate.id,
        "position": position,
        "name": verdict.candidate.name,
        "reasons": verdict.reasons,
        "detail": detail,
        "status": MoveStatus.PENDING if verdict.moves else MoveStatus.SKIPPED,
        "step": Step.GIVE if verdict.moves else Step.DONE,
    }


def hold_servers(run: Migration, *server_ids: int) -> bool:
    """Take hold of source and target (or of `server_ids`) for this run; `False` when another run or a sync has one. Flushed."""
    ids = server_ids or (run.source_id, run.target_id)
    free = or_(Server.migration_id.is_(None), Server.migration_id == run.id)
    held = execute(update(Server).where(Server.id.in_(ids), free, ~Server.syncs_now).values(migration_id=run.id))
    return held == len(ids)
