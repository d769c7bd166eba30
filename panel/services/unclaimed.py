"""Accounts that a run made and whose password nobody has chosen yet: their people can open them by a claim link only."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from panel.extensions import db
from panel.models import Migration, Move, OneTimeLink
from panel.services.claims import CLAIM


def unclaimed_among(run: Migration, move_ids: Iterable[int]) -> set[int]:
    """Those of these moves of `run` whose account on its target this or an earlier run made for the same person, and for which no claim
    link of any of these runs was ever used; 1 query."""
    other, its_run = aliased(Move), aliased(Migration)
    # By user: that is what moves are indexed by, and an account that was made for somebody else is none of this person's.
    same_account = (
        its_run.target_id == run.target_id,
        other.migration_id == its_run.id,
        other.user_id == Move.user_id,
        other.target_account_id == Move.target_account_id,
    )
    made = exists().where(*same_account, other.created_account)
    used = (OneTimeLink.move_id == other.id, OneTimeLink.purpose == CLAIM, OneTimeLink.used_at.is_not(None))
    claimed = exists().where(*same_account, *used)
    query = select(Move.id).where(Move.id.in_(list(move_ids)), Move.target_account_id != "", made, ~claimed)
    return set(db.session.scalars(query))


def is_unclaimed(run: Migration, move: Move) -> bool:
    """Whether nobody can have chosen a password for this move's account, and a run of ours made it; 1 query."""
    return bool(unclaimed_among(run, [move.id]))
