"""Who is paid up at a given moment, and on which plan."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


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


def plan_in_force(periods: Iterable[Period], now: datetime) -> PlanTerms | None:
    """The plan paid for at this moment; of several the one that lasts longest. `None` when nothing is."""
    current = [period for period in periods if period.covers(now)]
    return max(current, key=lambda period: (period.end, period.start, period.plan.id)).plan if current else None
