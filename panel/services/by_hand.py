"""What a person asks a Plex account for on a page takes part in its pace like every run, but keeps them waiting for seconds only; for the
time between two changes where the first call was one that Plex does not know (any more)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, or_, select

from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE
from panel.extensions import db
from panel.models import Migration, Server
from panel.platforms import turns
from panel.platforms.base import TooManyRequests
from panel.services import pace
from panel.services.preflight import default_pace_s
from panel.services.throttling import NotYet, require_warm, slow_down

#: Seconds a page waits for its turn, for one more where Plex did not take the first request, and between two looks whether it has come.
PATIENCE_S, BETWEEN_S, LOOK_EVERY_S = 4.0, 35.0, 0.2


@contextmanager
def turn(server: Server) -> Iterator[None]:
    """Around a request that changes something: a turn of the server's Plex account, waited for no longer than `PATIENCE_S`. Where Plex
    knows it by another call alone, that one has a turn of its own. Commits before, between and after. Raises `NotYet` instead of waiting
    longer. A server of another platform needs none."""
    require_warm(server)
    if server.platform is not Platform.PLEX:
        yield
        return
    name = pace.name_of(server)
    _wait_for(name, _interval_s(server), PATIENCE_S)
    refused = False
    try:
        with turns.one_taken(lambda: _another(server, name)):
            yield
    except TooManyRequests as error:
        refused = True
        slow_down(server, error)
        raise
    finally:
        pace.end_turn(name, refused=refused)
        db.session.commit()


def _another(server: Server, name: str) -> None:
    pace.end_turn(name)
    db.session.commit()
    require_warm(server)
    _wait_for(name, _interval_s(server), BETWEEN_S)


def _wait_for(name: str, interval_s: float, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
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
