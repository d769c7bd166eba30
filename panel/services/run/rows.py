"""Claims and outcomes of single users, each a conditional UPDATE under the epoch of the worker that has the run in hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, Text, Update, and_, bindparam, exists, func, or_, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import selectinload
from sqlalchemy.orm.attributes import set_committed_value

from panel.domain.statuses import OPEN, WORKABLE, MigrationStatus, MoveStatus, RunKind, Step
from panel.extensions import db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.services import proof
from panel.services.run.after_restore import is_unjudged
from panel.services.run.lease import LeaseLost
from panel.services.shared_clock import shared_now


@dataclass(frozen=True)
class Wait:
    """Nothing can be done before `until`; `why` is a sentence for the page. `awaited_id`: the server that does not answer."""

    until: datetime
    why: str = ""
    awaited_id: int | None = None


#: Those whose source access is to go: at work, to be tried again, or with an invite that was accepted.
SETTLING = (MoveStatus.PENDING, MoveStatus.MOVING, MoveStatus.INVITED)
#: How many users are looked up at once; each is then taken in hand on their own.
AHEAD = 50

# Statements on tables leave out what the ORM does around them: these run for every user.
_MOVES, _RUNS = cast(Table, Move.__table__), cast(Table, Migration.__table__)

#: What a stage answers: it did something, there is nothing for it to do, or it has to wait.
Outcome = bool | Wait


def claim_left_behind(run_id: int, epoch: int) -> None:
    """Take over what an earlier worker had in hand when it died. Whether its request left is unknown, so each needs a look first, and
    the proof says so."""
    left_behind = (Move.migration_id == run_id, Move.claim.is_not(None), Move.claim < epoch)
    if execute(update(Move).where(*left_behind).values(claim=epoch, needs_look=True, in_hand_at=shared_now())):
        # Nobody else is in hand under this epoch yet.
        proof.note_left_behind(run_id, epoch)
    db.session.commit()


def in_hand(run_id: int, epoch: int, step: Step) -> list[Move]:
    """The users of this step that this worker has in hand, in order."""
    return _loaded(select(Move.id).where(Move.migration_id == run_id, Move.claim == epoch, Move.step == step))


def is_due() -> ColumnElement[bool]:
    """Users who are not put off, or no longer."""
    return or_(Move.not_before.is_(None), Move.not_before <= utc_now())


def due(run_id: int, step: Step, limit: int, statuses: Sequence[MoveStatus]) -> list[Move]:
    """The next users of this step whom nobody has in hand; nobody is to be taken who has to be looked at first."""
    query = select(Move.id).where(Move.migration_id == run_id, Move.step == step, Move.status.in_(statuses), Move.claim.is_(None), is_due())
    if step is Step.TAKE:
        query = query.where(Move.needs_look.is_(False))
    if step is Step.GIVE:
        query = query.where(~is_unjudged())
    return _loaded(query.order_by(Move.position).limit(limit), with_libraries=step is Step.GIVE)


def claim(move: Move, epoch: int, statuses: Sequence[MoveStatus], **also: Any) -> bool:
    """Take one user in hand, unless somebody has, or the run is not to go on; flushed. `also`: columns set with it."""
    values = {"claim": epoch, "in_hand_at": shared_now(), **also}
    named = {f"new_{name}": value for name, value in values.items()}
    where = {"move_id": move.id, "run_id": move.migration_id, "epoch": epoch}
    done = _changed(_claiming(move.step, tuple(statuses), tuple(values)), {**where, **named})
    if done:
        for name, value in values.items():
            set_committed_value(move, name, value)
    return done


@cache
def _claiming(step: Step, statuses: tuple[MoveStatus, ...], names: tuple[str, ...]) -> Update:
    mine = exists().where(_RUNS.c.id == bindparam("run_id"), _RUNS.c.epoch == bindparam("epoch"), ~_halted(step))
    free = _MOVES.c.claim.is_(None) & (_MOVES.c.step == step) & _one_of(_MOVES.c.status, statuses)
    if step is Step.TAKE:
        # Marked since it was read (a retry, a pause): the target is looked at first.
        free &= _MOVES.c.needs_look.is_(False)
    return _setting(names).where(_MOVES.c.id == bindparam("move_id"), free, mine)


@cache
def _recording(names: tuple[str, ...]) -> Update:
    return _setting(names).where(_MOVES.c.id == bindparam("move_id"), _MOVES.c.claim == bindparam("epoch"))


def _setting(names: tuple[str, ...]) -> Update:
    return update(_MOVES).values({name: bindparam(f"new_{name}", type_=_MOVES.c[name].type) for name in names})


def _changed(statement: Update, values: dict[str, Any]) -> bool:
    return db.session.connection().execute(statement, values).rowcount == 1


def _one_of(column: ColumnElement[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """What IN says, without its list, which SQLAlchemy would write out anew at every execution."""
    return or_(*(column == value for value in values))


def _halted(step: Step) -> ColumnElement[bool]:
    """Which run takes nobody new in hand: for giving one that is not at work (a cancelled one still finishes whom it has begun) or in which
    everybody is to be judged anew first, for settling what was given only a paused one."""
    if step is Step.GIVE:
        finishing = (_RUNS.c.status == MigrationStatus.CANCELLED) & _is_begun(_RUNS.c.kind == RunKind.MOVE)
        return ~(_one_of(_RUNS.c.status, WORKABLE) | finishing) | _RUNS.c.prepared_at.is_(None)
    return _RUNS.c.status == MigrationStatus.PAUSED


def _loaded(ids: Any, *, with_libraries: bool = True) -> list[Move]:
    query = select(Move).where(Move.id.in_(ids)).order_by(Move.position).execution_options(populate_existing=True)
    return list(db.session.scalars(query.options(selectinload(Move.libraries)) if with_libraries else query))


def write_down(move: Move, epoch: int, **values: Any) -> bool:
    """Write about a user in hand; flushed. `False`: somebody else has them by now, nothing was written."""
    done = _write(move.id, epoch, values)
    if done:
        for name, value in values.items():
            set_committed_value(move, name, value)
    return done


def record(move_id: int, epoch: int, **values: Any) -> bool:
    """Write what became of a user and let go of them; flushed. `False`: somebody else has them by now, nothing was written."""
    return _write(move_id, epoch, {"claim": None, **values})


def _write(move_id: int, epoch: int, values: dict[str, Any]) -> bool:
    values = {"changed_at": utc_now(), **values}
    named = {f"new_{name}": value for name, value in values.items()}
    return _changed(_recording(tuple(values)), {"move_id": move_id, "epoch": epoch, **named})


def _is_begun(of_move: ColumnElement[bool]) -> ColumnElement[bool]:
    """For whom something was changed, or may have been: to be finished, also in a cancelled run. Who is to be given access once more may
    have lost the one on the source already. `of_move`: whether the run moves users; in one that takes back, what there was on the target
    before was written by the other. Who has to be looked at and has had a try may have been changed: whoever puts somebody back who was
    sent something, or was left behind, counts that as one."""
    column = _MOVES.c
    noted = or_(*(sql_cast(kept, Text) != "{}" for kept in (column.before, column.taken)))
    return or_(column.created_account, column.given_at.is_not(None), of_move & noted, column.needs_look & (column.attempts > 0))


def drop_untouched(run_id: int) -> None:
    """In a cancelled run, those for whom nothing was begun are cancelled; flushed. In one that a retry has taken up since it was read,
    nobody is."""
    of_undo = exists().where(Migration.id == run_id, Migration.kind == RunKind.UNDO)
    is_cancelled = exists().where(Migration.id == run_id, Migration.status == MigrationStatus.CANCELLED)
    execute(
        update(Move)
        .where(
            Move.migration_id == run_id,
            Move.status == MoveStatus.PENDING,
            or_(Move.step == Step.GIVE, and_(Move.step == Step.CHECK, Move.given_at.is_(None), of_undo)),
            Move.claim.is_(None),
            ~_is_begun(~of_undo),
            is_cancelled,
        )
        .values(status=MoveStatus.CANCELLED, step=Step.DONE, detail="", changed_at=utc_now())
    )


def hold(run_id: int) -> None:
    """Write the run's row before those of its users, as its worker does: it ends either before that or not at all. Flushed."""
    execute(update(Migration).where(Migration.id == run_id).values(epoch=Migration.epoch))


def require_epoch(run_id: int, epoch: int) -> None:
    """Part of a transaction that writes about many users at once: it counts only while the run is in this worker's hands. Flushed.
    Raises `LeaseLost`."""
    # The run's row before those of its users, as whoever steers it does: what is yet to be written about them follows with the commit.
    with db.session.no_autoflush:
        is_mine = execute(update(Migration).where(Migration.id == run_id, Migration.epoch == epoch).values(epoch=epoch)) == 1
    if not is_mine:
        raise LeaseLost(f"Run {run_id} is in other hands.")


def next_retry_at(run_id: int, step: Step) -> datetime | None:
    """When the first user of this step that has to wait for its next try may be taken."""
    return db.session.scalar(select(func.min(Move.not_before)).where(Move.migration_id == run_id, Move.step == step, Move.status.in_(OPEN)))
