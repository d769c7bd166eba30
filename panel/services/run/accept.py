"""Afterwards: invites that wait for the person. One list per server tells who has accepted; their source access follows."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, Server
from panel.platforms.base import PlatformError
from panel.services.run.check import is_right, next_after_check
from panel.services.run.ledger import Ledger
from panel.services.run.listed import Listed
from panel.services.servers import remote_for


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

    Commits. Raises `PlatformError` when the server cannot be asked.
    """
    remote = remote_for(server)
    try:
        listed = Listed(remote.members(), names=False)
    finally:
        remote.close()
    to_settle = []
    found = [(move, listed.of(move)) for move in _waiting(server)]
    ledger = Ledger(server, [member for _, member in found if member])
    for move, member in found:
        if member is None or not member.accepted or not is_right(member, move):
            continue
        move.accepted, move.target_member_id, move.target_account_id = True, member.id, member.account_id
        ledger.write(move, member)
        move.step, status = next_after_check(move.migration, move)
        if move.step is Step.TAKE:
            to_settle.append(move.migration_id)
        else:
            move.status = status
    db.session.commit()
    return sorted(set(to_settle))


def _waiting(server: Server) -> list[Move]:
    query = (
        select(Move)
        .join(Migration)
        .where(Migration.target_id == server.id, Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT)
        .options(joinedload(Move.migration), selectinload(Move.libraries), joinedload(Move.user))
    )
    return list(db.session.scalars(query))


__all__ = ["PlatformError", "check_invites", "servers_awaited"]
