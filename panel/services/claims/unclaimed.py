"""Accounts with a password that a run gave them and nobody knows: until somebody has chosen one, a claim link is the only way in."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import aliased

from panel.extensions import db
from panel.models import Migration, Move, OneTimeLink
from panel.services.claims.links import CLAIM


def unclaimed_among(run: Migration, move_ids: Iterable[int]) -> set[int]:
    """Those of these moves of `run` whose account on its target this or an earlier run made for the same person, or gave a password that
    nobody knows, and for which no claim link of any of these runs was ever used; 1 query."""
    other, its_run = aliased(Move), aliased(Migration)
    # By user: that is what moves are indexed by, and an account that was made for somebody else is none of this person's.
    same_account = (
        its_run.target_id == run.target_id,
        other.migration_id == its_run.id,
        other.user_id == Move.user_id,
        other.target_account_id == Move.target_account_id,
    )
    made = exists().where(*same_account, or_(other.created_account, other.sealed))
    used = (OneTimeLink.purpose == CLAIM, OneTimeLink.used_at.is_not(None))
    claimed = exists().where(*same_account, OneTimeLink.move_id == other.id, *used)
    # A password chosen by the link of an earlier run was gone when this one gave another.
    sealed = Move.sealed & ~exists().where(OneTimeLink.move_id == Move.id, *used)
    query = select(Move.id).where(Move.id.in_(list(move_ids)), Move.target_account_id != "", or_(made & ~claimed, sealed))
    return set(db.session.scalars(query))


def has_chosen(move: Move) -> bool:
    """Whether somebody has chosen a password by a link of this very move; 1 query."""
    used = exists().where(OneTimeLink.move_id == move.id, OneTimeLink.purpose == CLAIM, OneTimeLink.used_at.is_not(None))
    return bool(db.session.scalar(select(used)))


def is_unclaimed(run: Migration, move: Move) -> bool:
    """Whether nobody can have chosen a password for this move's account, which we made or gave one that nobody knows; 1 query."""
    return bool(unclaimed_among(run, [move.id]))
