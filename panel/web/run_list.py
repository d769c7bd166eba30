"""The list of migrations at one moment, and whether anything in it is new since the browser last asked."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cached_property
from typing import Any

from panel.models import Migration
from panel.services import run_list as service
from panel.services import waiting
from panel.services.listing import Page, order_from, page_of
from panel.services.overview import counts_by_run
from panel.services.report import Counts
from panel.web.listing import Asked, Ids, asked
from panel.web.words import zone

#: How often the browser asks again, in seconds: while a run is being done, and while all that is open waits for its time.
OFTEN, SELDOM = 2, 30


class RunList:
    """One page of the list."""

    def __init__(self) -> None:
        self.asked: Asked = asked(service.NEWEST_FIRST, service.orders(), state=service.STATES, server=Ids())
        _, order = order_from(self.asked.sort, service.orders(), self.asked.default)
        query = service.with_servers(service.matching(self.asked.search, self.asked.filters))
        self.page: Page[Migration] = page_of(query, self.asked.page, order)
        self.counts: dict[int, Counts] = counts_by_run(run.id for run in self.page.rows)

    @property
    def here(self) -> str:
        """This page of the list."""
        return self.asked.address(page=self.page.number)

    @property
    def update(self) -> str:
        """Where the browser asks whether anything has changed."""
        return self.asked.address(page=self.page.number, since=self.marker)

    @property
    def every_s(self) -> int:
        """Seconds until it asks again; 0: nothing on this page changes by itself."""
        open_runs = [run for run in self.page.rows if run.ended_at is None]
        if not open_runs:
            return 0
        return SELDOM if all(service.is_scheduled(run) and not waiting.is_overdue(run) for run in open_runs) else OFTEN

    @cached_property
    def marker(self) -> str:
        """A sum over everything shown; “today” and “tomorrow” change with the day."""
        shown: list[Any] = [self.page.number, self.page.pages, self.page.total, datetime.now(zone()).date()]
        for run in self.page.rows:
            times = (run.start_at, run.started_at, run.ended_at)
            waits = waiting.is_overdue(run), waiting.holder_for(run)
            shown.append((run.id, run.status, times, run.source.name, run.target.name, self.counts[run.id], waits))
        return hashlib.blake2s(repr(shown).encode(), digest_size=8).hexdigest()
