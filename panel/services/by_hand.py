"""What a person asks a Plex account for on a page takes part in its pace like every run, but keeps them waiting for seconds only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, or_, select

from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE
from panel.extensions import db
from panel.models import Migration, Server
from panel.platforms.base import PlatformError, TooManyRequests
from panel.services import pace, times
from panel.services.preflight import default_pace_s
from panel.services.servers import refusal_of

#: Seconds a page waits for its turn, and between two looks whether it has come.
PATIENCE_S, LOOK_EVERY_S = 4.0, 0.2


class NotYet(ValueError):
    """The server, or its Plex account, is not to be asked now; `str(error)` is a sentence that says when."""


def require_warm(server: Server) -> None:
    """Before anything is read: raises `NotYet` while the server, or its Plex account, has asked to be left alone."""
    until = pace.cooling_until([server])
    if until is not None:
        raise NotYet(f"{pace.who_slows(server)} has asked to slow down: {server.name} can be asked again after {times.clock(until)}.")


@contextmanager
def turn(server: Server) -> Iterator[None]:
    """Around a request that changes something: a turn of the server's Plex account, waited for no longer than `PATIENCE_S`. Commits before
    and after. Raises `NotYet` instead of waiting longer. A server of another platform needs none."""
    require_warm(server)
    if server.platform is not Platform.PLEX:
        yield
        return
    name = pace.name_of(server)
    _wait_for(name, _interval_s(server))
    refused = False
    try:
        yield
    except TooManyRequests as error:
        refused = True
        slow_down(server, error)
        raise
    finally:
        pace.end_turn(name, refused=refused)
        db.session.commit()


def slow_down(server: Server, error: PlatformError) -> None:
    """Leave the account alone after a 429, and commit that; other errors mean nothing here."""
    if isinstance(error, TooManyRequests):
        pace.cool_down(pace.name_of(server), error.retry_after_s)
        db.session.commit()


def sentence_of(server: Server, error: PlatformError) -> str:
    """What a person can do about an error; one who has asked too often has nothing to check but the clock."""
    return str(error) if isinstance(error, TooManyRequests) else refusal_of(server, error).message


def _wait_for(name: str, interval_s: float) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (seconds := pace.take_turn(name, interval_s)) > 0:
        if time.monotonic() + seconds > deadline:
            in_all, left = _seconds(interval_s), _seconds(seconds)
            raise NotYet(f"Plex asks for {in_all} between two changes: nothing was done yet. Try again in {left}.")
        db.session.commit()
        time.sleep(min(seconds, LOOK_EVERY_S))


def _interval_s(server: Server) -> float:
    """The pace that is set, or the longest of the active runs that use the account."""
    sides = or_(Server.id == Migration.source_id, Server.id == Migration.target_id)
    mine = (Server.plex_account_id == server.plex_account_id, Migration.status.in_(ACTIVE))
    longest = db.session.scalar(select(func.max(Migration.pace_s)).join(Server, sides).where(*mine))
    return max(default_pace_s(), longest or 0.0)


def _seconds(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole} second{'s' if whole != 1 else ''}"
