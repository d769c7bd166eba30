"""One worker at a time has a run in hand. The hold is a row changed by conditional UPDATE, renewed while it lasts, fenced by a number."""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from panel.extensions import db, execute
from panel.models import Migration
from panel.platforms.stopwatch import Stopwatch
from panel.services import pace
from panel.services.run.deaths import where_it_stands
from panel.services.run.holder import is_dead, is_to_blame, process_name
from panel.services.shared_clock import shared_now

log = logging.getLogger(__name__)

#: Holders lost in a row: those that died by themselves, and all.
Lost = tuple[int, int]


class LeaseLost(Exception):
    """Another worker may have this run in hand by now: nothing more may be sent or written."""


class Lease:
    """The hold on one run. `epoch` goes with every write; `guard` goes before every request that changes something.

    Used as a context manager it renews itself in a thread, so that a long request does not lose it, and gives it back at the end.
    """

    def __init__(self, run_id: int, epoch: int, seconds: float, since: Stopwatch | None = None, lost: Lost = (0, 0)) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self.seconds = seconds
        self.deaths, self.falls = lost
        "How many holders were lost in a row before this one, without getting anywhere: those that died by themselves, and all."
        self.work_until = float("inf")
        "When to take nobody new in hand any more (`time.monotonic` seconds), so that other runs have their turn."
        self._engine: Engine = db.engine
        # Not since its commit was answered: that may have taken long.
        self._renewed = since or Stopwatch()
        self._over = threading.Event()

    def require(self) -> None:
        """Raises `LeaseLost` once the last renewal is too old to be sure of the hold: a worker that was asleep does nothing."""
        if self._over.is_set() or self._renewed.passed_s > self.seconds * 0.75:
            raise LeaseLost(f"Run {self.run_id} is no longer in this worker's hands.")

    def guard(self) -> None:
        """`require` for the moment before something is sent: where a renewal has been missed, by whichever clock, the database is asked
        whether the hold still stands. Raises `LeaseLost`. From any thread; to be called with nothing written that is not committed."""
        if not self._over.is_set() and self._renewed.at_most_s > self.seconds * 0.5:
            self._keep_on()
        self.require()

    @property
    def hold(self) -> pace.Hold:
        """The run and the epoch, by which turns of the pace are told apart."""
        return self.run_id, self.epoch

    @property
    def is_used_up(self) -> bool:
        """Whether this stretch of work has lasted long enough."""
        return time.monotonic() > self.work_until

    def sleep(self, seconds: float) -> None:
        """Wait, keeping the hold. Raises `LeaseLost`."""
        self._over.wait(seconds)
        self.require()

    def __enter__(self) -> Lease:
        threading.Thread(target=self._keep, name=f"lease-{self.run_id}", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        db.session.rollback()
        mine = Migration.id == self.run_id, Migration.epoch == self.epoch
        execute(update(Migration).where(*mine).values(lease_until=None, lease_holder="", deaths=0, falls=0, stood=""))
        db.session.commit()

    def _keep(self) -> None:
        while not self._over.wait(self.seconds / 4):
            self._keep_on()

    def _keep_on(self) -> None:
        asked = Stopwatch()
        try:
            if self._renew():
                self._renewed = asked
            else:
                self._over.set()
        except SQLAlchemyError:
            log.warning("The hold on run %s could not be renewed; trying again.", self.run_id, exc_info=True)

    def _renew(self) -> bool:
        # A hold that was given back meanwhile stays given back: it has no holder any more.
        held = Migration.id == self.run_id, Migration.epoch == self.epoch, Migration.lease_holder != ""
        with self._engine.begin() as connection:
            until = shared_now(connection) + timedelta(seconds=self.seconds)
            done = connection.execute(update(Migration).where(*held).values(lease_until=until))
        return done.rowcount == 1


def lasts_too_long(until: datetime, now: datetime, seconds: float) -> bool:
    """Whether a hold ends further ahead than any hold lasts: it was taken before the clock that all hosts share was put back."""
    return until > now + timedelta(seconds=seconds)


def acquire(run_id: int, seconds: float) -> Lease | None:
    """Take the run in hand, committed; `None` while somebody else has it. A holder known to be dead counts for nothing. Until when a hold
    lasts goes by the clock that all hosts share; one from before that was put back is cut down to the length of one: whoever lives renews
    it until then."""
    since = Stopwatch()
    columns = Migration.lease_holder, Migration.epoch, Migration.lease_until, Migration.deaths, Migration.falls, Migration.stood
    held = db.session.execute(select(*columns).where(Migration.id == run_id)).one_or_none()
    if held is None:
        return None
    # Read after the row: whoever falls asleep in between takes no hold that was renewed meanwhile for one from before that was put back.
    now = shared_now()
    free = or_(Migration.lease_until.is_(None), Migration.lease_until < now)
    if held.lease_holder and is_dead(held.lease_holder):
        free = or_(free, Migration.lease_holder == held.lease_holder)
    stands = where_it_stands(run_id)
    deaths, falls = lost = _lost_in_a_row(held, stands)
    taken = execute(
        update(Migration)
        .where(Migration.id == run_id, Migration.epoch == held.epoch, free)
        .values(
            epoch=held.epoch + 1,
            lease_until=now + timedelta(seconds=seconds),
            lease_holder=process_name(),
            deaths=deaths,
            falls=falls,
            stood=stands,
        )
    )
    if taken != 1 and held.lease_until is not None and lasts_too_long(held.lease_until, now, seconds):
        as_read = Migration.id == run_id, Migration.epoch == held.epoch, Migration.lease_until == held.lease_until
        execute(update(Migration).where(*as_read).values(lease_until=now + timedelta(seconds=seconds)))
    db.session.commit()
    if taken == 1:
        # Apart from the run's row: the worker before may be writing first the one and then the other.
        pace.give_up_turns((run_id, held.epoch + 1))
        db.session.commit()
    return Lease(run_id, held.epoch + 1, seconds, since, lost) if taken == 1 else None


def _lost_in_a_row(held: Any, stands: str) -> Lost:
    """With the holder before this one, where it has not let go (it still stands as the holder) and nothing has come of it."""
    if not held.lease_holder or held.stood != stands:
        return 0, 0
    return held.deaths + is_to_blame(held.lease_holder), held.falls + 1
