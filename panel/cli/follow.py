"""`--wait`: follow the workers, or work the run off here where there are none."""

from __future__ import annotations

import time

from panel import jobs
from panel.cli.answers import say
from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from panel.services import mail, report, run

LOOK_EVERY_S = 0.3
ASK_FOR_WORKERS_EVERY_S = 5.0


def follow(run_id: int, *, quiet: bool) -> None:
    """Return when the run has ended and its result mail was tried, or a person has paused it."""
    alone = False
    asked_at = 0.0
    said = ""
    while not _over(run_id):
        if not alone and time.monotonic() - asked_at > ASK_FOR_WORKERS_EVERY_S:
            asked_at = time.monotonic()
            alone = not jobs.workers_alive()
            if alone:
                say("No worker is running: the run is worked off by this command.", err=True)
        if alone:
            _work_here(run_id)
        else:
            time.sleep(LOOK_EVERY_S)
        said = said if quiet else _say(run_id, said)
    _send_mails(run_id, alone)


def _over(run_id: int) -> bool:
    row = db.session.get_one(Migration, run_id, populate_existing=True)
    db.session.commit()
    return row.ended_at is not None or row.status is MigrationStatus.PAUSED


def _work_here(run_id: int) -> None:
    left = run.work(run_id)
    if left.wake_at is not None:
        time.sleep(min(max(0.0, (left.wake_at - utc_now()).total_seconds()), 2.0))
    elif not left.more:
        time.sleep(LOOK_EVERY_S)


def _send_mails(run_id: int, alone: bool) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if alone:
            for email_id in mail.due():
                mail.send(email_id)
        row = report.result_mail(run_id)
        db.session.commit()
        if row is None or row.status not in ("queued", "sending") or row.error:
            return
        time.sleep(LOOK_EVERY_S)


def _say(run_id: int, said: str) -> str:
    counts = report.counts_of(run_id)
    db.session.commit()
    line = f"{counts.done} of {counts.to_move} done"
    if line != said:
        say(line, err=True)
    return line
