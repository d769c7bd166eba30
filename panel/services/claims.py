"""One-time links: single use, expiring, unguessable, and only their hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, exists, select, update

from panel.extensions import db, execute
from panel.models import Account, Migration, Move, OneTimeLink
from panel.models.types import utc_now
from panel.platforms.base import NotAllowed
from panel.services import proof
from panel.services.servers import HURRIED, remote_for

SETUP, CLAIM = "setup", "claim"
LIFETIMES = {SETUP: timedelta(days=2), CLAIM: timedelta(days=14)}
MIN_PASSWORD_LENGTH = 8


def make(purpose: str, move_id: int | None = None) -> str:
    """A fresh token for this purpose; earlier unused ones for the same thing (for a claim: the same account, whichever run made the link)
    are void from now on. Flushed."""
    same_thing = OneTimeLink.move_id.is_(None) if move_id is None else OneTimeLink.move_id.in_(_moves_to_the_account_of(move_id))
    execute(delete(OneTimeLink).where(OneTimeLink.purpose == purpose, same_thing, OneTimeLink.used_at.is_(None)))
    token = secrets.token_urlsafe(32)
    db.session.add(OneTimeLink(purpose=purpose, token_hash=_hash(token), move_id=move_id, expires_at=utc_now() + LIFETIMES[purpose]))
    db.session.flush()
    return token


def find(purpose: str, token: str) -> OneTimeLink | None:
    """The link, while it is neither used nor expired."""
    link = db.session.scalar(select(OneTimeLink).where(OneTimeLink.purpose == purpose, OneTimeLink.token_hash == _hash(token)))
    return link if link and link.used_at is None and link.expires_at > utc_now() else None


def use(link: OneTimeLink) -> bool:
    """Use it up; `False` when somebody was quicker. Flushed."""
    used = execute(update(OneTimeLink).where(OneTimeLink.id == link.id, OneTimeLink.used_at.is_(None)).values(used_at=utc_now()))
    return used == 1


def choose_password(link: OneTimeLink, password: str) -> None:
    """Set the password a moved person has chosen; the link is free again when the server does not take it. Commits.

    Raises `PlatformError` when the server does not take it (`NotAllowed` for an account that is somebody else's by now, an
    administrator's, or, as `SwitchedOff`, a disabled one), `LookupError` when the link was used in the meantime.
    """
    move = db.session.get_one(Move, link.move_id)
    _require_own_account(move)
    if not use(link):
        raise LookupError("This link was used already.")
    # Committed before the server is asked: a transaction held open over a request would keep everybody else from writing.
    db.session.commit()
    remote = remote_for(move.migration.target, timeouts=HURRIED)
    try:
        with proof.announced(move.migration_id, move.id, move.migration.target_id):
            remote.set_password(move.target_account_id, password, switched_on=True)
    except Exception:
        execute(update(OneTimeLink).where(OneTimeLink.id == link.id).values(used_at=None))
        db.session.commit()
        raise
    finally:
        remote.close()
    db.session.commit()


def _require_own_account(move: Move) -> None:
    """Raises `NotAllowed` unless the account is still known as this user's: people are merged and sorted out after a move as well."""
    server_id = move.migration.target_id
    mine = (Account.server_id == server_id, Account.remote_id == move.target_account_id, Account.user_id == move.user_id)
    if not move.target_account_id or not db.session.scalar(select(exists().where(*mine))):
        raise NotAllowed("This account is not known as this person's any more; no password was set.")


def _moves_to_the_account_of(move_id: int) -> list[int]:
    """The moves of the same user to the same account, this one first."""
    move = db.session.get(Move, move_id)
    if move is None or not move.target_account_id:
        return [move_id]
    same = (Move.user_id == move.user_id, Move.target_account_id == move.target_account_id)
    others = select(Move.id).join(Migration).where(Migration.target_id == move.migration.target_id, *same, Move.id != move_id)
    return [move_id, *db.session.scalars(others)]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
