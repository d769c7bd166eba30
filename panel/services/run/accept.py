"""Afterwards: invites that wait for the person. One list per server tells who has accepted; their source access follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Migration, Move, Server, Share
from panel.models.types import utc_now
from panel.platforms.base import CredentialsRefused, Member, TooManyRequests
from panel.services import pace, times
from panel.services.run.check import is_right, next_after_check
from panel.services.run.ledger import Ledger
from panel.services.run.listed import Listed
from panel.services.servers import note_trouble, remote_for
from panel.services.sync.shares import why_doubtful

GONE = "The invite is gone: it was declined or withdrawn, or it has expired."
OTHER_LIBRARIES = (
    "The invite was accepted, but the access has other libraries than were meant for this person: somebody has changed it. "
    "The source access was left as it was. Retry makes it exact."
)


def servers_awaited() -> list[Server]:
    """The servers on which somebody has still to accept."""
    query = (
        select(Server)
        .join(Migration, Migration.target_id == Server.id)
        .join(Move, Move.migration_id == Migration.id)
        .where(Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT)
        .distinct()
    )
    return list(db.session.scalars(query))


def check_invites(server: Server) -> list[int]:
    """Ask one server who has accepted. Those are stored as effective; answers the runs that have something to remove on their source now.
    Whose invite is gone has failed, and can be tried again.

    Commits. Raises `PlatformError` when the server cannot be asked, `TooManyRequests` also while its account is to be left alone.
    """
    # Whoever is invited after this look cannot be in the list.
    since = {move.id: move.given_at for move in _waiting(server)}
    members = _ask(server)
    db.session.expire_all()
    waiting = [move for move in _waiting(server) if since.get(move.id, move) == move.given_at]
    listed = Listed(members, names=False)
    found = {move: listed.of(move) for move in waiting}
    ledger = Ledger(server, filter(None, found.values()))
    to_settle = [move.migration_id for move, member in found.items() if member and member.accepted and _accepted(move, member, ledger)]
    if not why_doubtful(server, members):
        _fail_gone([move for move, member in found.items() if member is None])
    db.session.commit()
    return sorted(set(to_settle))


def begun_anew(move: Move, why: str) -> dict[str, Any]:
    """The columns of a move whose invite is no more: as it was before access was given, so that a retry gives it again and tells the
    person again. `why`: a sentence."""
    lost = f" The source access was removed on {times.day(move.taken_at)} and is not restored by this." if move.taken_at else ""
    return {
        "status": MoveStatus.FAILED,
        "step": Step.GIVE,
        "retryable": True,
        "detail": f"{why}{lost} Retry invites again.",
        "accepted": False,
        "needs_look": True,
        "known": {},
        "target_member_id": "",
        "created_account": False,
        "given_at": None,
        "reminded_at": None,
        "account_mail": "",
        "attempts": 0,
        "changed_at": utc_now(),
    }


def _ask(server: Server) -> list[Member]:
    """Everyone who has access or an invite, asked without a transaction open."""
    until = pace.cooling_until([server])
    if until is not None:
        raise TooManyRequests(f"Plex has asked to slow down. {server.name} is asked again after {times.clock(until)}.")
    remote = remote_for(server)
    db.session.commit()
    try:
        return remote.members()
    except TooManyRequests as error:
        pace.cool_down(pace.name_of(server), error.retry_after_s)
        db.session.commit()
        raise
    except CredentialsRefused as error:
        note_trouble(server, error)
        db.session.commit()
        raise
    finally:
        remote.close()


def _accepted(move: Move, member: Member, ledger: Ledger) -> bool:
    """Write down that the access is effective; answers whether something has to be removed on the source now."""
    if not _still_waits(move):
        return False
    if not is_right(member, move):
        move.status, move.step, move.retryable, move.needs_look = MoveStatus.FAILED, Step.GIVE, True, True
        move.target_member_id, move.target_account_id, move.detail = member.id, member.account_id, OTHER_LIBRARIES
        return False
    move.accepted, move.target_member_id, move.target_account_id = True, member.id, member.account_id
    ledger.write(move, member)
    move.step, status = next_after_check(move.migration, move)
    if move.step is not Step.TAKE:
        move.status = status
    else:
        # Whoever removes it may come to it much later, and looks for themselves.
        move.needs_look = True
    return move.step is Step.TAKE


def _fail_gone(moves: Sequence[Move]) -> None:
    for move in moves:
        if _still_waits(move):
            _forget_invite(move)
            for name, value in begun_anew(move, GONE).items():
                setattr(move, name, value)


def _still_waits(move: Move) -> bool:
    """Holds the row until the commit, unless something else has been done about it meanwhile."""
    waits = (Move.id == move.id, Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT, Move.claim.is_(None))
    return execute(update(Move).where(*waits).values(changed_at=utc_now())) == 1


def _forget_invite(move: Move) -> None:
    mine = or_(Share.remote_id == move.target_member_id, Share.user_id == move.user_id)
    execute(delete(Share).where(Share.server_id == move.migration.target_id, Share.accepted_at.is_(None), mine))


def _waiting(server: Server) -> list[Move]:
    query = (
        select(Move)
        .join(Migration)
        .where(Migration.target_id == server.id, Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT)
        .options(joinedload(Move.migration), selectinload(Move.libraries), joinedload(Move.user))
    )
    return list(db.session.scalars(query))
