"""The days of a payment."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from panel.domain.subscriptions import days_from, last_paid_day


def test_counts_the_first_day_and_the_whole_of_the_last() -> None:
    start, end = days_from(date(2026, 11, 22), 30)
    assert (start, end) == (datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 12, 21, 23, 59, 59, 999999, tzinfo=UTC))


@pytest.mark.parametrize(("days", "last"), [(0, date(2026, 2, 28)), (1, date(2026, 2, 28)), (2, date(2026, 3, 1))])
def test_no_payment_is_shorter_than_a_day(days: int, last: date) -> None:
    assert last_paid_day(date(2026, 2, 28), days) == last
