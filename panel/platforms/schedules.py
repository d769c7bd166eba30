"""Hours in which an account may be used (`AccessSchedules` of Emby and Jellyfin), and what two lists of them have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
SEVERAL = {"Everyday": DAYS, "Weekday": DAYS[1:6], "Weekend": (DAYS[0], DAYS[6])}

Row = dict[str, object]
_Hours = set[tuple[str, float, float]]


def in_common(one: Sequence[Mapping[str, object]], other: Sequence[Mapping[str, object]]) -> list[Row]:
    """The hours that both lists allow. As `one` or `other` has it where that is one of the two whole; empty where they share no hour or
    one of them cannot be read: what to do then is the caller's."""
    first, second = _hours(one), _hours(other)
    if first is None or second is None:
        return []
    shared = {
        (day, max(start, begin), min(end, stop))
        for day, start, end in first
        for same_day, begin, stop in second
        if day == same_day and max(start, begin) < min(end, stop)
    }
    for rows, hours in ((one, first), (other, second)):
        if shared == hours:
            return [dict(row) for row in rows]
    return [{"DayOfWeek": day, "StartHour": start, "EndHour": end} for day, start, end in sorted(shared, key=_in_week)]


def _in_week(row: tuple[str, float, float]) -> tuple[int, float]:
    return DAYS.index(row[0]), row[1]


def _hours(rows: Sequence[Mapping[str, object]]) -> _Hours | None:
    found: _Hours = set()
    for row in rows:
        name, start, end = row.get("DayOfWeek"), row.get("StartHour"), row.get("EndHour")
        if not isinstance(name, str) or not isinstance(start, int | float) or not isinstance(end, int | float):
            return None
        days = SEVERAL.get(name, (name,))
        if not set(days) <= set(DAYS):
            return None
        found |= {(day, float(start), float(end)) for day in days}
    return found
