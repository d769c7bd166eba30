"""A connection to PostgreSQL that is given up where it says nothing for too long."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from panel import patience

#: For asking PostgreSQL to drop a statement that nobody waits for any more.
FAREWELL_S = 2.0
#: For a rollback, which has nothing to wait for.
ROLLBACK_S = 5.0


class Connection(psycopg.Connection[Any]):
    """Closed where an answer takes longer than `patience` allows."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """One statement, or what else is sent. Raises `psycopg.OperationalError` where no answer comes in time."""
        within_s = patience.left_s()
        if timeout is not None or within_s is None:
            return super().wait(gen, interval, timeout)
        deadline = time.monotonic() + within_s
        try:
            return super().wait(gen, interval, within_s)
        except psycopg.OperationalError as error:
            if time.monotonic() < deadline or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self._give_up()
            raise psycopg.OperationalError(f"PostgreSQL has not answered for {within_s:g} s.") from error

    def rollback(self) -> None:
        """Told to PostgreSQL, or left to it by closing: it takes back by itself what somebody who is gone has not committed. So it never
        fails, and keeps nobody who has what they came for."""
        try:
            with patience.at_most(ROLLBACK_S):
                super().rollback()
        except psycopg.OperationalError:
            self.close()

    def _give_up(self) -> None:
        """The statement may hold rows, or stand in line for some, as long as PostgreSQL believes that somebody waits for it."""
        with contextlib.suppress(psycopg.Error):
            self.cancel_safe(timeout=FAREWELL_S)
        self.close()
