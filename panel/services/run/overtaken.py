"""Whether a run that takes another one back has been overtaken for one of its users: what it was begun for is done, or no longer so."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import aliased

from panel.domain.statuses import OPEN, MoveStatus
from panel.extensions import db
from panel.models import Migration, Move
from panel.services.run.way_back import UNDER_WAY_OR_DONE


def is_overtaken() -> ColumnElement[bool]:
    """Of a user in a run that takes another back: whether a further one has taken them back, or is at it, or a later run has given them
    access again where this one withdraws it, or taken them on from where it gives it back. Another try would take from them what those
    have given. `overtaken_by` is the same in words."""
    return or_(_further_undo().scalar_subquery().is_not(None), _later_run().scalar_subquery().is_not(None))


def overtaken_by(move: Move) -> str:
    """By which run, as a sentence for the page; empty where by none. 1 query, or 2."""
    query = select(_further_undo().scalar_subquery(), _later_run().scalar_subquery()).where(Move.id == move.id)
    further_id, later_id = db.session.execute(query).one()
    if later_id is not None:
        return (
            f"Migration {later_id} has moved {move.name} since; another try would take away what that one has given. "
            f"To take migration {move.migration.undoes_id} back all the same, undo it once more."
        )
    if further_id is None:
        return ""
    theirs = select(Move.status).where(Move.migration_id == further_id, Move.user_id == move.user_id)
    return _in_place_of_this(further_id, move.name, db.session.execute(theirs).scalar_one())


def _in_place_of_this(run_id: int, name: str, status: MoveStatus) -> str:
    if status in OPEN:
        return f"Migration {run_id} is taking {name} back now, in place of this one."
    if status is MoveStatus.INVITED:
        return f"Migration {run_id} takes {name} back in place of this one, once the new invite is accepted."
    return f"Migration {run_id} has taken {name} back since, in place of this one; nothing is left to be tried again."


def _further_undo() -> Select[Any]:
    """The newest other run that has taken the same user back from the same run, or is at it; part of a query about `Move`."""
    mine, its_run, its_move = aliased(Migration), aliased(Migration), aliased(Move)
    return (
        select(func.max(its_run.id))
        .join(its_move, its_move.migration_id == its_run.id)
        .where(mine.id == Move.migration_id, its_run.undoes_id == mine.undoes_id, its_run.id != mine.id)
        .where(its_move.user_id == Move.user_id, its_move.status.in_(UNDER_WAY_OR_DONE))
        .correlate(Move)
    )


def _later_run() -> Select[Any]:
    """The newest run that has done something for the same user since this one last had them in hand, or was begun; part of a query about
    `Move`. Not the one that is taken back: what it gives, also late, is what this one is there for."""
    mine, its_run, its_move = aliased(Migration), aliased(Migration), aliased(Move)
    since = func.coalesce(Move.in_hand_at, mine.started_at, mine.created_at)
    gave_again = and_(its_run.target_id == mine.source_id, its_move.given_at > since)
    took_on = and_(its_run.source_id == mine.target_id, its_move.taken_at > since)
    return (
        select(func.max(its_run.id))
        .join(its_move, its_move.migration_id == its_run.id)
        .where(mine.id == Move.migration_id, mine.undoes_id.is_not(None), its_run.id.not_in((mine.id, mine.undoes_id)))
        .where(its_move.user_id == Move.user_id, or_(gave_again, took_on))
        .correlate(Move)
    )
