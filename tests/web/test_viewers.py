"""What a viewer sees of what they cannot do: the same buttons, switched off, and why beside them in words."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Library, Plan
from tests.scene import Scene

HEADERS = {
    "/servers": ["Sync all", "Add a server…"],
    "/plex-accounts": ["Add a Plex account…"],
    "/libraries": ["Apply all suggestions (4)…"],
    "/libraries/groups": ["New group…"],
    "/users": ["Fill in e-mails…", "New user…"],
    "/payments": ["New payment…"],
    "/plans": ["New plan…"],
    "/migrations": ["New migration…"],
    "/settings/admins": ["Add somebody…"],
}


def header_of(text: str) -> str:
    """From the heading of a page to the end of the line it stands in."""
    found = re.search(r"<h1 .*?\n</div>", text, re.S)
    assert found
    return found[0]


@pytest.fixture
def stage(pair: Scene) -> Scene:
    """Something on every screen."""
    pair.add_server("plex", "Oak")
    pair.move()
    for library in db.session.scalars(db.select(Library).where(Library.server_id == 1)):
        library.group_id = None
    db.session.commit()
    return pair


@pytest.mark.parametrize("address", HEADERS)
def test_shows_viewers_the_buttons_of_an_administrator_switched_off_with_the_reason(
    ada: FlaskClient, vic: FlaskClient, stage: Scene, address: str
) -> None:
    theirs, hers = header_of(vic.get(address).text), header_of(ada.get(address).text)
    for label in HEADERS[address]:
        button = re.search(rf"<button ([^>]*)>\s*{re.escape(label)}\s*</button>", theirs)
        assert button and "disabled" in button[1] and 'aria-describedby="viewers-only"' in button[1], theirs
        assert "title=" not in button[1]
        assert re.search(rf">\s*{re.escape(label)}\s*</(a|button)>", hers)
    assert re.search(r'id="viewers-only">Only administrators can [^<]+\.<', theirs)
    assert "Only administrators" not in hers and "disabled" not in hers


@pytest.mark.parametrize("address", ["/servers", "/plex-accounts", "/plans", "/migrations"])
def test_offers_viewers_nothing_on_an_empty_screen_that_ends_at_a_dead_button(vic: FlaskClient, address: str) -> None:
    db.session.execute(db.delete(Plan))
    db.session.commit()
    text = vic.get(address).text
    found = re.search(r'<div class="empty.*?</div>', text, re.S)
    assert found and re.search(r'<button type="button" class="btn btn-primary" disabled', found[0])
    assert "Only administrators can" in found[0] and '<a class="btn' not in found[0]


FORMS = ["/users/1/edit", "/payments/1/edit", "/payments/new", "/plans/1/edit", "/libraries/groups/new", "/servers/1/edit"]


@pytest.mark.parametrize("address", [*FORMS, "/migrations/1", "/settings/admins/new", "/migrations/1/undo", "/plans/1/delete"])
def test_says_once_on_a_screen_and_in_one_wording_that_it_is_for_administrators(vic: FlaskClient, stage: Scene, address: str) -> None:
    text = vic.get(address).text
    said = re.findall(r">\s*(Only administrators can [^<]+\.)\s*<", text)
    assert len(said) == 1 and "Viewers cannot" not in text, said


def test_offers_viewers_no_search_that_ends_at_a_dead_form(ada: FlaskClient, vic: FlaskClient, stage: Scene) -> None:
    text = vic.get("/payments/new?q=Alice").text
    assert re.search(r'<fieldset disabled>.*id="find"', text, re.S) and "/payments/new?user=" not in text
    assert "/payments/new?user=" in ada.get("/payments/new?q=Alice").text
