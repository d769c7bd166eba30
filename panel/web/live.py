"""What the live page of a run shows at one moment, and what of it is new since the browser last asked."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from flask import Flask
from sqlalchemy import Row, func, select

from panel.domain.statuses import OPEN, MigrationStatus, MoveStatus, RunKind, Step
from panel.extensions import db
from panel.models import Email, EmailStatus, Migration, Move, Server
from panel.services import invites, mail, notices, people_mails, report, waiting
from panel.services.run import steer
from panel.services.run.rounds import next_round_of
from panel.services.run.way_back import TakenBack, WayBack, is_anything_left, taken_back, ways_back
from panel.web import steering
from panel.web.workers import workers_problem

PER_PAGE = 100
#: Characters of a sum in the marker.
SUM_LENGTH = 5

#: The filter tabs: what they are called, and the statuses they show.
TABS: dict[str, tuple[MoveStatus, ...]] = {
    "all": tuple(MoveStatus),
    "pending": OPEN,
    **{status.value: (status,) for status in MoveStatus if status not in OPEN},
}


@dataclass(frozen=True)
class Page:
    """Which rows of the table the browser shows."""

    tab: str = "all"
    number: int = 1
    begun: str = ""
    """The address of the list from which the run was opened, where it is known."""

    @property
    def query(self) -> dict[str, Any]:
        """Its part of an address; nothing for the first page of all."""
        tab, number = self.tab if self.tab != "all" else None, self.number if self.number > 1 else None
        return {key: value for key, value in (("status", tab), ("page", number), ("next", self.begun)) if value}


def register(app: Flask) -> None:
    """Bind the questions that templates ask to an app."""
    for question in (mail_is_under_way, mails_unsent, never_begun, took, why_no_mail, waiting.holder_for, waiting.is_set_for_later):
        app.add_template_global(question)


def page_of(args: Mapping[str, str]) -> Page:
    """From the query of an address; what makes no sense counts as not given."""
    tab, number = args.get("status", ""), args.get("page", "")
    place = max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1
    return Page(tab if tab in TABS else "all", place, args.get("next", ""))


class Live:
    """One look at a run. `since` is the marker of an earlier one, `message` a sentence to show above."""

    def __init__(self, run: Migration, page: Page, since: str = "", message: str = "") -> None:
        self.run, self.page, self.since, self.message = run, page, since, message

    @cached_property
    def holder(self) -> waiting.Holder | None:
        """Who keeps the run from beginning although its time has come."""
        return waiting.holder_for(self.run)

    @cached_property
    def awaited(self) -> Server | None:
        """The server the run waits for because it does not answer."""
        return waiting.awaited(self.run)

    @cached_property
    def nobody_works(self) -> str:
        """Why nothing goes on now, whatever the run waits for: a sentence; empty while somebody works, and once it is over."""
        return "" if self.run.ended_at else workers_problem()

    @property
    def was_retried(self) -> bool:
        """Whether somebody was tried again in it: then there may lie idle time between its start and its end."""
        return self.is_over and self.run.retried_at is not None

    @cached_property
    def progress(self) -> report.Progress:
        """Bar, counts, time left."""
        return report.progress_of(self.run)

    @cached_property
    def rows(self) -> list[Move]:
        """The rows of this page."""
        return self._moves([sight[0] for sight in self.sights])

    @cached_property
    def sights(self) -> list[Row[int, MoveStatus, Step, datetime]]:
        """What tells whether a row of this page has changed, and no more of it: it is asked for much more often than it changes."""
        first = (self.page.number - 1) * PER_PAGE
        query = select(Move.id, Move.status, Move.step, Move.changed_at).where(Move.migration_id == self.run.id)
        if self.page.tab != "all":
            query = query.where(Move.status.in_(TABS[self.page.tab]))
        return list(db.session.execute(query.order_by(Move.position).offset(first).limit(PER_PAGE)))

    @cached_property
    def shown(self) -> int:
        """How many rows the tab has."""
        return self.count_of(self.page.tab)

    @property
    def pages(self) -> int:
        """How many pages the tab has, at least one."""
        return max(1, -(-self.shown // PER_PAGE))

    @property
    def tabs(self) -> list[tuple[str, int]]:
        """The tabs that have rows, and the one that is open."""
        counts = [(tab, self.count_of(tab)) for tab in TABS]
        return [(tab, count) for tab, count in counts if count or tab in ("all", self.page.tab)]

    def count_of(self, tab: str) -> int:
        """How many rows a tab has."""
        counts = self.progress.counts
        return counts.total if tab == "all" else int(getattr(counts, tab))

    @cached_property
    def marker(self) -> str:
        """What the browser sends back when it asks again: a sum over what stands around the table, then one for each row of it."""
        run = self.run
        above = [self.page, self.progress, run.status, run.note, run.problem, run.prepared_at, run.ended_at, self.nobody_works]
        above += [people_mails.unsent_sum(run.id), waiting.is_overdue(run), self.holder]
        return _sum(above) + "".join(_sum(tuple(sight)) for sight in self.sights)

    @property
    def has_changed(self) -> bool:
        """Whether anything shown differs from what the browser has, or the run is over and it should stop asking."""
        return self.marker != self.since or self.is_over

    @property
    def is_over(self) -> bool:
        """Whether the run has ended: the browser stops asking."""
        return self.progress.is_over

    @property
    def changed_rows(self) -> list[Move]:
        """The rows that are new to the browser, where the page keeps its rows."""
        places = range(SUM_LENGTH, len(self.marker), SUM_LENGTH)
        changed = [self.since[place : place + SUM_LENGTH] != self.marker[place : place + SUM_LENGTH] for place in places]
        return self._moves([sight[0] for sight, is_changed in zip(self.sights, changed, strict=True) if is_changed])

    def _moves(self, ids: list[int]) -> list[Move]:
        return list(db.session.scalars(select(Move).where(Move.id.in_(ids)).order_by(Move.position))) if ids else []

    @property
    def keeps_rows(self) -> bool:
        """Whether the browser has the rows of this page, each in its place; only of some it may have an earlier state."""
        return self.page.tab == "all" and len(self.since) == len(self.marker)

    @cached_property
    def steering(self) -> list[steering.Button]:
        """Pause, resume, cancel, retry: each with the reason why not."""
        return steering.buttons(self.run, self.retryable)

    @cached_property
    def retryable(self) -> int:
        """How many failed in a way that may pass."""
        failed = select(func.count()).select_from(Move).where(*steer.may_be_retried(self.run.id), Move.retryable.is_(True))
        return db.session.scalar(failed) or 0 if self.progress.counts.failed else 0

    @cached_property
    def can_be_undone(self) -> bool:
        """Whether the run has ended and has done something that was not taken back since."""
        return self.is_over and self.run.kind is RunKind.MOVE and is_anything_left(self.run.id)

    @cached_property
    def taken_back(self) -> TakenBack:
        """What other runs have taken back of it; of one that has not ended nothing can be."""
        return taken_back(self.run.id) if self.is_over and self.run.kind is RunKind.MOVE else TakenBack()

    def with_way_back(self, moves: list[Move]) -> list[tuple[Move, WayBack | None]]:
        """These rows, each with what has become of taking it back."""
        found = ways_back(moves) if self.run.kind is RunKind.MOVE else {}
        return [(move, found.get(move.id)) for move in moves]

    @cached_property
    def waiting_invites(self) -> int:
        """How many invites of the run nobody has accepted yet."""
        return invites.count_of_run(self.run.id) if self.progress.counts.invited else 0

    @cached_property
    def next_round(self) -> Migration | None:
        """The run that goes on with those who are left."""
        return next_round_of(self.run) if self.is_over else None

    @property
    def mail(self) -> report.MailState:
        """Where the result mail stands."""
        return report.mail_of(self.run)

    @property
    def result(self) -> Email | None:
        """The result mail itself."""
        return report.result_mail(self.run.id)


def _sum(values: Sequence[object]) -> str:
    digest = hashlib.blake2s(repr(values).encode(), digest_size=4).digest()
    return base64.urlsafe_b64encode(digest).decode()[:SUM_LENGTH]


def never_begun(run: Migration) -> bool:
    """Whether a run was cancelled before anything was done in it: nobody is in hand then."""
    return run.status is MigrationStatus.CANCELLED and run.started_at is None


def took(run: Migration) -> float | None:
    """Seconds from a run's start, or from when it was asked for where it never came so far, to its end; `None` while it has not ended."""
    return (run.ended_at - (run.started_at or run.created_at)).total_seconds() if run.ended_at else None


def mail_is_under_way(mail: Email | None) -> bool:
    """Whether a mail's state is about to change by itself."""
    return mail is not None and (mail.status is EmailStatus.QUEUED or (mail.status is EmailStatus.SENDING and not mail.error))


def mails_unsent(run: Migration) -> list[people_mails.Unsent]:
    """Who was to hear of their new access and did not."""
    return people_mails.unsent(run.id)


def why_no_mail(run: Migration) -> str:
    """Why *Send again* cannot work now; empty when it can."""
    if not run.ended_at:
        return "The run has not ended yet."
    row = report.result_mail(run.id)
    return notices.why_no_mail_of(run) or (mail.why_not_again(row) if row else "")
