"""Sessions that were ended one by one: the cookie that holds one is only signed, so that a copy of it would live on without this.

What is kept of an ended session is the hash of its id, until the session would be too old anyway.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists
from sqlalchemy.exc import IntegrityError

from panel.extensions import db, execute
from panel.models import Admin, OneTimeLink
from panel.models.types import utc_now
from panel.services import admins

ENDED = "signed-out"


def new_id() -> str:
    """The id of a new session, unguessable; it says when the session was begun."""
    return f"{int(utc_now().timestamp())}.{secrets.token_urlsafe(16)}"


def is_too_old(session_id: str, lasts: timedelta) -> bool:
    """Whether a session was begun longer ago than it lasts, or does not say when.

    A cookie is signed anew whenever something in it changes, so that its own age says nothing: a copy could outlive what is kept of an
    ended session. One without an id cannot: ending it ends all.
    """
    born = session_id.partition(".")[0]
    return bool(session_id) and not (born.isdecimal() and utc_now().timestamp() - int(born) < lasts.total_seconds())


def end(admin: Admin, session_id: str, lasts: timedelta) -> None:
    """Void one session of this admin, which is too old after `lasts`; one without an id is voided with all of theirs. Flushed."""
    now = utc_now()
    if not session_id:
        admins.end_sessions(admin)
        return
    execute(delete(OneTimeLink).where(OneTimeLink.purpose == ENDED, OneTimeLink.expires_at <= now))
    try:
        with db.session.begin_nested():
            db.session.add(OneTimeLink(purpose=ENDED, token_hash=_hash(session_id), expires_at=now + lasts, used_at=now))
    except IntegrityError:
        return  # It was ended at this very moment by another request.


def is_over(session_id: str) -> ColumnElement[bool]:
    """Whether a session was ended, as part of a query."""
    return exists().where(OneTimeLink.purpose == ENDED, OneTimeLink.token_hash == _hash(session_id))


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
