"""The time of day of this machine, watched: once it was put back, whatever waits for a moment would wait so much longer."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, case, or_, select, update

from panel.extensions import db, execute
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.stopwatch import Stopwatch
from panel.services import pace
from panel.services.run.secure import LOOK_AGAIN_S, NEVER
from panel.services.shared_clock import shared_now

#: A clock that is put right by less, in seconds, is left to itself.
LEAST_S = 10.0
#: By so much, in seconds, the clock of the host that has written something may go before this one: no reason to end its waits.
HOSTS_DIFFER_S = 60.0


class Clock:
    """What the time of day was when last looked at, and how long ago that was."""

    def __init__(self) -> None:
        self._then: datetime | None = None
        self._since = Stopwatch()

    def written_before(self) -> datetime | None:
        """Whatever was written later than this, by its own word, was written before the clock was put back; `None` where it was not put
        back since the last look. What came before the first look nobody knows."""
        then, passed_s, now = self._then, self._since.passed_s, utc_now()
        self._then, self._since = now, Stopwatch()
        if then is None:
            return now + timedelta(seconds=HOSTS_DIFFER_S)
        return now if then + timedelta(seconds=passed_s - LEAST_S) >= now else None


_clock = Clock()


def go_by_the_clock() -> None:
    """Ends the waits that were written down before this machine's clock was put back: what they were for is looked at anew. Commits.

    What was written longer ago than the clock was put back waits for no longer than it was to wait; the start of a run that somebody has
    set stays as it was said. A next round, which nobody has set, is never further away than one is from the next.
    """
    pace.put_right()
    _bring_rounds_near()
    written = _clock.written_before()
    if written is None:
        return
    now = utc_now()
    soon = now + timedelta(seconds=LOOK_AGAIN_S)
    late = and_(Move.secure_after > soon, Move.secure_after < NEVER)
    begun = or_(Migration.start_at.is_(None), Migration.started_at.is_not(None))
    execute(update(Migration).where(Migration.changed_at > written, Migration.wake_at > now, begun).values(wake_at=now))
    execute(
        update(Move)
        .where(Move.changed_at > written, or_(Move.not_before > now, late))
        .values(
            not_before=case((Move.not_before > now, now), else_=Move.not_before),
            # Only a look after a while settles whether a request that was given up still arrives.
            secure_after=case((late, soon), else_=Move.secure_after),
        )
    )
    db.session.commit()


def _bring_rounds_near() -> None:
    """Committed where there was such a one."""
    now = shared_now()
    to_come = Migration.follows_id.is_not(None), Migration.started_at.is_(None), Migration.ended_at.is_(None), Migration.start_at > now
    for run in db.session.execute(select(Migration.id, Migration.start_at, Migration.repeat_every_h).where(*to_come)).all():
        latest = now + timedelta(hours=run.repeat_every_h)
        if run.start_at > latest:
            sooner = case((Migration.wake_at > latest, latest), else_=Migration.wake_at)
            as_read = Migration.id == run.id, Migration.start_at == run.start_at, Migration.started_at.is_(None)
            execute(update(Migration).where(*as_read).values(start_at=latest, wake_at=sooner))
            db.session.commit()
