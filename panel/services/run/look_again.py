"""Before the source access goes: a read-back that is not fresh is repeated, one list of the target for everybody, and whoever a later run
has moved on since is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select, true
from sqlalchemy.orm import aliased, selectinload

from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE, MoveStatus, Removal, RunKind, Step
from panel.extensions import config, db
from panel.models import Migration, Move
from panel.models.types import UtcDateTime, utc_now
from panel.platforms.base import Member, PlatformError, Remote, ServerFault
from panel.services.run.beside_links import BesideLinks
from panel.services.run.check import is_fresh, leave, note_list, only_has_to_stand, still_counts, still_stands
from panel.services.run.lease import Lease
from panel.services.run.listed import Found, Listed
from panel.services.run.rows import SETTLING, Outcome, in_hand, is_due, require_epoch
from panel.services.run.trouble import cooling, leave_unjudged, note_answer, put_back, wait_for_target, wait_out
from panel.services.sync.shares import why_doubtful

_TO_BE_TAKEN = (Move.step == Step.TAKE, Move.status.in_(SETTLING))


def look_again(run: Migration, lease: Lease, target: Remote, list_source: Callable[[Sequence[Move]], None]) -> Outcome:
    """Leave to `take` only those about whom the target has told just now that they have what was meant for them. Commits.

    The others are given access again where the run is at work, else they fail; their source access stays. Who is put off is not looked at.
    Unless it answers to wait, `take` may go on at once: however long the target takes to tell, each look is good for some. `list_source`
    is called before the target is asked, so that a source which takes long to list makes no look old. `False`: nothing was to be done.
    """
    if not _anybody(run, lease, true()):
        return False
    left_alone = _leave_moved_on(run, lease)
    if left_alone and not _anybody(run, lease, true()):
        return True
    if is_fresh(run) and not _anybody(run, lease, Move.needs_look.is_(True)):
        return left_alone
    return _look(run, lease, target, list_source)


def _leave_moved_on(run: Migration, lease: Lease) -> bool:
    """Whoever a later run has moved on is none of this one's any more. Commits; answers whether there was anybody."""
    moved_on = _moved_on(run)
    moves = [move for move in _at_take(run, lease) if move.id in moved_on] if moved_on else []
    if not moves:
        return False
    for move in moves:
        _leave_alone(run, move, moved_on[move.id])
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


def _look(run: Migration, lease: Lease, target: Remote, list_source: Callable[[Sequence[Move]], None]) -> Outcome:
    """One list of the target, and everybody whose turn it is judged by it, unless asking for the missing ones has made it old. Commits."""
    slowed_down = cooling(run.target)
    if slowed_down:
        return slowed_down
    moves = _at_take(run, lease)
    # Nothing is locked while a server is asked.
    db.session.commit()
    list_source(moves)
    links = BesideLinks(run.target)
    db.session.commit()
    try:
        members = target.members()
        listed = _believed(run, _at_take(run, lease), members)
    except PlatformError as error:
        require_epoch(run.id, lease.epoch)
        let_go_at_take(run.id, lease.epoch)
        return wait_out(run, error, run.target)
    listed_at = utc_now()
    found = listed.found(_at_take(run, lease), target)
    lease.require()
    links.look()
    # The run's row is written first, as whoever steers it does.
    require_epoch(run.id, lease.epoch)
    if not found.trouble:
        note_answer(run, run.target)
    note_list(run, listed_at)
    _judge_all(run, _at_take(run, lease), found, listed_at, links)
    if found.trouble:
        let_go_at_take(run.id, lease.epoch)
    db.session.commit()
    return wait_for_target(run, lease.epoch, found.trouble, target) if found.trouble else True


def let_go_at_take(run_id: int, epoch: int) -> None:
    """Whom a dead worker had in hand waits with the others, and keeps nobody else from their account. Flushed."""
    for move in in_hand(run_id, epoch, Step.TAKE):
        put_back(move, epoch, needs_look=True)


def _judge_all(run: Migration, moves: Sequence[Move], found: Found, listed_at: datetime, links: BesideLinks) -> None:
    for move in moves:
        if move.id in found.members and still_counts(run, found.asked_at.get(move.id, listed_at)):
            _judge(run, move, found.members[move.id], links)
        elif move.id in found.unanswered:
            leave_unjudged(move, found.unanswered[move.id])
        else:
            # Not asked for, or too long ago: nothing is known of them as they are now, and nothing is taken.
            move.needs_look, move.claim = True, None


def _believed(run: Migration, moves: Sequence[Move], members: Sequence[Member]) -> Listed:
    """The list, ready to be looked up in. Raises `ServerFault` where people of this run are missing from it together with so many others
    that it may be half a list."""
    listed = Listed(members, names=run.target.platform is not Platform.PLEX)
    if not all(listed.of(move) for move in moves) and (doubt := why_doubtful(run.target, members)):
        raise ServerFault(doubt)
    return listed


def _judge(run: Migration, move: Move, member: Member | None, links: BesideLinks) -> None:
    """What the list says about one user who is to be taken."""
    stands = member is not None and still_stands(run, move, member)
    if not stands and links.puts_off(move):
        return
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


def _their_turn(lease: Lease) -> ColumnElement[bool]:
    """Whom this worker has in hand, and whom nobody has and who is not put off."""
    return or_(Move.claim == lease.epoch, and_(Move.claim.is_(None), is_due()))


def _anybody(run: Migration, lease: Lease, also: ColumnElement[bool]) -> bool:
    return bool(db.session.scalar(select(exists().where(Move.migration_id == run.id, *_TO_BE_TAKEN, _their_turn(lease), also))))


def _at_take(run: Migration, lease: Lease) -> list[Move]:
    query = select(Move).where(Move.migration_id == run.id, *_TO_BE_TAKEN, _their_turn(lease))
    loaded = query.order_by(Move.position).options(selectinload(Move.libraries)).execution_options(populate_existing=True)
    return list(db.session.scalars(loaded))
