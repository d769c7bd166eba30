"""Second: the read-back. One list of the target tells for everybody at once whether what was given is really there, and accepted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.pacing import paced_at_take
from panel.domain.platform import Platform
from panel.domain.statuses import OPEN, MoveStatus, Removal, RunKind, Step
from panel.extensions import config, db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import Member, PlatformError, Remote
from panel.services import notices
from panel.services.candidates import right_access
from panel.services.run.beside_links import BesideLinks
from panel.services.run.lease import Lease
from panel.services.run.ledger import Ledger
from panel.services.run.listed import Found, Listed
from panel.services.run.rows import SETTLING, Outcome, Wait, is_due, next_retry_at, require_epoch
from panel.services.run.trouble import cooling, leave_unjudged, note_success, wait_for_target, wait_out
from panel.services.shared_clock import shared_now

#: What decides in an account's policy what it opens.
OPENING = ("IsDisabled", "EnableAllFolders", "EnabledFolders")

#: How old a read-back may be, in seconds since its list was there, for a source access to be removed on it.
COUNTS_S = 60.0
#: At a pace it lasts for so many turns, and at most for so many seconds: what it costs is shared by as many users.
TURNS, PACED_S = 10, 600.0


def check(run: Migration, lease: Lease, remote: Remote) -> Outcome:
    """Read back what was given, once nobody is left to be given anything. Commits."""
    moves = _given(run.id)
    if not moves:
        again_at = next_retry_at(run.id, Step.CHECK)
        return Wait(again_at, "Waiting to look at the target again.") if again_at else False
    slowed_down = cooling(run.target)
    if slowed_down:
        return slowed_down
    links = BesideLinks(run.target)
    # Nothing is locked while the target is asked.
    db.session.commit()
    try:
        members = remote.members()
    except PlatformError as error:
        return wait_out(run, error, run.target)
    listed_at = utc_now()
    found = Listed(members, names=run.target.platform is not Platform.PLEX).found(moves, remote)
    lease.require()
    links.look()
    # Its row is written first, so that no cancel comes in between: whom one has cancelled while the target was asked is left as they are.
    require_epoch(run.id, lease.epoch)
    if not found.trouble:
        note_success(run)
    note_list(run, listed_at)
    _judge_all(run, _given(run.id), found, links)
    db.session.commit()
    return wait_for_target(run, lease.epoch, found.trouble, remote) if found.trouble else True


def _judge_all(run: Migration, moves: Sequence[Move], found: Found, links: BesideLinks) -> None:
    """What the list says about everybody it says something about."""
    ledger, told = Ledger(run.target, found.present), notices.people_are_told()
    for move in moves:
        if move.id in found.unanswered:
            leave_unjudged(move, found.unanswered[move.id])
        elif move.id in found.members:
            member = found.members[move.id]
            if member is not None and still_stands(run, move, member):
                settle(run, move, member, ledger, told=told)
            elif not links.puts_off(move):
                _does_not_stand(run, move, member)


def _does_not_stand(run: Migration, move: Move, member: Member | None) -> None:
    if only_has_to_stand(run, move):
        leave(run, move)
    else:
        _give_again(move, "is not on the target" if member is None else "does not have exactly the libraries meant for them")


def settle(run: Migration, move: Move, member: Member, ledger: Ledger, *, told: bool) -> None:
    """What a read-back has proved: the access is stored, and the user goes on to what is left for them, and is `told` by mail where
    there is something to tell. Flushed by the caller."""
    newly_given = move.step is Step.CHECK
    move.target_member_id, move.target_account_id = member.id, member.account_id
    move.accepted, move.needs_look, move.not_before = member.accepted, False, None
    move.step, move.status = next_after_check(run, move)
    ledger.write(move, member)
    if told and newly_given and move.given_at is not None:
        notices.account_moved(run, move, created=move.created_account)


def next_after_check(run: Migration, move: Move) -> tuple[Step, MoveStatus]:
    """Removal on the source, waiting for the person's acceptance, or nothing."""
    removes = run.removal is not Removal.KEEP and move.taken_at is None and bool(move.source_member_id) and run.source_reached
    if removes and (move.accepted or run.removal is Removal.AT_ONCE):
        return Step.TAKE, MoveStatus.MOVING
    return (Step.DONE, MoveStatus.MOVED) if move.accepted else (Step.ACCEPT, MoveStatus.INVITED)


def is_right(member: Member, move: Move) -> bool:
    """Whether the access is exactly what was meant. A waiting invite may be listed without its libraries."""
    if move.migration.kind is RunKind.UNDO and "EnabledFolders" in move.restrictions:
        # An account was given back with all it had, also what the panel has no name for; one that opens nothing gives nothing back.
        return member.has_access and all(_same(member.settings.get(key), move.restrictions.get(key)) for key in OPENING)
    wanted = {library.remote_id for library in move.libraries}
    if not member.accepted and not member.library_ids and not member.all_libraries:
        return True
    return right_access(member, wanted)


def still_stands(run: Migration, move: Move, member: Member) -> bool:
    """Whether the access will do for the source access to be removed: what was meant; any at all, where none was to be given."""
    return member.has_access if only_has_to_stand(run, move) else is_right(member, move)


def is_fresh(run: Migration) -> bool:
    """Whether a source access may be removed on the last read-back."""
    return run.looked_at is not None and _still_counts(run, run.looked_at, shared_now())


def still_counts(run: Migration, told_at: datetime) -> bool:
    """Whether a source access may be removed on what the target told then, by the clock of this host."""
    return _still_counts(run, told_at, utc_now())


def _still_counts(run: Migration, told_at: datetime, now: datetime) -> bool:
    lasts_s = max(COUNTS_S, min(TURNS * run.pace_s, PACED_S)) if paced_at_take(run.source.platform) else COUNTS_S
    # One that lies ahead was written before the clock was put back.
    return 0.0 <= (now - told_at).total_seconds() <= lasts_s


def note_list(run: Migration, listed_at: datetime) -> None:
    """This list, which was there at that moment by the clock of this host, is the last read-back, by which somebody may be taken: whoever
    waits to be and is not judged by it has to be looked at again. Flushed."""
    waiting = (Move.migration_id == run.id, Move.step == Step.TAKE, Move.status.in_(SETTLING), Move.claim.is_(None))
    execute(update(Move).where(*waiting).values(needs_look=True))
    # Another host may go on with the run.
    run.looked_at = shared_now() - (utc_now() - listed_at)


def only_has_to_stand(run: Migration, move: Move) -> bool:
    """Whether nothing was removed that had to be given back: then the access need only be there."""
    return run.kind is RunKind.UNDO and not move.restrictions and not move.libraries


def leave(run: Migration, move: Move) -> None:
    """Fails: nothing is withdrawn from somebody who would be left with nothing."""
    move.status, move.retryable = MoveStatus.FAILED, True
    move.detail = f"Has no access to {run.target.name} now; the access to {run.source.name} was left as it is."


def _same(one: object, other: object) -> bool:
    return sorted(map(str, one)) == sorted(map(str, other)) if isinstance(one, list) and isinstance(other, list) else one == other


def _given(run_id: int) -> list[Move]:
    query = (
        select(Move)
        .where(Move.migration_id == run_id, Move.step == Step.CHECK, Move.status.in_(OPEN))
        .where(is_due())
        .order_by(Move.position)
        .options(selectinload(Move.libraries), joinedload(Move.user))
        .execution_options(populate_existing=True)
    )
    return list(db.session.scalars(query))


def _give_again(move: Move, what: str) -> None:
    """What was given is not what the list shows: look and give again, a few times, then leave it to the admin."""
    if move.attempts < len(config().retry_waits_s):
        move.step, move.status, move.needs_look, move.attempts = Step.GIVE, MoveStatus.PENDING, True, move.attempts + 1
        move.detail = f"Read back: the user {what}; giving it again."
        return
    move.step, move.status, move.retryable = Step.GIVE, MoveStatus.FAILED, True
    move.detail = f"The target accepted the request, but on reading back the user {what}. The source access was left as it was."
