"""Counts of what this process did, kept in memory until a stretch of work ends: no layer has to know where they go."""

from __future__ import annotations

import threading
from collections import Counter

#: Names of counters. Requests are counted by platform and outcome, `requests:plex:ok`.
REQUESTS, PACE_WAITS, PACE_WAIT_MS = "requests", "pace_waits", "pace_wait_ms"

_lock = threading.Lock()
_counts: Counter[str] = Counter()


def note_request(platform: str, outcome: str) -> None:
    """One request to a media server (or plex.tv) is over; `outcome` is one word, never anything a server said. Safe in any thread."""
    add(f"{REQUESTS}:{platform}:{outcome}", 1)


def note_pace_wait(seconds: float) -> None:
    """A turn of the pace was not due yet and has to be waited for."""
    add(PACE_WAITS, 1)
    add(PACE_WAIT_MS, round(seconds * 1000))


def add(name: str, amount: int) -> None:
    """Add to one counter."""
    with _lock:
        _counts[name] += amount


def drain() -> dict[str, int]:
    """Everything counted since the last time; the counters are empty afterwards."""
    with _lock:
        counted = dict(_counts)
        _counts.clear()
    return counted


def put_back(counted: dict[str, int]) -> None:
    """What was drained and could not be delivered counts again."""
    for name, amount in counted.items():
        add(name, amount)
