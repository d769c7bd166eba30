"""Work on a run while the clock goes on."""

from __future__ import annotations

from datetime import timedelta

from panel.extensions import db
from panel.models import Migration
from panel.services import run as running
from tests.clock import Clock


def work_until_it_ends(run: Migration, clock: Clock, *, pause: timedelta, times: int, slice_s: float = 20.0) -> Migration:
    """Again and again, at most so many times, with a pause after each."""
    for _ in range(times):
        running.work(run.id, slice_s=slice_s)
        clock.ahead += pause
        db.session.expire_all()
        if run.ended_at is not None:
            break
    return run
