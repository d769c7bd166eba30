"""Second: the read-back. One list of the target tells for everybody at once whether what was given is really there, and accepted."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.platform import Platform
from panel.domain.statuses import OPEN, MoveStatus, Removal, Step
from panel.extensions import config, db, execute
from panel.models import Evidence, Library, Migration, Move, Server, Share
from panel.models.types import utc_now
from panel.platforms.base import Member, PlatformError, Remote
from panel.services import notices, pace
from panel.services.candidates import right_access
from panel.services.people import record_account, share_of
from panel.services.run.give import find_member
from panel.services.run.lease import Lease
from panel.services.run.rows import Outcome
from panel.services.run.trouble import wait_out


def check(run: Migration, lease: Lease, remote: Remote) -> Outcome:
    """Read back what was given, once nobody is left to be given anything. Commits."""
    moves = _given(run.id)
    if not moves:
        return False
    try:
        members = tuple(remote.members())
    except PlatformError as error:
        return wait_out(run, error, pace.name_for(run, run.target))
    lease.require()
    run.outages = 0
    libraries = {library.remote_id: library for library in run.target.libraries if library.remote_id}
    for move in moves:
        member = find_member(members, move)
        if member is None or not is_right(member, move):
            _give_again(move, "is not on the target" if member is None else "does not have exactly the libraries meant for them")
        else:
            settle(run, move, member, libraries)
    db.session.commit()
    return True


def settle(run: Migration, move: Move, member: Member, libraries: dict[str, Library]) -> None:
    """What a read-back has proved: the access is stored, and the user goes on to what is left for them. Flushed."""
    newly_given = move.step is Step.CHECK
    move.target_member_id, move.target_account_id = member.id, member.account_id
    move.accepted = member.accepted
    move.step, move.status = next_after_check(run, move)
    remember(run.target, move, member, libraries)
    if newly_given and move.given_at is not None:
        notices.account_moved(run, move, created=move.created_account)


def next_after_check(run: Migration, move: Move) -> tuple[Step, MoveStatus]:
    """Removal on the source, waiting for the person's acceptance, or nothing."""
    removes = run.removal is not Removal.KEEP and move.taken_at is None and bool(move.source_member_id) and run.source_reached
    if removes and (move.accepted or run.removal is Removal.AT_ONCE):
        return Step.TAKE, MoveStatus.MOVING
    return (Step.DONE, MoveStatus.MOVED) if move.accepted else (Step.ACCEPT, MoveStatus.INVITED)


def is_right(member: Member, move: Move) -> bool:
    """Whether the access is exactly what was meant. A waiting invite may be listed without its libraries."""
    wanted = {library.remote_id for library in move.libraries}
    if not member.accepted and not member.library_ids and not member.all_libraries:
        return True
    return right_access(member, wanted)


def remember(server: Server, move: Move, member: Member, libraries: dict[str, Library]) -> None:
    """Store who has what on the target under the platform's own ids, so that a later sync recognises everyone. Flushed."""
    share = share_of(server, member.id)
    if share is None:
        share = Share(server_id=server.id, remote_id=member.id, user_id=move.user_id, invited_at=member.invited_at or move.given_at)
        db.session.add(share)
    share.user_id, share.account_name = move.user_id, member.name
    share.accepted_at = (share.accepted_at or utc_now()) if member.accepted else None
    share.all_libraries, share.settings = member.all_libraries, dict(member.settings)
    share.libraries = [libraries[remote_id] for remote_id in sorted(member.library_ids) if remote_id in libraries]
    if server.platform is Platform.PLEX:
        move.user.plex_id = move.user.plex_id or member.account_id
    else:
        record_account(server, move.user, member.account_id, member.name, Evidence.MOVE)
    db.session.flush()


def _given(run_id: int) -> list[Move]:
    query = (
        select(Move)
        .where(Move.migration_id == run_id, Move.step == Step.CHECK, Move.status.in_(OPEN))
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


def reset_target(move_id: int) -> None:
    """Forget which access on the target was this move's (it is gone there). Flushed."""
    execute(update(Move).where(Move.id == move_id).values(target_member_id="", accepted=False, known={}))
