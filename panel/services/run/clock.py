"""The time of day of this machine, watched: once it was put back, whatever waits for a moment would wait so much longer."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import or_, update

from panel.extensions import db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.stopwatch import Stopwatch
from panel.services import pace
from panel.services.run.secure import LOOK_AGAIN_S

#: A clock that is put right by less, in seconds, is left to itself.
LEAST_S = 10.0


class Clock:
    """What the time of day was when last looked at, and how long ago that was."""

    def __init__(self) -> None:
        self._then, self._since = utc_now(), Stopwatch()

    def put_back_by(self) -> timedelta:
        """By how much the time of day was put back since the last look; nothing where it was not."""
        should_be = self._then + timedelta(seconds=self._since.passed_s)
        self._then, self._since = utc_now(), Stopwatch()
        return max(timedelta(), should_be - self._then)


_clock = Clock()


def go_by_the_clock() -> None:
    """Ends the waits that were written down before this machine's clock was put back: what they were for is looked at anew. Commits.

    The start of a run that somebody has set stays as it was said.
    """
    put_back_by = _clock.put_back_by()
    pace.put_right()
    if put_back_by < timedelta(seconds=LEAST_S):
        return
    now = utc_now()
    before, soon = now + put_back_by, now + timedelta(seconds=LOOK_AGAIN_S)
    begun = or_(Migration.start_at.is_(None), Migration.started_at.is_not(None))
    execute(update(Migration).where(Migration.wake_at > before, begun).values(wake_at=now))
    execute(update(Move).where(Move.not_before > before).values(not_before=now))
    # Only a look after a while settles whether a request that was given up still arrives.
    execute(update(Move).where(Move.secure_after > max(before, soon)).values(secure_after=soon))
    db.session.commit()
