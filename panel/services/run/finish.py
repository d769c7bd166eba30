"""Last: once nobody is left, one worker ends the run, frees its servers, and writes the result mail into the outbox."""

from __future__ import annotations

import logging

from sqlalchemy import case, exists, update

from panel.domain.statuses import OPEN, WORKABLE, MigrationStatus, MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Migration, Move, Server
from panel.services import pace, proof, result_mail
from panel.services.run import rounds
from panel.services.run.lease import Lease
from panel.services.run.rows import require_epoch
from panel.services.run.trouble import with_what_stands
from panel.services.shared_clock import shared_now

log = logging.getLogger(__name__)


def finish(run: Migration, lease: Lease) -> None:
    """End a run in which nothing is open any more, unless somebody has paused it. Commits. Raises `LeaseLost`."""
    # Its row is written first, by a statement of its own: only the next one sees what a retry that held it has changed.
    require_epoch(run.id, lease.epoch)
    db.session.refresh(run)
    if run.status is MigrationStatus.PAUSED:
        db.session.commit()
        return
    status = MigrationStatus.FINISHED if run.status is MigrationStatus.RUNNING else run.status
    anybody_open = exists().where(Move.migration_id == run.id, Move.status.in_(OPEN))
    ended = execute(
        update(Migration)
        .where(Migration.id == run.id, Migration.ended_at.is_(None), ~anybody_open)
        .values(status=status, ended_at=shared_now(), wake_at=None, wake_reason="", awaited_id=None)
    )
    if ended == 1:
        free_servers(run.id)
        pace.forget(run.id)
        db.session.refresh(run)
        rounds.follow_up(run)
        _write_result_mail(run)
    db.session.commit()


def _write_result_mail(run: Migration) -> None:
    """A mail that cannot be written must never keep a run from ending: the page then says so, and can try again."""
    try:
        with db.session.begin_nested():
            result_mail.put_in_outbox(run)
    except Exception:
        log.exception("The result mail of run %s could not be written.", run.id)


def stop(run: Migration, lease: Lease, problem: str) -> None:
    """The run cannot go on: everyone still open fails with the sentence, and a retry takes them up where they were. Commits.
    Raises `LeaseLost`.

    One that somebody has paused stays so, with the sentence, and nobody in it fails: it goes on only once they want it to. Until then
    no more happens than that an account of which nobody knows whether it was made is closed.
    """
    # Its row is written first, so that no pause, resume or cancel comes in between.
    require_epoch(run.id, lease.epoch)
    db.session.refresh(run)
    if run.status is MigrationStatus.PAUSED:
        run.problem, run.awaited_id = problem, None
        _let_go(run.id, lease.epoch)
        db.session.commit()
        return
    if run.status in WORKABLE:
        run.status, run.problem = MigrationStatus.FAILED, problem
    for step in (Step.GIVE, Step.CHECK, Step.TAKE):
        execute(
            update(Move)
            .where(Move.migration_id == run.id, Move.claim.is_(None), Move.status.in_(OPEN), Move.step == step)
            .values(status=MoveStatus.FAILED, retryable=True, detail=with_what_stands(problem, step))
        )
    db.session.commit()
    db.session.refresh(run)
    finish(run, lease)


def _let_go(run_id: int, epoch: int) -> None:
    """Whoever is in hand waits for the run to be resumed: what was sent for them is unknown, and is looked up before anything else is sent
    for them, except what closes an account that may stand open. It counts as a try: they are finished also where the run is cancelled.
    Flushed."""
    proof.note_left_behind(run_id, epoch)
    in_hand = update(Move).where(Move.migration_id == run_id, Move.claim == epoch)
    tries = case((Move.attempts > 0, Move.attempts), else_=1)
    execute(in_hand.where(Move.step == Step.GIVE).values(status=MoveStatus.PENDING, claim=None, needs_look=True, attempts=tries))
    execute(in_hand.values(claim=None, needs_look=True))


def stop_all(run: Migration, lease: Lease, problem: str) -> None:
    """`stop` for trouble that nobody foresaw and that comes again and again: whoever is in hand fails as well, since it may be theirs.
    What was sent for them is unknown, and is looked up before anything else is. Commits. Raises `LeaseLost`.

    Nobody fails in a run that somebody has paused: whoever is in hand waits with the others for it to be resumed.
    """
    # As in `stop`: no pause comes in between.
    require_epoch(run.id, lease.epoch)
    db.session.refresh(run)
    if run.status is MigrationStatus.PAUSED:
        stop(run, lease, problem)
        return
    proof.note_left_behind(run.id, lease.epoch)
    for step in (Step.GIVE, Step.TAKE):
        execute(
            update(Move)
            .where(Move.migration_id == run.id, Move.claim == lease.epoch, Move.step == step)
            .values(status=MoveStatus.FAILED, claim=None, retryable=True, needs_look=True, detail=with_what_stands(problem, step))
        )
    stop(run, lease, problem)


def free_ended(run_id: int, epoch: int) -> None:
    """Let go of the servers of a run that has ended, while it is in this worker's hands. Flushed."""
    mine = exists().where(Migration.id == run_id, Migration.epoch == epoch, Migration.ended_at.is_not(None))
    execute(update(Server).where(Server.migration_id == run_id, mine).values(migration_id=None))


def free_servers(run_id: int) -> None:
    """Let go of the servers this run holds. Flushed."""
    execute(update(Server).where(Server.migration_id == run_id).values(migration_id=None))
