"""Sessions that were ended one by one: the cookie that holds one is only signed, so that a copy of it would live on without this.

What is kept of an ended session is the hash of its id, for as long as a cookie of it could still be read.
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
    """The id of a new session, unguessable."""
    return secrets.token_urlsafe(16)


def end(admin: Admin, session_id: str, lasts: timedelta) -> None:
    """Void one session of this admin, whose cookies can be read for `lasts`; one without an id is voided with all of theirs. Flushed."""
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
