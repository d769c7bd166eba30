"""Accounts that a link closed for a moment, to set a password, and could not open again: that is finished here."""

from __future__ import annotations

import logging
from datetime import timedelta

from sqlalchemy import or_, select, update

from panel.extensions import db, execute
from panel.models import Move, OneTimeLink
from panel.models.types import utc_now
from panel.platforms.base import NotAllowed, NotThere, PlatformError, SwitchedOff
from panel.services.claims import alone, choosing, closing
from panel.services.remarks import with_sentence

log = logging.getLogger(__name__)

#: Nothing is put off for longer.
LONGEST = timedelta(hours=1)


def due() -> list[int]:
    """The links whose account is to be opened again now."""
    now = utc_now()
    # One that lies far ahead was put off before the clock was put back.
    reached = or_(OneTimeLink.reopen_after <= now, OneTimeLink.reopen_after > now + LONGEST + closing.REOPEN_AFTER)
    return list(db.session.scalars(select(OneTimeLink.id).where(reached).order_by(OneTimeLink.id)))


def reopen(link_id: int) -> None:
    """Open the account of a link again, with a password that nobody knows unless it has one, and free the link. Where the server stays away
    this is tried again in a minute, and where it refuses, at growing intervals. Commits."""
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
    except (alone.BeingUsed, LookupError, PlatformError) as error:
        log.warning("The account of move %s stays closed for now: %s", move.id, error)
        refused = isinstance(error, PlatformError) and not (error.retryable or error.about_server)
        _put_off(link_id, move, refused=refused)
    db.session.commit()


def _put_off(link_id: int, move: Move, *, refused: bool) -> None:
    """What one and the same answer will meet again waits longer each time, and the move says so; flushed."""
    # A move before its links, as everybody has them: two that come at once wait for each other in one order.
    db.session.refresh(move, with_for_update=True)
    link = db.session.get(OneTimeLink, link_id, populate_existing=True)
    if link is None or link.reopen_after is None:
        return
    closed, wait = dict(link.closed), closing.REOPEN_AFTER
    if refused:
        before = closed.get("refused")
        times = before + 1 if isinstance(before, int) else 1
        closed["refused"], wait = times, min(LONGEST, wait * 2 ** min(times - 1, 10))
    # Unless somebody has opened it, or begun to, in the meantime.
    unchanged = (OneTimeLink.id == link_id, OneTimeLink.reopen_after == link.reopen_after)
    done = execute(update(OneTimeLink).where(*unchanged).values(closed=closed, reopen_after=utc_now() + wait))
    if done and refused:
        move.remark = with_sentence(closing.without_closing(move.remark), closing.STAYS_CLOSED)


def _reopen(link_id: int, move: Move) -> None:
    """Raises `PlatformError`, `BeingUsed`, `LookupError`."""
    was = closing.what_was_closed(move)
    try:
        choosing.require_own_account(move)
    except NotAllowed:
        was = None
    if was is not None:
        try:
            with alone.alone_at(link_id, move) as remote:
                remote.reopen(move.target_account_id, was)
        except (SwitchedOff, NotThere) as error:
            # Somebody else has changed it since, or it is gone: that is theirs to decide.
            log.info("The account of move %s is left as it is: %s", move.id, error)
    closing.forget_closing(move)
    alone.free(link_id)
