"""A server, or the Plex account that owns it, has asked to slow down: whatever an admin asks waits for that as everything else does."""

from __future__ import annotations

from panel.extensions import db
from panel.models import PlexAccount, Server
from panel.platforms.base import PlatformError, TooManyRequests
from panel.services import pace, times

#: Whom a person asks about on a page: a server, or an account at plex.tv itself.
Asked = Server | PlexAccount


class NotYet(ValueError):
    """The server, or its Plex account, is not to be asked now; `str(error)` is a sentence that says when."""


def why_not_yet(asked: Asked) -> str:
    """Who has asked to slow down, and when they can be asked again; empty where nobody has."""
    if isinstance(asked, PlexAccount):
        who, whom, until = "Plex", asked.email, pace.account_cooling_until(asked)
    else:
        who, whom, until = pace.who_slows(asked), asked.name, pace.cooling_until([asked])
    return f"{who} has asked to slow down: {whom} can be asked again after {times.clock(until)}." if until else ""


def require_warm(asked: Asked) -> None:
    """Before anything is read: raises `NotYet` while the server, or the Plex account, has asked to be left alone."""
    if sentence := why_not_yet(asked):
        raise NotYet(sentence)


def slow_down(asked: Asked, error: PlatformError) -> None:
    """Leave it alone after a 429, and commit that; other errors mean nothing here."""
    if isinstance(error, TooManyRequests):
        name = pace.name_of_account(asked.id) if isinstance(asked, PlexAccount) else pace.name_of(asked)
        pace.cool_down(name, error.retry_after_s)
        db.session.commit()
