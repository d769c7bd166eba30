"""Choosing the target, the judgement before, and the start."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel import jobs
from panel.domain.reasons import Reason
from panel.domain.statuses import MigrationStatus, Removal
from panel.extensions import db
from panel.models import Migration, Server, Setting
from panel.models.types import utc_now
from panel.services import preflight
from panel.services.run.finish import free_servers
from tests.scene import Scene
from tests.web.asking import by_htmx

CHOICE = {"source": "1", "target": "2", "removal": "when-active", "pace_s": ""}


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs workers were told of, each after its commit."""
    runs: list[int] = []

    def wake(run_id: int, at: Any = None) -> bool:
        db.session.rollback()
        assert db.session.get(Migration, run_id) is not None
        runs.append(run_id)
        return True

    monkeypatch.setattr(jobs, "wake", wake)
    return runs


def words(text: str) -> str:
    """A page's text without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_asks_for_the_source_where_none_is_given(ada: FlaskClient, pair: Scene) -> None:
    for headers in ({}, by_htmx("dialog")):
        assert 'href="/migrations/new?source=1"' in ada.get("/migrations/new", headers=headers).text


@pytest.mark.parametrize("headers", [{}, by_htmx("dialog")])
def test_offers_the_other_servers_as_targets(ada: FlaskClient, pair: Scene, headers: dict[str, str]) -> None:
    text = ada.get("/migrations/new?source=1", headers=headers).text
    assert ("<!doctype html>" in text) is not bool(headers)
    assert 'id="target-2"' in text and 'id="target-1"' not in text
    assert "OK, migrate" not in text


# M4
def test_shows_a_closed_target_disabled_and_why(ada: FlaskClient, pair: Scene) -> None:
    pair.target.row.allow_new_subscriptions = False
    db.session.commit()
    text = ada.get("/migrations/new?source=1").text
    assert re.search(r'id="target-2"[^>]*disabled', text)
    assert "Turn on “Allow new subscriptions” for it." in text


def test_asks_no_server_before_a_target_is_chosen(ada: FlaskClient, pair: Scene) -> None:
    for side in pair.sides:
        side.sim.journal.clear()
    ada.get("/migrations/new?source=1")
    assert [side.sim.journal for side in pair.sides] == [[], []]


@pytest.mark.parametrize("headers", [{}, by_htmx("preflight"), by_htmx("dialog")])
def test_shows_who_moves_and_who_stays_and_why(ada: FlaskClient, pair: Scene, headers: dict[str, str]) -> None:
    for side in pair.sides:
        side.sim.journal.clear()
    text = words(ada.get("/migrations/new?source=1&target=2", headers=headers).text)
    assert "2 people move" in text and "Alice" in text and "Bob" in text
    assert "1 person stays: they have no active subscription" in text and "Lapsed" in text
    assert "Add or extend a payment" in text
    assert "it takes about" in text and "OK, migrate 2 users" in text
    assert all(side.sim.journal for side in pair.sides)


def test_says_how_many_stay_in_total_where_some_have_several_reasons(ada: FlaskClient, pair: Scene) -> None:
    address = "/migrations/new?source=1&target=2"
    assert "in total" not in ada.get(address).text
    pair.person("Late", days=(-40, -10), emby_email="")
    text = words(ada.get(address).text)
    assert "2 people stay in total; whoever stays for several reasons is counted under each of them." in text


@pytest.mark.parametrize("reason", Reason)
def test_says_why_people_stay_in_words_and_not_in_codes(reason: Reason) -> None:
    one, many = reason.headline(1), reason.headline(3)
    assert one.startswith("1 person stays: ") and many == one.replace("1 person stays", "3 people stay")
    assert " the" in one.partition(":")[2], "a sentence about them, not a code"


def test_gives_the_judgement_alone_to_the_open_dialog(ada: FlaskClient, pair: Scene) -> None:
    text = ada.get("/migrations/new?source=1&target=2", headers=by_htmx("preflight")).text
    assert text.lstrip().startswith('<section id="preflight"')
    assert 'id="target-2"' not in text


def test_says_when_the_target_does_not_answer(ada: FlaskClient, pair: Scene) -> None:
    pair.target.sim.stop()
    text = ada.get("/migrations/new?source=1&target=2", headers=by_htmx("preflight")).text
    assert "Check its address and that it is running." in text
    assert re.search(r"disabled>\s*OK, migrate", text)


def test_asks_no_server_and_stores_nothing_for_a_viewer(vic: FlaskClient, pair: Scene) -> None:
    before = datetime(2026, 1, 1, tzinfo=UTC)
    for side in pair.sides:
        side.sim.journal.clear()
        side.row.checked_at = before
    db.session.commit()
    for headers in ({}, by_htmx("preflight")):
        assert "Judged by the last sync" in vic.get("/migrations/new?source=1&target=2", headers=headers).text
    assert [side.sim.journal for side in pair.sides] == [[], []]
    assert [side.row.checked_at for side in pair.sides] == [before, before]


def test_goes_by_the_last_sync_when_the_source_does_not_answer(ada: FlaskClient, pair: Scene) -> None:
    pair.source.sim.stop()
    text = words(ada.get("/migrations/new?source=1&target=2").text)
    assert "works from its last sync" in text
    assert "OK, migrate 2 users" in text


def test_lets_a_viewer_see_the_judgement_but_not_start(vic: FlaskClient, pair: Scene) -> None:
    text = vic.get("/migrations/new?source=1&target=2").text
    assert "2 people move" in text
    assert re.search(r"disabled>\s*OK, migrate", text)


def test_reckons_how_long_other_options_take(ada: FlaskClient, pair: Scene) -> None:
    query = "source=1&target=2&users=11&pace_s=60&removal=keep"
    text = words(ada.get(f"/migrations/duration?{query}", headers=by_htmx("duration")).text)
    assert text == "One user every 60 s: it takes about 10 min."
    assert "from 0 to 3600" in ada.get("/migrations/duration?source=1&target=2&users=1&pace_s=-1").text
    assert ada.get("/migrations/duration?source=1&target=2&users=1&removal=never").status_code == 200


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("at", ["9999-12-31T23:59", "0001-01-01T00:00"])
def test_refuses_the_ends_of_the_calendar_in_every_zone(ada: FlaskClient, pair: Scene, zone: str, at: str) -> None:
    Setting.current().time_zone = zone
    db.session.commit()
    answer = ada.post("/migrations", data={**CHOICE, "start_at": at})
    assert answer.status_code == 422 and f'value="{at}"' in answer.text
    assert f"It is read as a time in {zone}" in words(answer.text)


def test_begins_at_a_time_within_a_year(ada: FlaskClient, pair: Scene) -> None:
    at = utc_now() + timedelta(days=365)
    assert ada.post("/migrations", data={**CHOICE, "start_at": f"{at:%Y-%m-%dT%H:%M}"}).status_code == 303
    run = db.session.scalars(db.select(Migration)).one()
    assert run.start_at == at.replace(second=0, microsecond=0)


def test_names_a_time_that_has_passed_and_nothing_else(app: Flask, ada: FlaskClient, pair: Scene) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    query = "source=1&target=2&users=2&start_at=2020-01-01T10:00&rounds=0&repeat_every_h=1&pace_s=&removal=keep"
    text = words(ada.get(f"/migrations/duration?{query}", headers=by_htmx("duration")).text)
    assert text == "This time has passed. Choose a later one, or leave it empty to begin at once."


# M1
@pytest.mark.parametrize("headers", [{}, by_htmx("dialog")])
def test_starts_in_one_click_and_goes_to_the_live_page(ada: FlaskClient, pair: Scene, headers: dict[str, str], woken: list[int]) -> None:
    answer = ada.post("/migrations", data={**CHOICE, "removal": "keep", "pace_s": "2.5"}, headers=headers)
    assert answer.status_code == (200 if headers else 303)
    assert answer.headers["HX-Redirect" if headers else "Location"] == "/migrations/1"
    run = db.session.get_one(Migration, 1)
    assert (run.status, run.removal, run.pace_s) == (MigrationStatus.QUEUED, Removal.KEEP, 2.5)
    assert woken == [1]


def test_asks_no_server_when_it_starts(ada: FlaskClient, pair: Scene) -> None:
    for side in pair.sides:
        side.sim.journal.clear()
    assert ada.post("/migrations", data=CHOICE).status_code == 303
    assert [side.sim.journal for side in pair.sides] == [[], []]


@pytest.mark.parametrize("headers", [{}, by_htmx("dialog")])
def test_refuses_a_blocked_pair_with_the_sentence(ada: FlaskClient, pair: Scene, headers: dict[str, str], woken: list[int]) -> None:
    pair.target.row.enabled = False
    db.session.commit()
    answer = ada.post("/migrations", data=CHOICE, headers=headers)
    assert answer.status_code == 422
    assert "Birch is switched off. Turn on “Enabled” for it." in answer.text
    assert ("<!doctype html>" in answer.text) is not bool(headers)
    assert 'id="new-migration"' in answer.text
    assert woken == [] and db.session.scalars(db.select(Migration)).all() == []


def test_starts_once_however_often_it_is_clicked(ada: FlaskClient, pair: Scene, woken: list[int]) -> None:
    assert ada.post("/migrations", data=CHOICE).status_code == 303
    second = ada.post("/migrations", data=CHOICE, headers=by_htmx("dialog"))
    assert second.status_code == 422
    assert "A migration or a sync is using Cedar and Birch." in second.text
    assert woken == [1]


def test_gives_the_second_of_two_simultaneous_clicks_the_sentence(
    ada: FlaskClient, pair: Scene, monkeypatch: pytest.MonkeyPatch, woken: list[int]
) -> None:
    def somebody_is_quicker(*found: Any, **how: Any) -> Any:
        flight = judged(*found, **how)
        db.session.execute(db.update(Server).values(migration_id=other))
        return flight

    other = pair.start().id
    free_servers(other)
    db.session.commit()
    judged = preflight.assess
    monkeypatch.setattr(preflight, "assess", somebody_is_quicker)
    answer = ada.post("/migrations", data=CHOICE, headers=by_htmx("dialog"))
    assert answer.status_code == 422
    assert "has just begun on one of the two servers" in answer.text
    assert woken == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pace_s": "-1"}, "The pace is a number of seconds from 0 to 3600."),
        ({"pace_s": "nan"}, "The pace is a number of seconds from 0 to 3600."),
        ({"pace_s": "fast"}, "The pace is a number of seconds from 0 to 3600."),
        ({"start_at": "2020-01-01T10:00"}, "This time has passed."),
        ({"start_at": "0001-01-01T00:00"}, "This time has passed."),
        ({"start_at": "9999-12-31T23:59"}, "This is more than a year ahead. Choose a time within a year"),
        ({"start_at": f"{utc_now() + timedelta(days=370):%Y-%m-%dT%H:%M}"}, "This is more than a year ahead."),
        ({"start_at": "soon"}, "The time to begin at is a date and a time"),
        ({"rounds": "101"}, "The number of further rounds is a whole one from 0 to 100."),
        ({"rounds": "1", "repeat_every_h": "9999"}, "The hours between two rounds are a number from 0.1 to 720."),
        ({"target": ""}, "Choose a target server."),
        ({"target": "77"}, "Choose a target server."),
        ({"removal": "never"}, "Not a valid choice."),
    ],
)
def test_refuses_what_the_form_does_not_offer(ada: FlaskClient, pair: Scene, change: dict[str, str], sentence: str) -> None:
    answer = ada.post("/migrations", data={**CHOICE, **change}, headers=by_htmx("dialog"))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert ("Judged by the last sync" in answer.text) is ("target" not in change)
    assert answer.text.count(sentence) == 1
    for name in set(change) & {"pace_s", "start_at"}:
        assert f'id="{name}-error">{sentence}' in answer.text and f'value="{change[name]}"' in answer.text
    assert db.session.scalars(db.select(Migration)).all() == []


def test_says_once_what_keeps_the_chosen_pair_from_starting(ada: FlaskClient, pair: Scene) -> None:
    pair.target.row.allow_new_subscriptions = False
    db.session.commit()
    reason = "Turn on “Allow new subscriptions” for it."
    assert ada.get("/migrations/new?source=1").text.count(reason) == 1
    text = ada.get("/migrations/new?source=1&target=2").text
    assert text.count(reason) == 1 and reason in text[text.index('id="preflight"') :]


@pytest.mark.parametrize(("rounds", "status"), [("0", 303), ("", 303), ("2", 422), ("some", 422)])
def test_hours_between_rounds_matter_only_where_there_are_rounds(ada: FlaskClient, pair: Scene, rounds: str, status: int) -> None:
    answer = ada.post("/migrations", data={**CHOICE, "rounds": rounds, "repeat_every_h": "0"})
    assert answer.status_code == status, words(answer.text)
    assert (status == 422) is (db.session.scalar(db.select(Migration.id)) is None)
