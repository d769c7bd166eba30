"""Pause, resume, cancel and retry: conditional changes of rows, which the worker meets at the next user."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, literal, select, update

from panel.domain.statuses import ACTIVE, MigrationStatus, MoveStatus, RunKind, Step, before
from panel.extensions import db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.services.deadlocks import once_more
from panel.services.run.after_restore import look_for
from panel.services.run.overtaken import is_overtaken, overtaken_by
from panel.services.run.rows import drop_untouched, hold
from panel.services.run.start import hold_servers
from panel.services.run.way_back import is_taken_back, way_back


class NotPossible(Exception):
    """The run or user is not in a state for this; `str(error)` says so."""


@once_more
def pause(run: Migration) -> None:
    """The user in hand is finished, then nothing more happens until `resume`. Flushed. Raises `NotPossible`."""
    _change(run, MigrationStatus.PAUSED, "Migration {run.id} is {run.status}; only one at work can be paused.", awaited_id=None)


@once_more
def resume(run: Migration) -> None:
    """Go on where it stopped. Flushed. Raises `NotPossible`."""
    if run.status is not MigrationStatus.PAUSED:
        raise NotPossible(f"Migration {run.id} is {run.status}; only a paused one can be resumed.")
    hold(run.id)
    execute(update(Move).where(Move.migration_id == run.id, Move.secure_after.is_not(None)).values(secure_after=None))
    look_for(run.id)
    # However short the pause was: nobody loses anything on what was read back before it.
    execute(update(Move).where(Move.migration_id == run.id, Move.step == Step.TAKE).values(needs_look=True))
    anew = {"prepared_at": None, "wake_at": None, "wake_reason": "", "awaited_id": None, "outages": 0, "problem": ""}
    # One that has not begun waits for its time, or for a worker, as it did before.
    waits = Migration.started_at.is_(None)
    to = case((waits, _as_status(MigrationStatus.QUEUED)), else_=_as_status(MigrationStatus.RUNNING))
    _change(
        run,
        MigrationStatus.RUNNING,
        "Migration {run.id} is no longer paused.",
        Migration.status == MigrationStatus.PAUSED,
        status=to,
        **anew,
    )


@once_more
def cancel(run: Migration) -> None:
    """Nobody new is begun; the user in hand and those already given access are finished. Flushed. Raises `NotPossible`."""
    refusal = "Migration {run.id} is {run.status}; there is nothing to cancel."
    _change(run, MigrationStatus.CANCELLED, refusal, wake_at=None, wake_reason="", awaited_id=None, problem="")
    look_for(run.id)
    drop_untouched(run.id)


def may_be_retried(run_id: int) -> tuple[ColumnElement[bool], ...]:
    """Of whom in a run another try makes sense: who has failed, and was not taken back since; of a run that takes another back, whom no
    other has taken back or moved since. `why_no_retry` is the same in words."""
    failed = (Move.migration_id == run_id, Move.status == MoveStatus.FAILED, Move.step != Step.DONE)
    return *failed, ~is_taken_back(), ~is_overtaken()


def why_no_retry(move: Move) -> str:
    """Why this user cannot be tried again; empty when they can."""
    if move.status is not MoveStatus.FAILED:
        return f"{move.name} has not failed; only somebody who has can be tried again."
    back = way_back(move)
    if move.step is Step.DONE or (back and (back.is_under_way or back.is_done)):
        return f"What this migration did for {move.name} is taken back by another one. To move them again, start a new migration."
    return overtaken_by(move)


@once_more
def retry(run: Migration, move_id: int | None = None) -> int:
    """Try again everyone who failed in a way that may pass, or just one (then also where it may not). Flushed; answers how many.

    Raises `NotPossible` when there is nobody, or one of the servers is in use.
    """
    hold(run.id)
    chosen = Move.retryable.is_(True) if move_id is None else Move.id == move_id
    again = execute(update(Move).where(*may_be_retried(run.id), chosen).values(**_begun_anew()))
    if not again:
        whom = select(Move).where(Move.migration_id == run.id, Move.status == MoveStatus.FAILED, chosen).order_by(Move.position)
        move = db.session.get(Move, move_id) if move_id is not None else db.session.scalars(whom).first()
        raise NotPossible((move and why_no_retry(move)) or f"Nobody in run {run.id} has failed in a way that could be tried again.")
    db.session.refresh(run)
    if run.status not in ACTIVE:
        _take_up_again(run)
    else:
        # It comes at once, also where the run waits for somebody else; the server that it waits for is not given up for that any sooner.
        # What is known of them may be old: who may move, and which account is theirs, is judged anew.
        prepared_at = None if run.kind is RunKind.MOVE else Migration.prepared_at
        execute(update(Migration).where(Migration.id == run.id).values(wake_at=None, prepared_at=prepared_at, outages=0))
    return again


def _begun_anew() -> dict[str, object]:
    """The columns of a user who is tried again: what there is on the servers is looked up first."""
    return {
        "status": MoveStatus.PENDING,
        # Who has to be looked at for a try that may have been carried out is begun, also where the run is cancelled next.
        "attempts": case((Move.needs_look & (Move.attempts > 0), 1), else_=0),
        "not_before": None,
        "retryable": False,
        "needs_look": True,
        "secure_after": None,
        "detail": "",
        "changed_at": utc_now(),
    }


def _take_up_again(run: Migration) -> None:
    """A run that has ended holds its servers again and goes on. Flushed. Raises `NotPossible`."""
    if not hold_servers(run):
        db.session.rollback()
        raise NotPossible("Another migration or a sync is using one of the two servers; try again when it has ended.")
    # Time has passed: who may move is judged anew.
    reopened = {
        "prepared_at": None,
        "retried_at": utc_now() if run.ended_at else run.retried_at,
        "ended_at": None,
        "wake_at": None,
        "wake_reason": "",
        "awaited_id": None,
        "outages": 0,
        "problem": "",
    }
    if run.status is MigrationStatus.CANCELLED:
        # Whom the cancel has left is not begun by a later round.
        reopened["rounds_left"] = 0
    _change(run, MigrationStatus.RUNNING, "Migration {run.id} cannot be taken up again.", **reopened)


def _as_status(status: MigrationStatus) -> ColumnElement[MigrationStatus]:
    return literal(status, Migration.status.type)


def _change(run: Migration, to: MigrationStatus, otherwise: str, *only: ColumnElement[bool], **also: object) -> None:
    """`otherwise`: the sentence for where it is not possible, in which `run` stands for the run as it is by then."""
    from_here = Migration.id == run.id, Migration.status.in_(before(to)), *only
    done = execute(update(Migration).where(*from_here).values({"status": to, **also}))
    if done != 1:
        db.session.rollback()
        db.session.refresh(run)
        raise NotPossible(otherwise.format(run=run))
    db.session.flush()
    db.session.refresh(run)
