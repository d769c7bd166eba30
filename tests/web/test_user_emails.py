"""Filling in the addresses of users from a CSV: previewed line by line, applied only as it was previewed."""

from __future__ import annotations

import io

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from tests.scene import Scene
from tests.web.reading import fields
from tests.web.rows import noted, user

CSV = "name;plex_email;emby_email\nAlice;new@example.test;\nNobody;x@example.test;\nBob;;BAD\n;;lapsed@example.test\n"


def test_previews_a_csv_and_fills_it_in(ada: FlaskClient, pair: Scene) -> None:
    preview = ada.post("/users/emails", data={"file": (io.BytesIO(CSV.encode()), "users.csv")}).text
    assert "Line 3: Nobody is called “Nobody”." in preview
    assert "Line 4: “BAD” is not an e-mail address." in preview
    said = " ".join(preview.split())
    assert "new@example.test" in preview and "1 value of 1 user will change. 1 line says what the panel knows already. 2 lines" in said
    assert user("Alice").plex_email == "alice@example.test"
    ada.post("/users/emails", data={"csv": CSV, "confirmed": fields(preview)["confirmed"]})
    assert (user("Alice").plex_email, user("Alice").emby_email) == ("new@example.test", "alice@example.test")
    assert noted("user.emails_filled").subject == "1 user"


def test_applies_nothing_on_a_stale_preview(ada: FlaskClient, pair: Scene) -> None:
    confirmed = fields(ada.post("/users/emails", data={"csv": CSV}).text)["confirmed"]
    user("Alice").plex_email = "meanwhile@example.test"
    db.session.commit()
    answer = ada.post("/users/emails", data={"csv": CSV, "confirmed": confirmed})
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert user("Alice").plex_email == "meanwhile@example.test"


def test_gives_nobody_an_address_of_somebody_else(ada: FlaskClient, pair: Scene) -> None:
    text = ada.post(
        "/users/emails", data={"csv": "name,email\nAlice,bob@example.test\nBob,one@example.test\nLapsed,ONE@example.test\n"}
    ).text
    assert "Line 2: Bob has the address bob@example.test." in text
    assert "Line 4: Bob has the address ONE@example.test." in text
    assert "Line 3:" not in text


def test_takes_long_tables_back_for_confirmation(ada: FlaskClient, pair: Scene) -> None:
    table = "name,email\n" + "Nobody at all,nobody@example.test\n" * 20_000
    assert len(table) > 600_000
    assert ada.post("/users/emails", data={"csv": table}).status_code == 200


@pytest.mark.parametrize("text", ["", "first,second\n1,2\n", "name\nAda\n"])
def test_says_which_columns_a_csv_needs(ada: FlaskClient, text: str) -> None:
    answer = ada.post("/users/emails", data={"csv": text})
    assert answer.status_code == 422
    assert "jellyfin_name" in answer.text.split("invalid-feedback")[1] or "at least one address" in answer.text
