"""After a mistake of ours, which nobody foresaw: the run is put off and tried again, and ended where that has not helped."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from panel.extensions import config, db
from panel.models import Migration
from panel.models.types import utc_now
from panel.services.run.finish import stop_all
from panel.services.run.lease import Lease, LeaseLost
from panel.services.run.rows import require_epoch
from panel.services.run.secure import leave_in_doubt
from panel.services.run.trouble import ASK_AGAIN_S
from panel.services.waiting import TRIED_AGAIN

log = logging.getLogger(__name__)


def after_mishap(run_id: int, lease: Lease, *, secured: bool) -> datetime | None:
    """Put the run off, and end it once that has not helped; answers when it is tried again, `None` where it is in other hands. Commits.

    It is put off first: what goes wrong in ending it goes wrong again. `secured`: whether the mistake came after what may stand open had
    been closed or put off; only then what came to be in doubt since is closed at once. Else it waits as well: the mistake would come back
    with it at every tick.
    """
    try:
        require_epoch(run_id, lease.epoch)
        run = db.session.get_one(Migration, run_id, populate_existing=True)
        waits = config().outage_waits_s
        may_help = run.outages < len(waits)
        wake_at = utc_now() + timedelta(seconds=waits[run.outages] if may_help else ASK_AGAIN_S)
        run.wake_at, run.outages = wake_at, run.outages + 1
        run.wake_reason, run.awaited_id = f"Something unforeseen went wrong. {TRIED_AGAIN}", None
        if not secured:
            leave_in_doubt(run_id, wake_at)
        db.session.commit()
        return wake_at if may_help else _end(run, lease)
    except LeaseLost:
        db.session.rollback()
        return None


def _end(run: Migration, lease: Lease) -> datetime | None:
    """End a run that something of ours keeps from going on, and that is put off; one that cannot be ended stays so. What is in doubt of
    somebody who was in hand is tried once more before it waits as well."""
    try:
        stop_all(run, lease, "Something unforeseen went wrong repeatedly; the log of the worker has the details.")
    except LeaseLost:
        raise
    except Exception:  # As at the edge of the job: it must not come back at every tick.
        log.exception("Run %s could not be ended.", run.id)
        db.session.rollback()
    return run.wake_at
