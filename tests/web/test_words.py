"""How times read on a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from panel.web.words import when


@pytest.mark.parametrize(("age", "shown"), [(timedelta(), "today, "), (timedelta(days=1), "yesterday, ")])
def test_names_the_day_as_people_do(app: Flask, age: timedelta, shown: str) -> None:
    at = datetime.now(UTC) - age
    assert f">{shown}{at:%H:%M}<" in when(at)


def test_gives_the_date_of_older_times_and_the_exact_time_on_hover(app: Flask) -> None:
    told = when(datetime(2020, 5, 4, 15, 6, 7, tzinfo=UTC))
    assert ">4 May 2020, 15:06<" in told and 'title="4 May 2020, 15:06:07 UTC"' in told


def test_shows_a_dash_for_what_has_not_happened(app: Flask) -> None:
    assert when(None) == "–"
