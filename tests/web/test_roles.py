"""Every route there is, whoever adds it: what a viewer may see and never change, and what nobody sees who is not signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import Base, db
from panel.models import AuditEntry, Email, PossibleTwin
from panel.web.access import HARMLESS, PUBLIC
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.crawling import Crawl

#: How a browser asks, with and without HTMX.
FACES: dict[str, dict[str, str]] = {"page": {}, "dialog": by_htmx("dialog")}
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
#: Blueprints for people who are not signed in; whatever else wants to be public has to be added here on purpose.
OPEN_TO_ALL = ("static", "bootstrap.", "auth.", "claims.", "health.", "metrics.")  # The numbers ask for a token or a session themselves.


@pytest.fixture
def seeded(pair: Scene) -> Scene:
    """A stage with at least one row of nearly everything: a Plex server and account, a finished run and its mails, a suggestion."""
    pair.add_server("plex", "Oak")
    pair.person("Plexa", on=pair.sides[2])
    pair.move()
    db.session.add(PossibleTwin(user_id=1, other_id=2, why="The names are alike."))
    db.session.add(Email(event="system_message", recipient="ada@example.test", subject="Hello", text="Text", html="<p>Text</p>"))
    db.session.add(AuditEntry(by="ada@example.test", action="server.edited", subject="Cedar"))
    db.session.commit()
    return pair


def routes(app: Flask, methods: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Method, endpoint and an address of every route; numbers are 1, words too."""
    for rule in app.url_map.iter_rules():
        for method in methods:
            if method in (rule.methods or ()):
                yield method, rule.endpoint, re.sub(r"<[^>]+>", "1", rule.rule)


def everything() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    db.session.rollback()
    return {table.name: [tuple(row) for row in db.session.execute(table.select())] for table in Base.metadata.sorted_tables}


def test_a_viewer_changes_nothing_anywhere(app: Flask, seeded: Scene, vic: FlaskClient) -> None:
    before, sent = everything(), sum(len(side.sim.journal) for side in seeded.sides)
    tried = 0
    for method, endpoint, address in routes(app, CHANGING):
        if endpoint not in PUBLIC | HARMLESS:
            for headers in FACES.values():
                answer = vic.open(address, method=method, headers=headers)
                assert answer.status_code == 403, (method, address)
            tried += 1
    assert tried >= 9
    assert everything() == before
    assert sum(len(side.sim.journal) for side in seeded.sides) == sent


def test_a_viewer_sees_every_page(app: Flask, seeded: Scene, vic: FlaskClient) -> None:
    pages = [address for _, endpoint, address in routes(app, ("GET",)) if endpoint not in PUBLIC]
    assert len(pages) >= 9
    codes = {(address, face): vic.get(address, headers=headers).status_code for address in pages for face, headers in FACES.items()}
    assert {asked: code for asked, code in codes.items() if code not in (200, 204, 302, 303, 400, 404)} == {}


class OpenFields(HTMLParser):
    """The names of the fields one can type into whose form changes something that is not one's own sign-in."""

    def __init__(self, app: Flask, page: str) -> None:
        super().__init__()
        self.app, self.page = app, page
        self.found: list[str] = []
        self._shut: list[bool] = []
        self._changes = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes a field that is open."""
        given = dict(attrs)
        if tag == "form":
            path = urlsplit(urljoin(self.page, given.get("action") or "")).path
            self._changes = given.get("method") == "post" and self._endpoint(path) not in PUBLIC | HARMLESS
        elif tag == "fieldset":
            self._shut.append("disabled" in given)
        elif tag in ("input", "select", "textarea") and self._changes and given.get("type") != "hidden":
            is_open = not any(self._shut) and "disabled" not in given and "readonly" not in given
            self.found += [given.get("name") or given.get("id") or tag] if is_open else []

    def handle_endtag(self, tag: str) -> None:
        """The end of what was open."""
        if tag == "form":
            self._changes = False
        elif tag == "fieldset":
            self._shut.pop()

    def _endpoint(self, path: str) -> str:
        return str(self.app.url_map.bind("").match(path, method="POST")[0])


def test_a_viewer_types_into_no_form_they_cannot_send(app: Flask, seeded: Scene, ada: FlaskClient, vic: FlaskClient) -> None:
    crawl = Crawl(["/servers", "/users/bulk?all=1", "/payments/extend?all=1", "/migrations/new?source=1&target=2"])
    for address in crawl:
        crawl.read(address, ada.get(address).text)
    addresses = crawl.seen | {address for _, endpoint, address in routes(app, ("GET",)) if endpoint not in PUBLIC}
    open_fields: dict[str, list[str]] = {}
    forms = 0
    for address in sorted(addresses):
        page = vic.get(address).text
        forms += page.count("<fieldset disabled")
        look = OpenFields(app, address)
        look.feed(page)
        if look.found:
            open_fields[address] = look.found
    assert open_fields == {} and forms >= 12


def test_nobody_sees_or_changes_anything_without_signing_in(app: Flask, seeded: Scene, ada: FlaskClient) -> None:
    client, before = app.test_client(), everything()
    for method, endpoint, address in routes(app, ("GET", *CHANGING)):
        if endpoint not in PUBLIC:
            answer = client.open(address, method=method)
            assert answer.status_code == 303 and answer.headers["Location"].startswith("/sign-in"), (method, address)
    assert everything() == before


def test_only_what_has_to_be_is_public() -> None:
    assert [endpoint for endpoint in sorted(PUBLIC) if not endpoint.startswith(OPEN_TO_ALL)] == []


def test_viewers_change_nothing_but_their_own_sign_in() -> None:
    assert [endpoint for endpoint in sorted(HARMLESS) if not endpoint.startswith(("account.", "auth.sign_out"))] == []


def test_every_name_that_is_excepted_exists(app: Flask) -> None:
    assert sorted(PUBLIC | HARMLESS) == sorted(name for name in PUBLIC | HARMLESS if name in app.view_functions)
