"""How times read on a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from panel.extensions import db
from panel.models import Setting
from panel.services import times
from panel.web.words import day, paid_day, when


@pytest.mark.parametrize(
    ("age", "shown"), [(timedelta(), "today, "), (timedelta(days=1), "yesterday, "), (timedelta(days=-1), "tomorrow, ")]
)
def test_names_the_day_as_people_do(app: Flask, age: timedelta, shown: str) -> None:
    at = datetime.now(UTC) - age
    assert f">{shown}{at:%H:%M}<" in when(at)


def test_gives_the_date_of_older_times_and_the_exact_time_on_hover(app: Flask) -> None:
    told = when(datetime(2020, 5, 4, 15, 6, 7, tzinfo=UTC))
    assert ">4 May 2020, 15:06<" in told and 'title="4 May 2020, 15:06:07 UTC"' in told


def test_counts_days_where_the_admin_is_and_payments_in_utc(app: Flask) -> None:
    Setting.current().time_zone = "Europe/Berlin"
    db.session.commit()
    at = datetime(2026, 7, 31, 23, 30, 5, tzinfo=UTC)
    both = 'title="1 Aug 2026, 01:30:05 CEST · 31 Jul 2026, 23:30:05 UTC"'
    assert ">1 Aug 2026<" in day(at) and both in day(at)
    assert ">31 Jul 2026<" in paid_day(at) and both in paid_day(at)
    assert times.clock(at) == "01:30 CEST"


def test_shows_a_dash_for_what_has_not_happened(app: Flask) -> None:
    assert when(None) == "–"
