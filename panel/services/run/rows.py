"""Claims and outcomes of single users, each a conditional UPDATE under the epoch of the worker that has the run in hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.orm import selectinload

from panel.domain.statuses import OPEN, WORKABLE, MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now


@dataclass(frozen=True)
class Wait:
    """Nothing can be done before `until`; `why` is a sentence for the page."""

    until: datetime
    why: str = ""


#: What a stage answers: it did something, there is nothing for it to do, or it has to wait.
Outcome = bool | Wait


def claim_left_behind(run_id: int, epoch: int) -> None:
    """Take over what an earlier worker had in hand when it died. Whether its request left is unknown, so each needs a look first."""
    execute(
        update(Move).where(Move.migration_id == run_id, Move.claim.is_not(None), Move.claim < epoch).values(claim=epoch, needs_look=True)
    )
    db.session.commit()


def in_hand(run_id: int, epoch: int, step: Step) -> list[Move]:
    """The users of this step that this worker has in hand, in order."""
    return _loaded(select(Move.id).where(Move.migration_id == run_id, Move.claim == epoch, Move.step == step))


def claim_next(run_id: int, epoch: int, step: Step, limit: int, statuses: Sequence[MoveStatus], **also: Any) -> list[Move]:
    """Take up to `limit` users of this step in hand, where the run is still being worked on; flushed. `also`: columns set with it."""
    due = or_(Move.not_before.is_(None), Move.not_before <= utc_now())
    ids = db.session.scalars(
        select(Move.id)
        .where(Move.migration_id == run_id, Move.step == step, Move.status.in_(statuses), Move.claim.is_(None), due)
        .order_by(Move.position)
        .limit(limit)
    ).all()
    if not ids:
        return []
    mine = exists().where(Migration.id == run_id, Migration.epoch == epoch, ~_halted(step))
    execute(
        update(Move)
        .where(Move.id.in_(ids), Move.claim.is_(None), Move.step == step, Move.status.in_(statuses), mine)
        .values(claim=epoch, **also)
    )
    return _loaded(select(Move.id).where(Move.id.in_(ids), Move.claim == epoch))


def _halted(step: Step) -> ColumnElement[bool]:
    """Which run takes nobody new in hand: for giving one that is not at work, for settling what was given only a paused one."""
    if step is Step.GIVE:
        return Migration.status.not_in(WORKABLE)
    return Migration.status == "paused"


def _loaded(ids: Any) -> list[Move]:
    query = (
        select(Move)
        .where(Move.id.in_(ids))
        .order_by(Move.position)
        .options(selectinload(Move.libraries))
        .execution_options(populate_existing=True)
    )
    return list(db.session.scalars(query))


def record(move_id: int, epoch: int, **values: Any) -> bool:
    """Write what became of a user and let go of them; flushed. `False`: somebody else has them by now, nothing was written."""
    done = execute(update(Move).where(Move.id == move_id, Move.claim == epoch).values(claim=None, changed_at=utc_now(), **values))
    return done == 1


def record_each(moves: Iterable[Move], **values: Any) -> None:
    """Let go of several untouched users at once; flushed."""
    for move in moves:
        if move.claim is not None:
            record(move.id, move.claim, **values)


def count_open(run_id: int, step: Step | None = None) -> int:
    """How many users are still to be dealt with, at this step or at any."""
    query = select(func.count()).select_from(Move).where(Move.migration_id == run_id, Move.status.in_(OPEN))
    return db.session.scalar(query.where(Move.step == step) if step else query) or 0


def next_retry_at(run_id: int, step: Step) -> datetime | None:
    """When the first user of this step that has to wait for its next try may be taken."""
    return db.session.scalar(select(func.min(Move.not_before)).where(Move.migration_id == run_id, Move.step == step, Move.status.in_(OPEN)))
