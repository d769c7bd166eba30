"""The time at which a run is asked to begin, as somebody has typed it."""

from __future__ import annotations

from datetime import datetime, timedelta

from panel.models.types import utc_now
from panel.services import times

#: A time may have passed by so much while it was typed.
PATIENCE_MIN = 10
PASSED = "This time has passed. Choose a later one, or leave it empty to begin at once."
#: A run that was planned for longer is forgotten by then, or the year is a slip.
FURTHEST_DAYS = 366
TOO_FAR = "This is more than a year ahead. Choose a time within a year, or leave it empty to begin at once."


class NoTimeToBegin(ValueError):
    """The time is a slip; the message says why and what to do."""


def begin_at(typed: datetime) -> datetime:
    """A wall clock time in the panel's zone as a moment.

    Raises `NoTimeToBegin` for a day long past, which is a slip and not a wish to begin at once, and for one that is more than a year ahead.
    """
    now = utc_now()
    if abs(typed.year - now.year) > 2:
        # At the ends of the calendar another zone's time may not exist.
        raise NoTimeToBegin(PASSED if typed.year < now.year else TOO_FAR)
    moment = times.from_local(typed)
    if moment - now < timedelta(minutes=-PATIENCE_MIN):
        raise NoTimeToBegin(PASSED)
    if moment - now > timedelta(days=FURTHEST_DAYS):
        raise NoTimeToBegin(TOO_FAR)
    return moment
