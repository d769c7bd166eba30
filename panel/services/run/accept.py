"""Afterwards: invites that wait for the person. One look per Plex account tells who has accepted; their source access follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Migration, Move, Server, Share
from panel.models.types import utc_now
from panel.platforms.base import Member
from panel.services import times
from panel.services.run.check import is_right, next_after_check
from panel.services.run.invite_lists import asked_together, lists_of
from panel.services.run.ledger import Ledger
from panel.services.run.listed import Listed
from panel.services.run.way_back import is_taken_back
from panel.services.sync.shares import why_doubtful

GONE = "The invite is gone: it was declined or withdrawn, or it has expired."
#: Said of somebody who waits on because what the platform says of their invite cannot be read.
CANNOT_TELL = "Whether the invite is accepted cannot be told."
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
        .where(*_awaited())
        .distinct()
    )
    return list(db.session.scalars(query))


def accounts_awaited() -> list[list[Server]]:
    """The same, those together that one look tells about."""
    left, together = servers_awaited(), []
    while left:
        first = min(left, key=lambda server: server.id)
        together.append([first, *asked_together(first, left)])
        left = [server for server in left if server not in together[-1]]
    return together


def check_invites(server: Server) -> list[int]:
    """Ask who has accepted on a server, and on the others of its Plex account where somebody has still to accept: the same lists tell.
    Those are stored as effective; answers the runs that have something to remove on their source now. Whose invite is gone has failed, and
    can be tried again.

    Commits. Raises `PlatformError` when the server cannot be asked, `TooManyRequests` also while its account is to be left alone.
    """
    others = asked_together(server, servers_awaited())
    # Whoever is invited after this look cannot be in the list.
    since = {move.id: move.given_at for one in (server, *others) for move in _waiting(one)}
    lists = lists_of(server, others)
    db.session.expire_all()
    to_settle: set[int] = set()
    for server_id, members in lists.items():
        one = db.session.get(Server, server_id)
        if one is not None:
            to_settle.update(_judge(one, members, since))
    return sorted(to_settle)


def begun_anew(move: Move, why: str) -> dict[str, Any]:
    """The columns of a move whose invite is no more: as it was before access was given, so that a retry gives it again and tells the
    person again. `why`: a sentence."""
    lost = f" The source access was removed on {times.day(move.taken_at)} and is not restored by this." if move.taken_at else ""
    return {
        "status": MoveStatus.FAILED,
        "step": Step.GIVE,
        "retryable": True,
        "detail": f"{why}{lost} Retry invites again.",
        "unreadable": False,
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


def _judge(server: Server, members: list[Member], since: Mapping[int, datetime | None]) -> list[int]:
    """By one list, committed; `since`: when those were invited who can be in it, by the id of the move. Answers the runs to go on."""
    waiting = [move for move in _waiting(server) if move.id in since and since[move.id] == move.given_at]
    listed = Listed(members, names=False)
    found = {move: listed.of(move) for move in waiting}
    stray = _stray(members, found.values())
    for move, member in found.items():
        _note_untold(move, member or stray, server)
    ledger = Ledger(server, filter(None, found.values()))
    accepted = {move: member for move, member in found.items() if member and member.accepted and not member.unreadable}
    to_settle = [move.migration_id for move, member in accepted.items() if _accepted(move, member, ledger)]
    if stray is None and not why_doubtful(server, members):
        _fail_gone([move for move, member in found.items() if member is None])
    db.session.commit()
    return to_settle


def _stray(members: Iterable[Member], found: Iterable[Member | None]) -> Member | None:
    """An entry without an id that is nobody's of those who wait, so that it may be anybody's of them who is missing from the list."""
    known = list(found)
    return next((member for member in members if member.unreadable and not member.id and member not in known), None)


def _note_untold(move: Move, entry: Member | None, server: Server) -> None:
    """That of this user it cannot be told whether they have accepted, and why, until it can be."""
    why = entry.unreadable if entry else ""
    said = (bool(why), f"{CANNOT_TELL} {server.name}: {why}" if why else "")
    if (why or move.unreadable) and said != (move.unreadable, move.detail) and _still_waits(move):
        move.unreadable, move.detail = said


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
    waits = (Move.id == move.id, *_awaited(), Move.claim.is_(None))
    return execute(update(Move).where(*waits).values(changed_at=utc_now())) == 1


def _forget_invite(move: Move) -> None:
    mine = or_(Share.remote_id == move.target_member_id, Share.user_id == move.user_id)
    execute(delete(Share).where(Share.server_id == move.migration.target_id, Share.accepted_at.is_(None), mine))


def _awaited() -> tuple[ColumnElement[bool], ...]:
    """Who has still to accept. While another run takes back what was given they are not waited for; where that comes to nothing, again."""
    return Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT, ~is_taken_back()


def _waiting(server: Server) -> list[Move]:
    query = (
        select(Move)
        .join(Migration)
        .where(Migration.target_id == server.id, *_awaited())
        .options(joinedload(Move.migration), selectinload(Move.libraries), joinedload(Move.user))
    )
    return list(db.session.scalars(query))
