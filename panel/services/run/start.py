"""How a run begins: judged once more, written down whole in one transaction that also takes hold of both servers."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, update

from panel.domain.reasons import Blocker, Refusal
from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.services.preflight import Preflight


class Blocked(Exception):
    """The run cannot start; `refusals` says why, each with a sentence."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(" ".join(refusal.message for refusal in refusals))
        self.refusals = tuple(refusals)


def start(flight: Preflight) -> Migration:
    """Write the run and a row per user, skipped ones with their reasons; flushed. Raises `Blocked`.

    The two servers are taken by one conditional UPDATE, so that of two clicks at the same time one is refused.
    """
    if flight.blockers:
        raise Blocked(flight.blockers)
    run = Migration(source=flight.source, target=flight.target, removal=flight.removal, pace_s=flight.pace_s, status=MigrationStatus.QUEUED)
    db.session.add(run)
    db.session.flush()
    if not hold_servers(run):
        db.session.rollback()
        raise Blocked([Refusal(Blocker.MIGRATION_RUNNING, "A migration or a sync has just begun on one of the two servers.")])
    for position, verdict in enumerate([*flight.moving, *flight.staying]):
        db.session.add(
            Move(
                migration_id=run.id,
                user_id=verdict.candidate.id,
                position=position,
                name=verdict.candidate.name,
                reasons=verdict.reasons,
                status=MoveStatus.PENDING if verdict.moves else MoveStatus.SKIPPED,
                step=Step.GIVE if verdict.moves else Step.DONE,
            )
        )
    db.session.flush()
    return run


def hold_servers(run: Migration, *server_ids: int) -> bool:
    """Take hold of source and target (or of `server_ids`) for this run; `False` when another run or a sync has one. Flushed."""
    ids = server_ids or (run.source_id, run.target_id)
    free = or_(Server.migration_id.is_(None), Server.migration_id == run.id)
    idle = or_(Server.syncing_until.is_(None), Server.syncing_until < utc_now())
    held = execute(update(Server).where(Server.id.in_(ids), free, idle).values(migration_id=run.id))
    return held == len(ids)
