"""A turn of the pace that is near is waited for with everything ready to be sent, so that nothing but the request comes after it. One
between two requests for the same user is waited for however far it is."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from sqlalchemy import select

from panel.domain.statuses import WORKABLE, MigrationStatus, Step
from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from panel.platforms.base import PlatformError, ServerFault
from panel.services import pace
from panel.services.run.lease import Lease

#: Seconds that whoever is in hand may wait there for their turn; for longer they are put back.
NEAR_S = 3.0
#: Seconds that whoever was sent something already waits there for one more turn at most, and between two looks whether the run goes on.
LONGEST_S, LOOK_EVERY_S = 900.0, 1.0


class Interrupted(PlatformError):
    """Between two requests for one user the run was paused, or the Plex account has asked to be left alone: the next one has not left, and
    whoever it was for is looked at first, as after a crash. `until`: when the next turn is due."""

    retryable = True
    #: A request that creates something is either the one that has not left, or was refused before it.
    had_no_effect = True

    def __init__(self, until: datetime) -> None:
        super().__init__("The run was stopped between two changes for this user; the second was not sent.")
        self.until = until


def wait_for_turn(run: Migration, lease: Lease, name: str, step: Step) -> float:
    """Take the next turn, waiting for one that is near; answers 0.0, or the seconds to wait where it is far off or the run was paused or
    cancelled meanwhile. Commits. Raises `LeaseLost`."""
    while 0 < (seconds := pace.take_turn(name, pace.interval_s(run, name), run.id)) <= NEAR_S and not lease.is_used_up:
        db.session.commit()
        lease.sleep(seconds)
        if not _goes_on(run.id, step):
            return seconds
    return max(0.0, seconds)


def wait_for_another_turn(run: Migration, lease: Lease, name: str) -> None:
    """The request that had the turn is over: wait for another turn, keeping the hold. Others whose turn comes first have it. Commits; from
    any thread that has a session of its own.

    Raises `LeaseLost`, `Interrupted`, and `ServerFault` where it takes too long for somebody to be kept in hand.
    """
    pace.end_turn(name, lease.hold)
    db.session.commit()
    give_up_at = time.monotonic() + LONGEST_S
    while (seconds := pace.take_turn(name, pace.interval_s(run, name), run.id)) > 0:
        due_at = time.monotonic() + seconds
        if due_at > give_up_at and not pace.is_cooling(name):
            raise ServerFault("This user takes two changes at Plex, and the pace leaves too long between them. They are looked at again.")
        while (left := due_at - time.monotonic()) > 0:
            if pace.is_cooling(name) or _is_paused(run.id):
                raise Interrupted(utc_now() + timedelta(seconds=left))
            db.session.rollback()
            lease.sleep(min(left, LOOK_EVERY_S))


def _is_paused(run_id: int) -> bool:
    return db.session.scalar(select(Migration.status).where(Migration.id == run_id)) is MigrationStatus.PAUSED


def _goes_on(run_id: int, step: Step) -> bool:
    """As for taking somebody new in hand: only a paused run does not settle what was given."""
    status = db.session.scalar(select(Migration.status).where(Migration.id == run_id))
    return status in WORKABLE if step is Step.GIVE else status is not MigrationStatus.PAUSED
