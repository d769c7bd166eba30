"""Before the source access goes: a read-back that is not fresh is repeated, one list of the target for everybody, and whoever a later run
has moved on since is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select
from sqlalchemy.orm import aliased, selectinload

from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE, MoveStatus, Removal, RunKind, Step
from panel.extensions import config, db
from panel.models import Migration, Move
from panel.models.types import UtcDateTime, utc_now
from panel.platforms.base import Member, PlatformError, Remote, ServerFault
from panel.services import pace
from panel.services.run.check import is_fresh, leave, only_has_to_stand, still_stands
from panel.services.run.lease import Lease
from panel.services.run.listed import Listed
from panel.services.run.rows import SETTLING, Outcome, in_hand, require_epoch
from panel.services.run.trouble import cooling, put_back, wait_out
from panel.services.sync.shares import why_doubtful

_TO_BE_TAKEN = (Move.step == Step.TAKE, Move.status.in_(SETTLING))


def look_again(run: Migration, lease: Lease, target: Remote) -> Outcome:
    """Leave to `take` only those who stand in a fresh list of the target with what was meant for them. Commits.

    The others are given access again where the run is at work, else they fail; their source access stays. `False`: nothing was to be done.
    """
    if not _anybody(run, lease, or_(Move.claim.is_not(None), Move.not_before.is_(None), Move.not_before <= utc_now())):
        return False
    moved_on = _moved_on(run)
    if moved_on:
        for move in _at_take(run, lease):
            if move.id in moved_on:
                _leave_alone(run, move, moved_on[move.id])
    elif is_fresh(run) and not _anybody(run, lease, Move.needs_look.is_(True)):
        return False
    else:
        slowed_down = cooling(run.target)
        if slowed_down:
            return slowed_down
        # Nothing is locked while the target is asked.
        db.session.commit()
        asked_at = utc_now()
        try:
            members = target.members()
            listed = _believed(run, _at_take(run, lease), members)
        except PlatformError as error:
            for move in in_hand(run.id, lease.epoch, Step.TAKE):
                # Whom a dead worker had in hand waits with the others.
                put_back(move, lease.epoch, needs_look=True)
            return wait_out(run, error, pace.name_for(run, run.target))
        found = listed.found(_at_take(run, lease), target)
        lease.require()
        for move in _at_take(run, lease):
            if move.id in found:
                _judge(run, move, found[move.id])
            else:
                # Not asked for: nothing is known of them, and nothing is taken.
                move.needs_look, move.claim = True, None
        run.looked_at = asked_at
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


def _believed(run: Migration, moves: Sequence[Move], members: Sequence[Member]) -> Listed:
    """The list, ready to be looked up in. Raises `ServerFault` where people of this run are missing from it together with so many others
    that it may be half a list."""
    listed = Listed(members, names=run.target.platform is not Platform.PLEX)
    if not all(listed.of(move) for move in moves) and (doubt := why_doubtful(run.target, members)):
        raise ServerFault(doubt)
    return listed


def _judge(run: Migration, move: Move, member: Member | None) -> None:
    """What the list says about one user who is to be taken."""
    if only_has_to_stand(run, move) and not (member and member.has_access):
        move.claim = None
        leave(run, move)
    elif member is None or not still_stands(run, move, member):
        what = "is not there" if member is None else "does not have exactly the libraries meant for them"
        _give_again(run, move, member, what)
    elif move.accepted and not member.accepted and run.removal is not Removal.AT_ONCE:
        # Not effective any more: they have left, and somebody has invited them again.
        move.accepted, move.needs_look, move.claim = False, False, None
        move.step, move.status = Step.ACCEPT, MoveStatus.INVITED
    else:
        move.needs_look = False


def _give_again(run: Migration, move: Move, member: Member | None, what: str) -> None:
    """The target access is not what it was when it was read back: it is given again by a run that is at work, else by a retry. Who may
    move is judged anew before."""
    if member is None:
        # Its ids stay: it may only be missing from this list.
        move.known = {}
    move.step, move.claim, move.needs_look, move.accepted = Step.GIVE, None, True, False
    at_work = run.status in ACTIVE and move.status is not MoveStatus.INVITED
    if at_work and move.attempts < len(config().retry_waits_s):
        move.status, move.attempts = MoveStatus.PENDING, move.attempts + 1
        move.detail = f"Looked at again before the source access was to go: the user {what} on {run.target.name}; giving it again."
        run.prepared_at = None if run.kind is RunKind.MOVE else run.prepared_at
        return
    left = "the removal" if move.taken else "the access"
    stands = "was tried before and not repeated" if move.taken else "was left as it was"
    move.status, move.retryable = MoveStatus.FAILED, True
    move.detail = f"Looked at again: the user {what} on {run.target.name}; {left} on {run.source.name} {stands}. Retry gives access again."


def _moved_on(run: Migration) -> dict[int, int]:
    """Of those to be taken (move ids), whom a later run has given access on the source again or taken on from the target: that run's id."""
    back, onwards = Migration.target_id == run.source_id, Migration.source_id == run.target_id
    lasted = or_(Migration.ended_at.is_(None), Migration.ended_at > run.started_at)
    others = db.session.scalars(
        select(Migration.id).where(Migration.id != run.id, or_(back, onwards), Migration.started_at.is_not(None), lasted)
    ).all()
    if not others:
        return {}
    newer = aliased(Move)
    # As the column's own kind: PostgreSQL would compare a time that has a zone by the zone of the session.
    since = func.coalesce(Move.given_at, literal(run.started_at, UtcDateTime))
    query = (
        select(Move.id, newer.migration_id)
        .join(newer, newer.user_id == Move.user_id)
        .join(Migration, Migration.id == newer.migration_id)
        .where(Move.migration_id == run.id, *_TO_BE_TAKEN, newer.migration_id.in_(others))
        # What a run removes that brought the user to where they came from says nothing: it may be an older one's, come late.
        .where(or_(and_(onwards, newer.taken_at > since), and_(back, func.coalesce(newer.given_at, newer.taken_at) > since)))
    )
    found: dict[int, int] = {}
    for move_id, other_id in db.session.execute(query):
        found[move_id] = max(other_id, found.get(move_id, 0))
    return found


def _leave_alone(run: Migration, move: Move, other_id: int) -> None:
    """Where they are now is a later run's doing."""
    move.status = MoveStatus.FAILED if move.status is MoveStatus.INVITED else MoveStatus.SKIPPED
    move.step, move.claim, move.retryable, move.reasons = Step.DONE, None, False, ()
    move.detail = f"Migration {other_id} has moved this user since; the access to {run.source.name} was left as it was."


def _anybody(run: Migration, lease: Lease, also: ColumnElement[bool]) -> bool:
    mine = or_(Move.claim.is_(None), Move.claim == lease.epoch)
    return bool(db.session.scalar(select(exists().where(Move.migration_id == run.id, *_TO_BE_TAKEN, mine, also))))


def _at_take(run: Migration, lease: Lease) -> list[Move]:
    query = select(Move).where(Move.migration_id == run.id, *_TO_BE_TAKEN, or_(Move.claim.is_(None), Move.claim == lease.epoch))
    loaded = query.order_by(Move.position).options(selectinload(Move.libraries)).execution_options(populate_existing=True)
    return list(db.session.scalars(loaded))
