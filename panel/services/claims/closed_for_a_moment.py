"""Accounts that a link has closed for a moment: their people use the server all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import select

from panel.extensions import db
from panel.models import Migration, Move, OneTimeLink
from panel.platforms.base import Kept, Member
from panel.services.claims.closing import kept_from_closing
from panel.services.claims.links import CLAIM
from panel.services.servers import Look


def closed_for_a_moment(server_id: int) -> dict[str, Kept]:
    """The accounts of a server that links have closed and that are going to be opened again by themselves, with what they opened."""
    query = select(Move.target_account_id, OneTimeLink.closed).join(OneTimeLink, OneTimeLink.move_id == Move.id).join(Move.migration)
    wanted = (Migration.target_id == server_id, OneTimeLink.purpose == CLAIM, OneTimeLink.reopen_after.is_not(None))
    rows = db.session.execute(query.where(*wanted).order_by(OneTimeLink.reopen_after)).all()
    return {row.target_account_id: was for row in rows if (was := kept_from_closing(row.closed)) is not None}


def as_open(look: Look, closed: Mapping[str, Kept]) -> Look:
    """A server as it is again in a moment: the accounts in `closed` count as enabled, unless somebody else has changed since what they
    open."""
    return replace(look, members=tuple(member_as_open(member, closed) for member in look.members)) if closed else look


def member_as_open(member: Member, closed: Mapping[str, Kept]) -> Member:
    """An account as it is again in a moment; see `as_open`."""
    was = closed.get(member.account_id)
    if was is None or not member.disabled or (member.all_libraries, member.library_ids) != (was.all_libraries, was.library_ids):
        return member
    settings = {**member.settings, "IsDisabled": False} if member.settings else member.settings
    return replace(member, disabled=False, settings=settings)
