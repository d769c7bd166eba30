"""What a run looks like from outside: the JSON that scripts rely on, and the numbers and rows of its page."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from panel.domain.pacing import duration_s
from panel.domain.statuses import OPEN, WORKABLE, MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Email, EmailStatus, Migration, Move
from panel.models.types import utc_now
from panel.services import notices, pace, waiting
from panel.services.csv_cells import disarmed
from panel.services.preflight import Preflight


@dataclass(frozen=True)
class Counts:
    """How many users of a run ended where; `pending` holds those in hand too."""

    total: int = 0
    moved: int = 0
    invited: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    pending: int = 0

    @property
    def to_move(self) -> int:
        """Everyone the run set out to move."""
        return self.total - self.skipped

    @property
    def done(self) -> int:
        """Everyone of them whose fate is known."""
        return self.to_move - self.pending


@dataclass(frozen=True)
class MailState:
    """Whether the result mail has left, and if not, why."""

    sent: bool
    reason: str = ""


@dataclass(frozen=True)
class Progress:
    """The live numbers of a run's page. `given`: how many have the new access and are not finished; `left_s`: seconds, `None` when nobody
    can tell. A reason without a time: what it speaks of is being tried again now."""

    counts: Counts
    given: int
    left_s: float | None
    wait_until: datetime | None
    wait_reason: str
    is_over: bool

    @property
    def done(self) -> int:
        """Everyone whose fate is known; not those a cancelled or failed run has left where they were."""
        return self.counts.done - self.counts.cancelled

    @property
    def percent(self) -> int:
        """How many of those to move are done."""
        return self._percent(self.done)

    @property
    def percent_given(self) -> int:
        """The same with those who have the new access and are not finished."""
        return self._percent(self.done + self.given)

    def _percent(self, number: int) -> int:
        return 100 * number // self.counts.to_move if self.counts.to_move else 100


def counts_of(run_id: int) -> Counts:
    """One query."""
    rows = db.session.execute(select(Move.status, func.count()).where(Move.migration_id == run_id).group_by(Move.status))
    return _counts({row[0]: row[1] for row in rows})


def _counts(by_status: Mapping[MoveStatus, int]) -> Counts:
    return Counts(
        total=sum(by_status.values()),
        pending=sum(by_status.get(status, 0) for status in OPEN),
        **{status.value: by_status.get(status, 0) for status in MoveStatus if status not in OPEN},
    )


def progress_of(run: Migration) -> Progress:
    """Bar, counts and time left, in a fixed number of queries: every open page of a run asks for them every other second."""
    by_status, to_give = Counter[MoveStatus](), 0
    grouped = select(Move.status, Move.step, func.count()).where(Move.migration_id == run.id).group_by(Move.status, Move.step)
    for status, step, number in db.session.execute(grouped):
        by_status[status] += number
        to_give += number if status in OPEN and step is Step.GIVE else 0
    counts = _counts(by_status)
    to_settle = counts.pending - to_give
    cool_until = None if run.ended_at else pace.cooling_until((run.source, run.target))
    is_held_up = waiting.is_held_up(run)
    until = cool_until or (run.wake_at if run.wake_reason else None)
    until = until if until and until > utc_now() else None
    reason = f"Slowed down by {pace.who_slows(run.source, run.target)}." if cool_until else waiting.why_held_up(run)
    return Progress(
        counts=counts,
        given=to_settle,
        left_s=_left_s(run, to_give, to_settle) if run.status in WORKABLE and not is_held_up else None,
        wait_until=until,
        wait_reason=reason if until or is_held_up else "",
        is_over=run.ended_at is not None,
    )


def mail_of(run: Migration) -> MailState:
    """Where the result mail stands."""
    mail = result_mail(run.id)
    if mail is None:
        return MailState(False, notices.why_no_mail_of(run) if run.ended_at else "The run has not ended yet.")
    if mail.status is EmailStatus.SENT:
        return MailState(True)
    reasons = {
        EmailStatus.QUEUED: f"It waits to be sent. {mail.error}".strip(),
        EmailStatus.SENDING: mail.error or "It is being sent; if this does not change, whether it arrived is not known.",
    }
    return MailState(False, reasons.get(mail.status, mail.error))


def result_mail(run_id: int) -> Email | None:
    """The newest result mail of a run."""
    query = select(Email).where(Email.migration_id == run_id, Email.event == notices.SYSTEM_MESSAGE).order_by(Email.id.desc()).limit(1)
    return db.session.scalar(query)


def run_json(run: Migration) -> dict[str, Any]:
    """The contract of `migrations ID --json` and `migrate-users --wait --json`."""
    moves = db.session.scalars(moves_now(run.id))
    mail = mail_of(run)
    return {
        **run_line(run),
        "moves": [
            {
                "user": move.name,
                "status": move.status.value,
                "reasons": [reason.value for reason in move.reasons],
                "detail": detail_of(move),
            }
            for move in moves
        ],
        "email": {"sent": mail.sent, "reason": mail.reason},
    }


def run_line(run: Migration) -> dict[str, Any]:
    """A run without its users. `note`, `problem`, `waiting_until` and `waiting_reason` are there only when there is something to say."""
    progress = progress_of(run)
    counts = progress.counts
    said = {
        "note": run.note,
        "problem": run.problem,
        "waiting_until": progress.wait_until.isoformat() if progress.wait_until else "",
        "waiting_reason": progress.wait_reason,
    }
    return {
        "id": run.id,
        "source": run.source.name,
        "target": run.target.name,
        "status": run.status.value,
        "counts": {name: getattr(counts, name) for name in ("total", "moved", "invited", "skipped", "failed", "cancelled", "pending")},
        **{key: text for key, text in said.items() if text},
        **{key: number for key, number in (("undoes", run.undoes_id), ("follows", run.follows_id)) if number},
    }


def detail_of(move: Move) -> str:
    """The sentence of a row: what the platform said, else what the reasons mean."""
    happened = move.detail or " ".join(reason.sentence for reason in move.reasons)
    return " ".join(filter(None, (happened, move.remark)))


def preflight_json(flight: Preflight) -> dict[str, Any]:
    """The contract of `preflight --json`."""
    return {
        "source": flight.source.name,
        "target": flight.target.name,
        "blockers": [{"code": refusal.code.value, "message": refusal.message} for refusal in flight.blockers],
        "users": [
            {
                "user": verdict.candidate.name,
                "verdict": "move" if verdict.moves else "skip",
                "reasons": [reason.value for reason in verdict.reasons],
            }
            for verdict in flight.verdicts
        ],
        "counts": {"total": len(flight.verdicts), "move": len(flight.moving), "skip": len(flight.staying)},
        **({"note": said} if (said := " ".join(filter(None, (flight.note, flight.slowed_down)))) else {}),
    }


def run_csv(run: Migration) -> str:
    """The run's users as CSV; cells that a spreadsheet would take for a formula are disarmed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["user", "status", "reasons", "detail"])
    for move in db.session.scalars(moves_now(run.id)):
        cells = [move.name, move.status.value, " ".join(move.reasons), detail_of(move)]
        writer.writerow([disarmed(cell) for cell in cells])
    return out.getvalue()


def moves_now(run_id: int) -> Select[Move]:
    """A run's users in order, as they are stored now: the run changes rows behind the back of objects already loaded."""
    query = select(Move).where(Move.migration_id == run_id).order_by(Move.position)
    return query.execution_options(populate_existing=True)


def _left_s(run: Migration, to_give: int, to_settle: int) -> float:
    """About how long what is left takes, in seconds."""
    source, target = run.source.platform, run.target.platform
    removal = run.removal if run.source_reached else Removal.KEEP
    slowness = pace.slowness_of((run.source, run.target))
    return duration_s(to_give, source, target, removal, run.pace_s, given=to_settle, slowness=slowness, begun=run.started_at is not None)


def runs_newest_first(limit: int) -> list[Migration]:
    """The last so many runs, for scripts; the panel lists all of them by page."""
    return list(db.session.scalars(select(Migration).order_by(Migration.id.desc()).limit(limit)))
