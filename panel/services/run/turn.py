"""A turn of the pace that is near is waited for with everything ready to be sent, so that nothing but the request comes after it."""

from __future__ import annotations

from sqlalchemy import select

from panel.domain.statuses import WORKABLE, MigrationStatus, Step
from panel.extensions import db
from panel.models import Migration
from panel.services import pace
from panel.services.run.lease import Lease

#: Seconds that whoever is in hand may wait there for their turn; for longer they are put back.
NEAR_S = 3.0


def wait_for_turn(run: Migration, lease: Lease, name: str, step: Step) -> float:
    """Take the next turn, waiting for one that is near; answers 0.0, or the seconds to wait where it is far off or the run was paused or
    cancelled meanwhile. Commits. Raises `LeaseLost`."""
    while 0 < (seconds := pace.take_turn(name, pace.interval_s(run, name), run.id)) <= NEAR_S and not lease.is_used_up:
        db.session.commit()
        lease.sleep(seconds)
        if not _goes_on(run.id, step):
            return seconds
    return max(0.0, seconds)


def _goes_on(run_id: int, step: Step) -> bool:
    """As for taking somebody new in hand: only a paused run does not settle what was given."""
    status = db.session.scalar(select(Migration.status).where(Migration.id == run_id))
    return status in WORKABLE if step is Step.GIVE else status is not MigrationStatus.PAUSED
