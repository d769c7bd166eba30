"""What has been taken back of a run, by which other run, and how far that is: asked wherever the first one is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, and_, cast, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from panel.domain.statuses import OPEN, MoveStatus
from panel.extensions import db
from panel.models import Migration, Move

#: Of somebody whose way back is here, nothing is left to take back.
UNDER_WAY_OR_DONE = (*OPEN, MoveStatus.MOVED, MoveStatus.INVITED)


@dataclass(frozen=True)
class WayBack:
    """The attempt to take one user back that has come to something or is under way, else the newest: by which run, and how it stands."""

    run_id: int
    status: MoveStatus

    @property
    def is_under_way(self) -> bool:
        """Whether it goes on at this moment, or waits for the person to accept an invite."""
        return self.status in OPEN or self.status is MoveStatus.INVITED

    @property
    def is_done(self) -> bool:
        """Whether all of it is as it was before."""
        return self.status is MoveStatus.MOVED

    @property
    def sentence(self) -> str:
        """How it stands, beginning with the word “Migration” and the number of the run."""
        if self.status in OPEN:
            return f"Migration {self.run_id} is taking this back now."
        return {
            MoveStatus.MOVED: f"Migration {self.run_id} has taken this back.",
            MoveStatus.INVITED: f"Migration {self.run_id} takes this back once the new invite to the source is accepted.",
            MoveStatus.CANCELLED: f"Migration {self.run_id} was cancelled before it took this back.",
        }.get(self.status, f"Migration {self.run_id} could not take this back.")


@dataclass(frozen=True)
class TakenBack:
    """What the runs that take one back have come to: their ids in order, for how many people it is done, and which of them is at work."""

    by: tuple[int, ...] = ()
    people: int = 0
    now_by: int | None = None


def way_back(move: Move) -> WayBack | None:
    """How taking this user back stands; `None` where nobody has tried. 1 query."""
    return ways_back([move]).get(move.id)


def ways_back(moves: Iterable[Move]) -> dict[int, WayBack]:
    """The same for many, of one run or of several, by the id of the move; 1 query."""
    here = {(move.migration_id, move.user_id): move.id for move in moves}
    if not here:
        return {}
    runs, users = {key[0] for key in here}, {key[1] for key in here}
    query = (
        select(Migration.undoes_id, Move.user_id, Migration.id, Move.status)
        .join(Move, Move.migration_id == Migration.id)
        .where(Migration.undoes_id.in_(runs), Move.user_id.in_(users))
        # An older one may have been tried again after a newer one has failed.
        .order_by(Move.status.in_(UNDER_WAY_OR_DONE), Migration.id)
    )
    rows = [((undoes_id, user_id), WayBack(run_id, status)) for undoes_id, user_id, run_id, status in db.session.execute(query)]
    return {here[key]: found for key, found in rows if key in here}


def taken_back(run_id: int) -> TakenBack:
    """What has been taken back of a run as a whole; 1 query."""
    done = func.count(Move.id).filter(Move.status == MoveStatus.MOVED)
    query = (
        select(Migration.id, Migration.ended_at, done)
        .outerjoin(Move, Move.migration_id == Migration.id)
        .where(Migration.undoes_id == run_id)
        .group_by(Migration.id, Migration.ended_at)
        .order_by(Migration.id)
    )
    rows = db.session.execute(query).all()
    at_work = [number for number, ended_at, _people in rows if ended_at is None]
    return TakenBack(
        by=tuple(number for number, _ended_at, people in rows if people),
        people=sum(people for *_rest, people in rows),
        now_by=at_work[-1] if at_work else None,
    )


def is_anything_left(run_id: int) -> bool:
    """Whether the rows of a run tell of somebody for whom something could be taken back; 1 query."""
    return bool(db.session.scalar(select(exists().where(Move.migration_id == run_id, is_left_to_take_back()))))


def is_left_to_take_back() -> ColumnElement[bool]:
    """Of a user in a run that moves: whether it has changed something for them that is not taken back, nor about to be."""
    return and_(is_changed(), ~is_taken_back())


def has_changed(move: Move) -> bool:
    """Whether a run has changed something for this user, or has only begun to: the answer may have been lost. 1 query."""
    return bool(db.session.scalar(select(exists().where(Move.id == move.id, is_changed()))))


def is_kept(column: InstrumentedAttribute[dict[str, object]]) -> ColumnElement[bool]:
    """Whether anything was written down in such a column of a user in a run, as `Move.taken` and `Move.before` are."""
    return cast(column, Text) != "{}"


def is_changed() -> ColumnElement[bool]:
    """Of a user in a run: whether it has changed something for them that can be taken back, or has only begun to."""
    return or_(Move.given_at.is_not(None), is_kept(Move.taken), is_kept(Move.before))


def is_taken_back() -> ColumnElement[bool]:
    """Of a user in a run: whether what it did for them has been taken back by another, or is at this moment."""
    other, its_run = aliased(Move), aliased(Migration)
    same = and_(its_run.undoes_id == Move.migration_id, other.migration_id == its_run.id, other.user_id == Move.user_id)
    return exists().where(same, other.status.in_(UNDER_WAY_OR_DONE))
