"""Times as the admin reads and writes them: in the zone that is set."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from panel.models import Setting


def zone() -> ZoneInfo:
    """The zone that is set; UTC where its name is not known on this machine."""
    try:
        return ZoneInfo(Setting.current().time_zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def clock(at: datetime) -> str:
    """The time of day in that zone with the zone's name: “14:05 CEST”."""
    return at.astimezone(zone()).strftime("%H:%M %Z")


def day(at: datetime) -> str:
    """The day in that zone: “3 May 2026”."""
    return at.astimezone(zone()).strftime("%-d %b %Y")


def from_local(moment: datetime) -> datetime:
    """A wall clock time in that zone as a moment."""
    return moment.replace(tzinfo=zone()).astimezone(UTC)
