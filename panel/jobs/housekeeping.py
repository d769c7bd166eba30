"""The periodic check: whatever the database says is due is put back to work, however it was lost."""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from panel.extensions import db
from panel.jobs import wake, wake_invites, wake_mail, wake_reopening, wake_sync
from panel.services import mail, pace, reminders, run
from panel.services.claims import reopening
from panel.services.run import accept
from panel.services.shared_clock import clock_problem
from panel.services.sync import progress as sync_progress

ACCEPTANCE_EVERY = timedelta(minutes=5)
CLOCK_EVERY_S = 600.0

log = logging.getLogger(__name__)

_compared_at = -CLOCK_EVERY_S


def tick() -> None:
    """Wake workers for all runs, mails and accounts to be opened again that are due, every five minutes for each Plex account where an
    invite waits, for reminders of such invites, and for every server whose sync is due or has waited for long. Every ten minutes the log is
    told where the clock of this host is wrong.

    A chore that fails is logged and tried again the next time; the others are done all the same.
    """
    kinds: set[type[Exception]] = set()
    for chore in CHORES:
        try:
            chore()
        except Exception as error:
            what = chore.__name__.strip("_").replace("_", " ")
            # Where the database is away, all of them fail in the same way.
            log.error("Housekeeping: %s failed and is tried again in a moment: %s", what, error, exc_info=type(error) not in kinds)
            kinds.add(type(error))
            db.session.rollback()
    db.session.remove()


def _work_on_runs() -> None:
    for run_id in run.due():
        wake(run_id)


def _send_mails() -> None:
    for email_id in mail.due():
        wake_mail(email_id)


def _open_accounts_again() -> None:
    for link_id in reopening.due():
        wake_reopening(link_id)


def _ask_who_has_accepted() -> None:
    for first, *_others in accept.accounts_awaited():
        if _turn_to_ask(first.id):
            wake_invites(first.id)


def _remind() -> None:
    for reminder in reminders.remind_due():
        wake_mail(reminder.id)


def _sync() -> None:
    for server_id in [*sync_progress.lost(), *sync_progress.due()]:
        wake_sync(server_id)


def _compare_clocks() -> None:
    global _compared_at
    if time.monotonic() - _compared_at >= CLOCK_EVERY_S:
        _compared_at = time.monotonic()
        if problem := clock_problem():
            log.warning("%s", problem)


def _turn_to_ask(server_id: int) -> bool:
    """Whether it is this process's turn to ask: of several hosts only one does. Commits."""
    taken = pace.take_turn_every(f"invites:{server_id}", ACCEPTANCE_EVERY)
    db.session.commit()
    return taken


#: In the order in which they are done; each leaves nothing locked for the next one, which may wait for a queue that does not answer.
CHORES = (_work_on_runs, _send_mails, _open_accounts_again, _ask_who_has_accepted, _remind, _sync, _compare_clocks)
