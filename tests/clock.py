"""The time of day as a test wants it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from panel.models import types
from panel.services import shared_clock


class Clock:
    """Stands in for `datetime` where the time of day is read; `ahead` says by how much it is wrong."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self, zone: object = UTC) -> datetime:
        """The time, moved."""
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which everything of ours goes: that of this host, and that of the database."""
    monkeypatch.setattr(shared_clock, "_of_database", lambda asked: types.utc_now())
    return _set(monkeypatch)


@pytest.fixture
def host_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of this host alone."""
    return _set(monkeypatch)


def _set(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(types, "datetime", clock)
    assert abs(types.utc_now() - datetime.now(UTC)) < timedelta(seconds=5)
    return clock
