"""Before the first user: both servers are asked, and everyone is judged by what they answer."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import and_, exists, false, or_, select, update

from panel.domain.statuses import MoveStatus, Removal, RunKind, Step
from panel.extensions import config, db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import NotAllowed, PlatformError, Remote, TooManyRequests, UnexpectedAnswer
from panel.services.claims.closed_for_a_moment import as_open, closed_for_a_moment
from panel.services.preflight import assess
from panel.services.run.changed_before import with_all_changed
from panel.services.run.lease import Lease
from panel.services.run.rows import SETTLING, Outcome, Wait, require_epoch
from panel.services.run.trouble import RunStopped, cooling, note_success, wait_out, with_what_stands
from panel.services.run.write_out import write_out
from panel.services.servers import Look, connected_to, look_or_raise, refusal_of


class _SourceMissed(Exception):
    """The source was not reached, and somebody would keep their access there did the run go on without it."""


def prepare(run: Migration, lease: Lease, source: Remote, target: Remote) -> Outcome:
    """Ask both servers and settle what every user is to get. Commits. Raises `RunStopped` when the pair is blocked by now."""
    if run.prepared_at is not None:
        return False
    slowed_down = cooling(run.source, run.target)
    if slowed_down:
        return slowed_down
    try:
        target_look = look_or_raise(run.target, target)
        if run.kind is not RunKind.UNDO:
            target_look = replace(target_look, connected=connected_to(run.target))
            target_look = with_all_changed(target_look, run, target)
    except NotAllowed as error:
        raise RunStopped(refusal_of(run.target, error).message) from None
    except PlatformError as error:
        return wait_out(run, error, run.target)
    # What the target has told is not written while the source is asked: nothing is locked over a request.
    with db.session.no_autoflush:
        at_stake = _is_anything_at_stake(run)
        # What a link closes while the list is read may be open again by the time everyone is judged.
        closed = closed_for_a_moment(run.source_id)
        source_look = _source_look(run, source, patient=at_stake) if run.kind is RunKind.MOVE else _needed_look(run, source)
    if isinstance(source_look, Wait):
        return source_look
    source_look = as_open(source_look, closed)
    lease.require()
    # What is given back was settled when the undo was written; nobody is judged.
    try:
        run.note = "" if run.kind is RunKind.UNDO else _judge(run, lease, source_look, target_look, target)
    except _SourceMissed as missed:
        if at_stake:
            raise RunStopped(str(missed)) from None
        # Somebody was retried meanwhile: for them it is waited for as long as for anybody.
        db.session.rollback()
        return True
    run.prepared_at, run.source_reached = utc_now(), not run.note
    note_success(run)
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


def _judge(run: Migration, lease: Lease, source_look: Look, target_look: Look, target: Remote) -> str:
    """Everyone by what both servers have answered, written out; answers with `Preflight.note`. Raises `RunStopped`, `_SourceMissed`."""
    flight = assess(
        run.source,
        run.target,
        removal=run.removal,
        pace_s=run.pace_s,
        looks=(source_look, target_look),
        held_by=run.id,
    )
    problem = " ".join(refusal.message for refusal in flight.blockers)
    if problem and not (flight.source_reached and _is_anybody_settling(run)):
        raise RunStopped(problem)
    # The run's row is written before those of its users, so that no cancel comes in between.
    require_epoch(run.id, lease.epoch)
    if source_look.refusal and not flight.source_reached and _is_anything_at_stake(run):
        # What is said of a source that was not reached holds for everybody: they would keep their access there for good. Asked only now
        # that no retry can come in between.
        raise _SourceMissed(source_look.refusal.message)
    if problem:
        _give_nobody_more(run, problem)
    else:
        write_out(run, flight, target)
    return flight.note


def _is_anybody_settling(run: Migration) -> bool:
    """Whether somebody has been given all that was meant for them and is not finished: they need nothing that keeps others from moving."""
    settling = Move.migration_id == run.id, Move.status.in_(SETTLING), Move.step.not_in((Step.GIVE, Step.DONE))
    return bool(db.session.scalar(select(exists().where(*settling))))


def _give_nobody_more(run: Migration, problem: str) -> None:
    """Whoever is still to be given access fails with what is in the way by now; a retry takes them up. Flushed."""
    to_give = Move.migration_id == run.id, Move.step == Step.GIVE, Move.status == MoveStatus.PENDING, Move.claim.is_(None)
    failed = {"status": MoveStatus.FAILED, "retryable": True, "needs_look": True, "detail": with_what_stands(problem, Step.GIVE)}
    execute(update(Move).where(*to_give).values(**failed, changed_at=utc_now()))


def _needed_look(run: Migration, source: Remote) -> Look | Wait:
    """What is given back is worth nothing while the other access cannot be withdrawn: both servers have to answer."""
    try:
        return look_or_raise(run.source, source)
    except NotAllowed as error:
        raise RunStopped(refusal_of(run.source, error).message) from None
    except PlatformError as error:
        return wait_out(run, error, run.source)


def _source_look(run: Migration, source: Remote, *, patient: bool) -> Look | Wait:
    """What the source answers; one bad moment is waited out, where somebody's access there is to go after all that was done for them
    (`patient`) a longer outage too, and a request to slow down for as long as it takes."""
    try:
        return look_or_raise(run.source, source)
    except TooManyRequests as error:
        return wait_out(run, error, run.source)
    except PlatformError as error:
        patience = len(config().outage_waits_s) if patient else 1
        if (error.retryable or isinstance(error, UnexpectedAnswer)) and run.outages < patience:
            return wait_out(run, error, run.source)
        return Look(refusal=refusal_of(run.source, error))


def _is_anything_at_stake(run: Migration) -> bool:
    """Whether somebody had their new access, or was invited, before everyone is judged anew, and would keep the old one did the run go on
    without the source."""
    if run.removal is Removal.KEEP:
        return False
    given = or_(Move.given_at.is_not(None), Move.step.in_((Step.CHECK, Step.ACCEPT)))
    kept_so_far = and_(given, Move.taken_at.is_(None), Move.source_member_id != "") if run.source_reached else false()
    at_stake = Move.migration_id == run.id, Move.status.in_(SETTLING), or_(Move.step == Step.TAKE, kept_so_far)
    return bool(db.session.scalar(select(exists().where(*at_stake))))
