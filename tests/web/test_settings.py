"""General settings, and what they change elsewhere: times on pages and links in mails."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Setting
from panel.services import notices
from panel.web.words import moment
from tests.scene import Scene

GOOD = {
    "admin_email": "ada@example.test, bob@example.test",
    "pace_s": "45",
    "sync_every_h": "6",
    "remind_after_d": "3",
    "import_as": "permanent",
    "time_zone": "Europe/Berlin",
    "public_url": "https://panel.example.test/",
}


def test_stores_all_of_them_and_writes_down_what_changed(ada: FlaskClient) -> None:
    assert "The settings are saved." in ada.post("/settings", data=GOOD, follow_redirects=True).text
    row = Setting.current()
    assert (row.admin_email, row.pace_s, row.sync_every_h) == ("ada@example.test, bob@example.test", 45.0, 6.0)
    assert 'value="45"' in ada.get("/settings").text and 'value="6"' in ada.get("/settings").text
    row = Setting.current()
    assert (row.import_as_permanent, row.time_zone, row.public_url) == (True, "Europe/Berlin", "https://panel.example.test")
    entry = db.session.scalars(db.select(AuditEntry)).one()
    assert entry.action == "settings.edited" and "time_zone: Europe/Berlin" in entry.detail
    assert "Nothing was changed." in ada.post("/settings", data=GOOD, follow_redirects=True).text


def test_takes_empty_for_the_usual(ada: FlaskClient) -> None:
    assert ada.post("/settings", data={**GOOD, "pace_s": "", "admin_email": "", "public_url": " ", "sync_every_h": "0"}).status_code == 303
    row = Setting.current()
    assert (row.pace_s, row.admin_email, row.public_url, row.sync_every_h) == (None, "", "", 0.0)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("admin_email", "ada@example.test, nobody", "must be an e-mail address"),
        ("admin_email", "ada@example.test; bob@localhost", "must be an e-mail address"),
        ("admin_email", "ada(1)@example.test", "a mail can be written to: “(” may not be in it"),
        ("pace_s", "-1", "from 0 to 3600"),
        ("pace_s", "soon", "from 0 to 3600"),
        ("sync_every_h", "nan", "from 0 to 720"),
        ("sync_every_h", "", "from 0 to 720"),
        ("time_zone", "Mars/Base", "There is no such time zone"),
        ("public_url", "ftp://panel.example.test", "must be a URL"),
        ("import_as", "whatever", "not a valid choice"),
    ],
)
def test_keeps_what_was_typed_beside_what_is_wrong(ada: FlaskClient, field: str, value: str, sentence: str) -> None:
    answer = ada.post("/settings", data={**GOOD, field: value})
    assert answer.status_code == 422
    assert sentence.casefold() in answer.text.casefold()
    assert "bob@example.test" in answer.text or field == "admin_email"
    assert Setting.current().time_zone == "UTC"


def test_shows_the_public_address_of_the_environment_and_leaves_the_stored_one(app: Flask, ada: FlaskClient) -> None:
    ada.post("/settings", data=GOOD)
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], public_url="https://fixed.example.test")
    text = ada.get("/settings").text
    assert "PANEL_PUBLIC_URL" in text and 'value="https://fixed.example.test" readonly' in text
    ada.post("/settings", data={**GOOD, "public_url": "https://other.example.test"})
    assert Setting.current().public_url == "https://panel.example.test"
    assert notices.claim_link("x") == "https://fixed.example.test/claim/x"


def test_begins_links_in_mails_with_the_public_address(ada: FlaskClient) -> None:
    assert notices.claim_link("x") == ""
    ada.post("/settings", data=GOOD)
    assert notices.claim_link("x") == "https://panel.example.test/claim/x"


@pytest.mark.parametrize(
    ("name", "shown", "clock", "exact"),
    [
        ("UTC", "1 Jul 2031, 10:05 UTC", "10:05 UTC", ""),
        ("Europe/Berlin", "1 Jul 2031, 12:05 CEST", "12:05 CEST", "1 Jul 2031, 12:05:09 CEST · "),
        ("Asia/Kolkata", "1 Jul 2031, 15:35 IST", "15:35 IST", "1 Jul 2031, 15:35:09 IST · "),
        ("No/Where", "1 Jul 2031, 10:05 UTC", "10:05 UTC", ""),
    ],
)
def test_shows_times_in_the_zone_with_the_exact_utc_time_on_hover(app: Flask, name: str, shown: str, clock: str, exact: str) -> None:
    Setting.current().time_zone = name
    db.session.commit()
    at = datetime(2031, 7, 1, 10, 5, 9, tzinfo=UTC)
    with app.test_request_context():
        assert moment(at) == f'<time datetime="2031-07-01T10:05:09Z" title="{exact}1 Jul 2031, 10:05:09 UTC">{shown}</time>'
        assert f">{clock}<" in moment(at, clock=True)
        assert moment(None) == "–"


def test_shows_the_zone_on_pages(ada: FlaskClient, pair: Scene) -> None:
    ada.post("/settings", data={**GOOD, "time_zone": "Asia/Tokyo"})
    shown = re.search(r'<time datetime="[^T]+T(\d\d):(\d\d)[^>]*>[^<]*?(\d\d):(\d\d)[^<]*</time>', ada.get("/servers").text)
    assert shown and (int(shown[1]) + 9) % 24 == int(shown[3]) and shown[2] == shown[4]


def test_lets_a_viewer_look_only(vic: FlaskClient) -> None:
    text = vic.get("/settings").text
    assert "<fieldset disabled>" in text and "Only administrators can do this." in text
    assert vic.post("/settings", data=GOOD).status_code == 403
