"""The periodic check: whatever the database says is due is put back to work, however it was lost."""

from __future__ import annotations

from datetime import timedelta

from panel.extensions import db
from panel.jobs import wake, wake_invites, wake_mail, wake_reopening, wake_sync
from panel.models import Pacemaker
from panel.models.types import utc_now
from panel.services import mail, reminders, run
from panel.services.claims import reopening
from panel.services.run import accept
from panel.services.sync import progress as sync_progress

ACCEPTANCE_EVERY = timedelta(minutes=5)


def tick() -> None:
    """Wake workers for all runs, mails and accounts to be opened again that are due, every five minutes for each Plex account where an
    invite waits, for reminders of such invites, and for every server whose sync is due or has waited for long."""
    for run_id in run.due():
        wake(run_id)
    for email_id in mail.due():
        wake_mail(email_id)
    for link_id in reopening.due():
        wake_reopening(link_id)
    for first, *_others in accept.accounts_awaited():
        if _turn_to_ask(first.id):
            wake_invites(first.id)
    for mail_due in reminders.remind_due():
        wake_mail(mail_due.id)
    for server_id in [*sync_progress.lost(), *sync_progress.due()]:
        wake_sync(server_id)
    db.session.remove()


def _turn_to_ask(server_id: int) -> bool:
    """Whether it is this process's turn to ask: of several hosts only one does."""
    row = db.session.get(Pacemaker, f"invites:{server_id}") or Pacemaker(name=f"invites:{server_id}")
    due = row.last_turn_at is None or row.last_turn_at < utc_now() - ACCEPTANCE_EVERY
    if due:
        row.last_turn_at = utc_now()
        db.session.add(row)
        db.session.commit()
    return due
