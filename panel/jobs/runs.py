"""The job that works on a run: take what is due, then have oneself woken for the rest."""

from datetime import timedelta

from panel import logs
from panel.jobs import wake, wake_mail
from panel.services import mail, run
from panel.services.run import PATIENCE_S


def work_on(run_id: int) -> None:
    """One stretch of work on a run; harmless when there is nothing to do or somebody else does it."""
    with logs.about_run(run_id):
        left = run.work(run_id)
    if left.more:
        wake(run_id)
    elif left.wake_at is not None:
        # A little early: the worker itself waits out the rest exactly.
        wake(run_id, left.wake_at - timedelta(seconds=PATIENCE_S / 2))
    for email_id in mail.due():
        wake_mail(email_id)
