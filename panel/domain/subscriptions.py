"""Who is paid up at a given moment, and on which plan."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta


@dataclass(frozen=True)
class PlanTerms:
    """What a plan includes: the ids of its library groups, and whether it allows mobile downloads."""

    id: int
    name: str
    group_ids: frozenset[int]
    allow_downloads: bool = False


@dataclass(frozen=True)
class Period:
    """One payment: the plan it pays for, from `start` to `end`, both included, aware UTC."""

    plan: PlanTerms
    start: datetime
    end: datetime

    def covers(self, now: datetime) -> bool:
        """Whether `now` lies in it."""
        return self.start <= now <= self.end


def whole_days(first: date, last: date) -> tuple[datetime, datetime]:
    """Start and end of a payment for these days, both included: from the first moment of the one to the last of the other, UTC."""
    return datetime.combine(first, time.min, UTC), datetime.combine(last, time.max, UTC)


def last_paid_day(first: date, days: int) -> date:
    """The last of so many days; the first one counts."""
    return first + timedelta(days=max(1, days) - 1)


def days_from(first: date, days: int) -> tuple[datetime, datetime]:
    """Start and end of a payment for so many days; the first one counts."""
    return whole_days(first, last_paid_day(first, days))


def plan_in_force(periods: Iterable[Period], now: datetime) -> PlanTerms | None:
    """The plan paid for at this moment; of several the one that lasts longest. `None` when nothing is."""
    current = [period for period in periods if period.covers(now)]
    return max(current, key=lambda period: (period.end, period.start, period.plan.id)).plan if current else None
