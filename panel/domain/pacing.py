"""Arithmetic of the pace: one changing step per interval and Plex account, and how long a run will take."""

from datetime import datetime, timedelta

from panel.domain.platform import Platform
from panel.domain.statuses import Removal

DEFAULT_PLEX_PACE_S = 30.0
#: How long an account's first cool-down is, which doubles with each further refusal, and where doubling ends, in seconds.
FIRST_COOL_DOWN_S = 30.0
LONGEST_COOL_DOWN_S = 3600.0
#: For how long an account is left alone at most where it says so itself, in seconds: more than that is nonsense.
LONGEST_ASKED_S = 86400.0
#: By how much longer a cool-down may last than it has to, so that what was stopped together does not come back together.
JITTER = 0.1
#: What is sent in one turn, and a whole user without a pace (several at once), in seconds: as measured with servers that are not far away.
SENT_S, UNPACED_S = 0.5, 0.1
#: By how many seconds the clocks of two hosts may differ; what lies further ahead was written before a clock was put back.
CLOCKS_DIFFER_S = 10.0
#: How an account's interval grows with a 429, shrinks with each turn that went well, and where growing ends.
SLOWER, FASTER, SLOWEST = 2.0, 0.9, 8.0


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


def by_this_clock(
    now: datetime, last_turn: datetime | None, cool_until: datetime | None, apart_s: float
) -> tuple[datetime | None, datetime | None]:
    """The last turn and the end of the cool-down, by the clock of `now`: one and the same unless it was put back since.

    It was where the last turn lies further ahead than `apart_s`. That turn then counts as taken now, and the cool-down begins anew: nobody
    waits much longer than they have to, and nobody goes sooner. No cool-down is longer than the longest; one of which nobody knows when it
    began, no longer than the longest that nobody has asked for.
    """
    if last_turn is not None and last_turn > now + timedelta(seconds=max(apart_s, CLOCKS_DIFFER_S)):
        cool_until = cool_until and cool_until - (last_turn - now)
        last_turn = now
    longest_s = LONGEST_COOL_DOWN_S if last_turn is None else LONGEST_ASKED_S
    longest = now + timedelta(seconds=longest_s + LONGEST_COOL_DOWN_S * JITTER + CLOCKS_DIFFER_S)
    return last_turn, min(cool_until, longest) if cool_until else None


def cool_down_s(times_in_a_row: int, asked_s: float | None, chance: float = 0.0) -> float:
    """How long to leave an account alone after its nth refusal in a row: what it asked for, up to a day, else doubling from half a minute.
    Where what it asked for was not enough before, that doubles from half a minute too. `chance` in 0…1 says how much of the jitter comes on
    top; it is never shorter than asked for."""
    doublings = times_in_a_row - 1 if asked_s is None else times_in_a_row - 2
    floor = min(FIRST_COOL_DOWN_S * 2.0 ** max(0, min(doublings, 9)), LONGEST_COOL_DOWN_S)
    if asked_s is None:
        seconds = floor
    else:
        seconds = max(min(asked_s, LONGEST_ASKED_S), floor if times_in_a_row > 1 else 1.0)
    return seconds + min(seconds, LONGEST_COOL_DOWN_S) * JITTER * chance


def slower(slowness: float) -> float:
    """By what the interval is multiplied after one more 429."""
    return min(slowness * SLOWER, SLOWEST)


def faster(slowness: float) -> float:
    """By what it is multiplied after a turn that went well: back to the pace that was set little by little, not at once."""
    return max(1.0, slowness * FASTER)


def place_kept_s(interval_s: float) -> float:
    """How long a turn is kept for the run that has waited longest: short enough that the pace is hardly over when it does not come."""
    return min(max(interval_s * 0.04, 0.1), 2.0)


def duration_s(
    users: int,
    source: Platform,
    target: Platform,
    removal: Removal,
    pace_s: float,
    *,
    given: int = 0,
    slowness: float = 1.0,
    begun: bool = False,
) -> float:
    """About how long moving this many users takes, in seconds: the turns they take, and what is sent in each.

    `given`: who have their new access already, so that only the removal is ahead; `begun`: also the first turn has to be waited for.
    """
    turns = users * int(paced_at_give(source, target, removal))
    turns += (users + given) * int(paced_at_take(source) and removal is not Removal.KEEP)
    if pace_s <= 0:
        return (users + given) * UNPACED_S
    return max(0, turns - (not begun)) * pace_s * slowness + turns * SENT_S
