"""How times read on a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, Move, Server, Setting
from panel.services import times
from panel.services.server_removal import Loss
from panel.web import losses
from panel.web.words import all_counted, both_numbers, day, paid_day, some_of, what_happened, when


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


def test_says_only_once_that_somebody_cannot_be_read() -> None:
    reasons = (Reason.NO_ACTIVE_SUBSCRIPTION, Reason.UNREADABLE)
    move = Move(status=MoveStatus.SKIPPED, detail="Old: it cannot be read.", reasons=reasons)
    assert what_happened(Migration(), move) == [move.detail, reasons[0].sentence]
    move.detail = ""
    assert what_happened(Migration(), move) == [reason.sentence for reason in reasons]


def test_leaves_zeros_out_of_a_list_of_numbers() -> None:
    assert all_counted([(0, "payment", ""), (1, "share", ""), (0, "entry", "entries")]) == "1 share"
    assert all_counted([(2, "payment", ""), (1, "share", ""), (3, "entry", "entries")]) == "2 payments, 1 share and 3 entries"
    assert all_counted([(0, "payment", "")]) == ""


def test_names_in_the_question_only_what_a_server_takes_along() -> None:
    server = Server(name="Cedar")
    assert losses.of_server(server, Loss())[0] == "The panel forgets <bdi>Cedar</bdi>."
    both = losses.of_server(server, Loss(libraries=1, shares=2))[0]
    assert both == "The panel forgets <bdi>Cedar</bdi>, its 1 library with their groups, and who shares it (2 remembered shares)."
    runs = losses.of_server(server, Loss(migrations=1, moves=1))[1]
    assert runs == "1 past migration and its records go with it: 1 user in its list. It cannot be undone any more."
    assert losses.of_server(server, Loss(migrations=2))[1].startswith("2 past migrations and their records go with it. ")


@pytest.mark.parametrize(
    ("changed", "chosen", "title", "sentence"),
    [
        (6, 8, "6 of 8 users", "6 of the 8 users chosen change; 2 are so already."),
        (1, 2, "1 of 2 users", "1 of the 2 users chosen changes; 1 is so already."),
        (3, 3, "3 users", "All 3 users chosen change."),
        (1, 1, "1 user", "The user chosen changes."),
        (0, 3, "0 of 3 users", "None of the 3 users chosen changes: they are so already."),
        (0, 1, "0 of 1 user", "The user chosen does not change: it is so already."),
    ],
)
def test_says_of_how_many_how_many_change(changed: int, chosen: int, title: str, sentence: str) -> None:
    assert (some_of(changed, chosen, "user"), both_numbers(changed, chosen, "user")) == (title, sentence)
