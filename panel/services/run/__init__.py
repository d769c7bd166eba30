"""A run, from top to bottom: begin, prepare, give, check, take, finish. The rows say what is due; whoever has the run in hand does it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.exc import SQLAlchemyError

from panel.domain.platform import Platform
from panel.domain.statuses import OPEN, WORKABLE, MigrationStatus, MoveStatus, Step
from panel.extensions import config, db
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.platforms.base import Remote
from panel.services.deadlocks import is_deadlock
from panel.services.run.check import check
from panel.services.run.clock import go_by_the_clock
from panel.services.run.deaths import MOST_DEATHS, MOST_FALLS
from panel.services.run.finish import finish, free_ended, stop, stop_all
from panel.services.run.give import give
from panel.services.run.holder import is_dead
from panel.services.run.lease import Lease, LeaseLost, acquire, lasts_too_long
from panel.services.run.look_again import let_go_at_take, look_again
from panel.services.run.mishaps import after_mishap
from panel.services.run.prepare import prepare
from panel.services.run.rounds import HELD_S, begin
from panel.services.run.rows import SETTLING, Outcome, Wait, claim_left_behind, drop_untouched, in_hand, is_due, require_epoch
from panel.services.run.secure import doubtful, leave_in_doubt, secure
from panel.services.run.start import hold_servers
from panel.services.run.take import Taking, take
from panel.services.run.trouble import ASK_AGAIN_S, RunStopped, later, write_wait
from panel.services.servers import remote_for
from panel.services.shared_clock import shared_now

log = logging.getLogger(__name__)

#: A worker waits this long itself for the next turn; for longer it lets go of the run and is free for others.
PATIENCE_S = 3.0
DEADLY = "The worker died again and again at the same place, perhaps for want of memory; the log of its machine or container may say why."


@dataclass(frozen=True)
class Verdict:
    """How `work` left the run: to be woken at a moment, to be gone on with at once, or with nothing to do (`None` and `False`)."""

    wake_at: datetime | None = None
    more: bool = False


def work(run_id: int, *, slice_s: float = 20.0) -> Verdict:
    """Take the run in hand and do what is due, for about `slice_s` seconds at most. Commits all along.

    Does nothing when another worker has the run. Safe to call at any time, any number of times, from anywhere.
    """
    lease = acquire(run_id, config().lease_s)
    if lease is None:
        return Verdict()
    working: Working | None = None
    with lease:
        try:
            lease.work_until = time.monotonic() + slice_s
            working = Working(run_id, lease)
            return working.go_on()
        except LeaseLost:
            db.session.rollback()
            return Verdict()
        except Exception as error:  # The edge of the job: a mistake of ours must not leave a run at work forever, or a worker in a circle.
            db.session.rollback()
            if is_deadlock(error):
                # Somebody who steers the run went first; whoever is in hand is looked up, as after a crash.
                return Verdict(more=True)
            log.exception("Work on run %s failed in a way nobody foresaw.", run_id)
            return Verdict(wake_at=after_mishap(run_id, lease, secured=working is not None and working.secured))


class Working:
    """One worker's stretch of work on one run."""

    def __init__(self, run_id: int, lease: Lease) -> None:
        self.lease = lease
        self.run = db.session.get_one(Migration, run_id, populate_existing=True)
        self.secured = False
        "Whether what may stand open has been closed or put off as it should: what is in doubt now came to be so since."

    def go_on(self) -> Verdict:
        """Stage after stage until there is nothing to do, a wait is too long, or the time is up."""
        claim_left_behind(self.run.id, self.lease.epoch)
        if self.lease.deaths >= MOST_DEATHS or self.lease.falls >= MOST_FALLS:
            return self._end_after_deaths()
        with _connected(self.run.source, self.lease) as source, _connected(self.run.target, self.lease) as target:
            while True:
                self.lease.require()
                db.session.refresh(self.run)
                began = utc_now()
                try:
                    outcome = self._stage(source, target)
                except RunStopped as problem:
                    stop(self.run, self.lease, str(problem))
                    return Verdict()
                if outcome is False and not _has_come_due(self.run.id, began):
                    return Verdict()
                if isinstance(outcome, Wait) and not self._wait(outcome):
                    return Verdict(wake_at=outcome.until)
                if self.lease.is_used_up:
                    return Verdict(more=True)

    def _end_after_deaths(self) -> Verdict:
        """What has killed one worker after another is not tried again unasked; of a run that has ended, only once in a while."""
        if self.run.ended_at is None:
            stop_all(self.run, self.lease, DEADLY)
            db.session.refresh(self.run)
            return self._rest() if self.run.ended_at is None else Verdict()
        log.error("Work on run %s, which has ended, has killed %s workers in a row.", self.run.id, self.lease.falls)
        return self._rest()

    def _rest(self) -> Verdict:
        """Whatever killed its workers is left for a while: accounts in doubt, whoever is in hand, and of a run that has ended the servers
        as well, which others may want. One that somebody has taken up again meanwhile goes on at once."""
        # Its row is written first, so that no resume or retry comes in between.
        require_epoch(self.run.id, self.lease.epoch)
        db.session.refresh(self.run)
        if self.run.status is not MigrationStatus.PAUSED and self.run.ended_at is None:
            db.session.commit()
            return Verdict(more=True)
        self.run.wake_at = utc_now() + timedelta(seconds=ASK_AGAIN_S)
        leave_in_doubt(self.run.id, self.run.wake_at)
        let_go_at_take(self.run.id, self.lease.epoch)
        free_ended(self.run.id, self.lease.epoch)
        db.session.commit()
        return Verdict(wake_at=self.run.wake_at)

    def _stage(self, source: Remote, target: Remote) -> Outcome:
        """The first stage that has something to do; `False` when none has and the run has been ended or rests."""
        run, lease = self.run, self.lease
        outcome: Outcome = False
        if in_hand(run.id, lease.epoch, Step.GIVE):
            return give(run, lease, target)
        self.secured = False
        secure(run, lease, target)
        self.secured = True
        if run.wake_at is not None and run.wake_at > utc_now():
            return Wait(run.wake_at, run.wake_reason, run.awaited_id)
        if run.status is MigrationStatus.PAUSED:
            return self._looked_at(source, target) if in_hand(run.id, lease.epoch, Step.TAKE) else False
        if run.status in WORKABLE:
            outcome = begin(run, lease) or prepare(run, lease, source, target) or give(run, lease, target)
            if outcome:
                return outcome
            db.session.refresh(run)
            if run.status is MigrationStatus.PAUSED:
                return False
        if run.status is MigrationStatus.CANCELLED:
            drop_untouched(run.id)
            # Whom a retry or a look has left to be judged anew is so here as well.
            outcome = (_anybody_begun(run.id) and prepare(run, lease, source, target)) or give(run, lease, target)
        outcome = outcome or check(run, lease, target) or self._take(source, target)
        if not outcome:
            db.session.refresh(run)
            if run.status is not MigrationStatus.PAUSED and run.ended_at is None and not _anything_open(run.id):
                finish(run, lease)
        return outcome

    def _take(self, source: Remote, target: Remote) -> Outcome:
        """Removal on the source; a run that has ended holds its servers no longer and takes hold of the source for as long as it lasts."""
        run = self.run
        if run.ended_at is None:
            return self._looked_at(source, target)
        if not _anything_to_take(run.id):
            # A worker that was killed right after its last removal could not let go any more.
            free_ended(run.id, self.lease.epoch)
            db.session.commit()
            return False
        if not hold_servers(run, run.source_id):
            return later(HELD_S, f"{run.source.name} is in use by another migration or a sync.")
        db.session.commit()
        try:
            return self._looked_at(source, target)
        except SQLAlchemyError:
            # In a transaction that has failed nobody lets go of anything.
            db.session.rollback()
            raise
        finally:
            # A retry may have taken the run up meanwhile, or another worker: then the servers are theirs.
            free_ended(run.id, self.lease.epoch)
            db.session.commit()

    def _looked_at(self, source: Remote, target: Remote) -> Outcome:
        """Nothing is removed on what the target told too long ago, also where one of the two servers takes minutes to answer."""
        taking = Taking(self.run, self.lease, source)
        looked = look_again(self.run, self.lease, target, taking.list_ahead)
        return looked if isinstance(looked, Wait) else take(self.run, self.lease, taking) or looked

    def _wait(self, wait: Wait) -> bool:
        """Wait here where it is short; else write down when to go on and let go. Answers whether it waited."""
        seconds = (wait.until - utc_now()).total_seconds()
        patient = seconds <= PATIENCE_S
        write_wait(self.run, wait, briefly=patient)
        if not patient:
            let_go_at_take(self.run.id, self.lease.epoch)
        require_epoch(self.run.id, self.lease.epoch)
        db.session.commit()
        if patient:
            self.lease.sleep(max(0.0, seconds))
        return patient


def due() -> list[int]:
    """The runs a worker should look at now: at work and not waiting, left behind by a dead worker, or with something to settle. Commits
    where the clock was put back."""
    go_by_the_clock()
    now = utc_now()
    awake = or_(Migration.wake_at.is_(None), Migration.wake_at <= now)
    left_behind = exists().where(Move.migration_id == Migration.id, Move.claim.is_not(None))
    half_made = exists().where(
        Move.migration_id == Migration.id, doubtful(), Server.id == Migration.target_id, Server.platform != Platform.PLEX
    )
    to_settle = exists().where(Move.migration_id == Migration.id, Move.step == Step.TAKE, Move.status.in_(SETTLING), is_due())
    held_too_long = and_(Migration.ended_at.is_not(None), exists().where(Server.migration_id == Migration.id))
    unfinished = and_(Migration.status.in_((MigrationStatus.CANCELLED, MigrationStatus.FAILED)), Migration.ended_at.is_(None))
    query = select(Migration.id, Migration.lease_holder, Migration.lease_until).where(
        or_(
            half_made,
            and_(
                awake,
                or_(
                    Migration.status.in_(WORKABLE),
                    left_behind,
                    unfinished,
                    held_too_long,
                    and_(to_settle, Migration.status != MigrationStatus.PAUSED),
                ),
            ),
        )
    )
    rows, now = db.session.execute(query.order_by(Migration.id)).all(), shared_now()
    return [row.id for row in rows if row.lease_until is None or _may_be_free(row.lease_until, row.lease_holder, now)]


def _may_be_free(until: datetime, holder: str, now: datetime) -> bool:
    return until < now or is_dead(holder) or lasts_too_long(until, now, config().lease_s)


def _anything_to_take(run_id: int) -> bool:
    return bool(db.session.scalar(select(exists().where(Move.migration_id == run_id, Move.step == Step.TAKE, Move.status.in_(SETTLING)))))


def _anybody_begun(run_id: int) -> bool:
    """In a cancelled run, once the others were dropped."""
    begun = Move.migration_id == run_id, Move.step == Step.GIVE, Move.status == MoveStatus.PENDING
    return bool(db.session.scalar(select(exists().where(*begun))))


def _anything_open(run_id: int) -> bool:
    return bool(db.session.scalar(select(exists().where(Move.migration_id == run_id, Move.status.in_(OPEN)))))


def _has_come_due(run_id: int, since: datetime) -> bool:
    """Whether the time of somebody who was put off came while the stages were asked, perhaps after the one that is theirs."""
    came = Move.migration_id == run_id, Move.claim.is_(None), Move.not_before > since, Move.not_before <= utc_now()
    return bool(db.session.scalar(select(exists().where(*came))))


@contextmanager
def _connected(server: Server, lease: Lease) -> Iterator[Remote]:
    remote = remote_for(server, guard=lease.guard)
    try:
        yield remote
    finally:
        remote.close()
