"""One time of day for all hosts of an installation: the clocks of two hosts differ, the database has but one."""

from __future__ import annotations

import socket
from datetime import datetime

from sqlalchemy import Connection, func, select, type_coerce

from panel.extensions import db
from panel.models.types import UtcDateTime, utc_now

#: From how many seconds on somebody is told that a clock is wrong.
WRONG_S = 5.0

_OF_DATABASE = select(type_coerce(func.timezone("UTC", func.clock_timestamp()), UtcDateTime))


def shared_now(connection: Connection | None = None) -> datetime:
    """This moment by the clock of PostgreSQL, which all hosts share, over `connection` or the session; SQLite means one host, and its own.

    For what one host writes and another one judges by: who holds a run, whose turn it is, what came before what. Where a wait of a host is
    only over a little sooner or later, `utc_now` will do.
    """
    dialect = db.engine.dialect if connection is None else connection.dialect
    return _of_database(connection) if dialect.name == "postgresql" else utc_now()


def ahead_s() -> float:
    """By how many seconds the clock of this host is ahead of the one that all share, at least; negative where it is behind. However long
    the database takes to answer, it does not count."""
    before, shared, after = utc_now(), shared_now(), utc_now()
    return max((before - shared).total_seconds(), 0.0) or min((after - shared).total_seconds(), 0.0)


def clock_problem() -> str:
    """That the clock of this host, or the one that all share, is wrong, as a sentence; else empty."""
    seconds = ahead_s()
    if abs(seconds) < WRONG_S:
        return ""
    apart = f"{abs(seconds):.0f} seconds" if abs(seconds) < 120 else f"{abs(seconds) / 60:.0f} minutes"
    differs, early = ("ahead of", "early") if seconds > 0 else ("behind", "late")
    return (
        f"The clock of {socket.gethostname()} is {apart} {differs} the database's: what waits for a time begins that much too {early} "
        "there. Have the time set by itself (NTP) on every machine."
    )


def _of_database(connection: Connection | None) -> datetime:
    return (connection or db.session).execute(_OF_DATABASE).scalar_one()
