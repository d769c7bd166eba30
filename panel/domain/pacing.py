"""Arithmetic of the pace: one changing step per interval and Plex account, and how long a run will take."""

from datetime import datetime, timedelta

from panel.domain.platform import Platform
from panel.domain.statuses import Removal

DEFAULT_PLEX_PACE_S = 30.0
#: How much of an account's cool-down grows with each further 429, and where it ends, in seconds.
FIRST_COOL_DOWN_S = 30.0
LONGEST_COOL_DOWN_S = 3600.0


def pace_of_pair(source: Platform, target: Platform, asked_s: float | None, plex_default_s: float = DEFAULT_PLEX_PACE_S) -> float:
    """Seconds between two users: what was asked for, else the default where Plex is on either side, else none."""
    if asked_s is not None:
        return asked_s
    return plex_default_s if Platform.PLEX in (source, target) else 0.0


def paced_at_give(source: Platform, target: Platform, removal: Removal) -> bool:
    """Whether giving access takes a turn of the pace: it does where it changes something at Plex, and where no later step of the same
    user will (a user always takes at least one turn)."""
    return target is Platform.PLEX or source is not Platform.PLEX or removal is Removal.KEEP


def paced_at_take(source: Platform) -> bool:
    """Whether removing the source access takes a turn: it does where it changes something at Plex."""
    return source is Platform.PLEX


def next_turn(now: datetime, last_turn: datetime | None, interval_s: float, not_before: datetime | None = None) -> datetime:
    """When the next turn may be taken: one interval after the last, not before a cool-down ends, and not in the past."""
    earliest = [now]
    if last_turn is not None:
        earliest.append(last_turn + timedelta(seconds=interval_s))
    if not_before is not None:
        earliest.append(not_before)
    return max(earliest)


def cool_down_s(times_in_a_row: int, asked_s: float | None) -> float:
    """How long to leave an account alone after its nth 429 in a row: what it asked for, within reason, else doubling from half a minute."""
    if asked_s is not None:
        return min(max(asked_s, 1.0), LONGEST_COOL_DOWN_S)
    return float(min(FIRST_COOL_DOWN_S * 2 ** max(0, times_in_a_row - 1), LONGEST_COOL_DOWN_S))


def duration_s(users: int, source: Platform, target: Platform, removal: Removal, pace_s: float) -> float:
    """How long moving this many users will take at least, in seconds: the turns they take, and about a second for each user's calls."""
    turns_each = int(paced_at_give(source, target, removal)) + int(paced_at_take(source) and removal is not Removal.KEEP)
    turns = users * turns_each
    return max(0.0, (turns - 1) * pace_s) + users * (1.0 if pace_s else 0.05)
