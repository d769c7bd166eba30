"""Accounts that a link closed for a moment, to set a password, and could not open again: that is finished here."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import or_, select, update

from panel.extensions import db, execute
from panel.models import Move, OneTimeLink
from panel.models.types import utc_now
from panel.platforms.base import NotAllowed, NotThere, PlatformError, SwitchedOff
from panel.services import claims

log = logging.getLogger(__name__)

#: Nothing is put off for longer.
LONGEST = timedelta(hours=1)


def due() -> list[int]:
    """The links whose account is to be opened again now."""
    now = utc_now()
    # One that lies far ahead was put off before the clock was put back.
    reached = or_(OneTimeLink.reopen_after <= now, OneTimeLink.reopen_after > now + LONGEST)
    return list(db.session.scalars(select(OneTimeLink.id).where(reached).order_by(OneTimeLink.id)))


def reopen(link_id: int) -> None:
    """Open the account of a link again, with a password that nobody knows unless it has one, and free the link. Where the server stays away
    this is tried again in a minute. Commits."""
    link = db.session.get(OneTimeLink, link_id, populate_existing=True)
    if link is None or link.reopen_after is None:
        return
    move = db.session.get(Move, link.move_id)
    if move is None:
        db.session.delete(link)
        db.session.commit()
        return
    try:
        _reopen(link_id, move)
    except (claims.BeingUsed, LookupError, PlatformError) as error:
        log.warning("The account of move %s stays closed for now: %s", move.id, error)
        waiting = (OneTimeLink.id == link_id, OneTimeLink.reopen_after.is_not(None))
        execute(update(OneTimeLink).where(*waiting).values(reopen_after=utc_now() + claims.REOPEN_AFTER))
    db.session.commit()


def _reopen(link_id: int, move: Move) -> None:
    """Raises `PlatformError`, `BeingUsed`, `LookupError`."""
    was = claims.what_was_closed(move)
    try:
        claims.require_own_account(move)
    except NotAllowed:
        was = None
    if was is not None:
        try:
            with claims.alone_at(link_id, move) as remote:
                remote.reopen(move.target_account_id, was)
        except (SwitchedOff, NotThere) as error:
            # Somebody else has changed it since, or it is gone: that is theirs to decide.
            log.info("The account of move %s is left as it is: %s", move.id, error)
    claims.forget_closing(move)
    claims.free(link_id)
