"""One-time links: single use, expiring, unguessable, and only their hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import Select, delete, select, update

from panel.extensions import db, execute
from panel.models import Migration, Move, OneTimeLink
from panel.models.types import utc_now
from panel.services.shared_clock import shared_now

SETUP, CLAIM = "setup", "claim"
LIFETIMES = {SETUP: timedelta(days=2), CLAIM: timedelta(days=14)}


def make(purpose: str, move_id: int | None = None) -> str:
    """A fresh token for this purpose; earlier unused ones for the same thing (for a claim: the same account, whichever run made the link)
    are void from now on. Flushed."""
    same_thing = OneTimeLink.move_id.is_(None) if move_id is None else OneTimeLink.move_id.in_(moves_to_the_account_of(move_id))
    earlier = (OneTimeLink.purpose == purpose, same_thing, OneTimeLink.used_at.is_(None))
    columns = select(OneTimeLink.id, OneTimeLink.in_use_since, OneTimeLink.closed).where(*earlier)
    for link_id, in_use_since, closed in db.session.execute(columns).all():
        if in_use_since or closed:
            # What is on its way by it still has to be written down.
            execute(update(OneTimeLink).where(OneTimeLink.id == link_id).values(expires_at=utc_now()))
        else:
            execute(delete(OneTimeLink).where(OneTimeLink.id == link_id))
    token = secrets.token_urlsafe(32)
    db.session.add(OneTimeLink(purpose=purpose, token_hash=_hash(token), move_id=move_id, expires_at=utc_now() + LIFETIMES[purpose]))
    db.session.flush()
    return token


def find(purpose: str, token: str) -> OneTimeLink | None:
    """The link, while it is neither used nor expired."""
    link = db.session.scalar(fresh(select(OneTimeLink).where(OneTimeLink.purpose == purpose, OneTimeLink.token_hash == _hash(token))))
    return link if link and link.used_at is None and link.expires_at > utc_now() else None


def use(link: OneTimeLink) -> bool:
    """Use it up; `False` when somebody was quicker. Flushed."""
    return use_up(link.id)


def use_up(link_id: int) -> bool:
    unused = (OneTimeLink.id == link_id, OneTimeLink.used_at.is_(None))
    return execute(update(OneTimeLink).where(*unused).values(used_at=shared_now(), in_use_since=None)) == 1


def moves_to_the_account_of(move_id: int) -> list[int]:
    """The moves of the same user to the same account, this one first."""
    move = db.session.get(Move, move_id)
    if move is None or not move.target_account_id:
        return [move_id]
    same = (Move.user_id == move.user_id, Move.target_account_id == move.target_account_id)
    others = select(Move.id).join(Migration).where(Migration.target_id == move.migration.target_id, *same, Move.id != move_id)
    return [move_id, *db.session.scalars(others)]


def links_to_the_account_of(move: Move) -> Select[OneTimeLink]:
    return select(OneTimeLink).where(OneTimeLink.purpose == CLAIM, OneTimeLink.move_id.in_(moves_to_the_account_of(move.id)))


def fresh(query: Select[OneTimeLink]) -> Select[OneTimeLink]:
    return query.execution_options(populate_existing=True)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
