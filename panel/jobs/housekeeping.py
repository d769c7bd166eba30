"""The periodic check: whatever the database says is due is put back to work, however it was lost."""

from __future__ import annotations

import logging
from datetime import timedelta

from panel.extensions import db
from panel.jobs import wake, wake_mail
from panel.models import Pacemaker
from panel.models.types import utc_now
from panel.platforms.base import PlatformError
from panel.services import mail, run
from panel.services.run import accept

log = logging.getLogger(__name__)

ACCEPTANCE_EVERY = timedelta(minutes=5)


def tick() -> None:
    """Wake workers for all runs and mails that are due, and now and then ask who has accepted an invite."""
    for run_id in run.due():
        wake(run_id)
    for email_id in mail.due():
        wake_mail(email_id)
    look_for_acceptances()
    db.session.remove()


def look_for_acceptances(*, now: bool = False) -> None:
    """Ask each server with waiting invites, every five minutes or `now`; one that cannot be asked is asked again next time."""
    for server in accept.servers_awaited():
        if not now and not _turn_to_ask(server.id):
            continue
        try:
            for run_id in accept.check_invites(server):
                wake(run_id)
        except PlatformError as error:
            db.session.rollback()
            log.warning("Invites on %s could not be checked: %s", server.name, error)


def _turn_to_ask(server_id: int) -> bool:
    """Whether it is this process's turn to ask: of several hosts only one does."""
    row = db.session.get(Pacemaker, f"invites:{server_id}") or Pacemaker(name=f"invites:{server_id}")
    due = row.last_turn_at is None or row.last_turn_at < utc_now() - ACCEPTANCE_EVERY
    if due:
        row.last_turn_at = utc_now()
        db.session.add(row)
        db.session.commit()
    return due
