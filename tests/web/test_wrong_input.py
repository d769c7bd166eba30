"""Wrong input is answered one way on every form: the panel's own sentence beside the field, and the first wrong field in hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel import jobs
from panel.extensions import db
from panel.models import PossibleTwin
from panel.services import admins
from panel.services.claims import links
from tests.scene import Scene
from tests.web.crawling import Crawl
from tests.web.test_roles import routes

#: What a browser would refuse by itself, or send empty: a form has to say what is wrong with it.
NONSENSE = {"number": "x", "date": "x", "datetime-local": "x", "email": "x", "url": "x"}
#: Sentences of the libraries underneath.
FOREIGN = re.compile("Not a valid|This field is required|Invalid |must be between|not a valid choice")


@dataclass
class Form:
    """A form that changes something: where it is sent, and its fields by name with their kinds."""

    page: str
    attributes: dict[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it is sent."""
        return urljoin(self.page, self.attributes.get("action") or "")

    @property
    def name(self) -> str:
        """What tells it from others."""
        return re.sub(r"\d+", "#", f"{urlsplit(self.address).path}: {' '.join(self.fields)}")

    @property
    def nonsense(self) -> dict[str, str]:
        """Wrong input for each field."""
        typed = {name: NONSENSE.get(kind, "") for name, kind in self.fields.items() if kind not in ("checkbox", "radio", "select")}
        return {**self.given, **typed}


class Forms(HTMLParser):
    """The forms of a page into which something can be typed, those that search left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.found: list[Form] = []
        self._form: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Takes up forms and fields."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("role") != "search" and "bulk" not in given.get("class", ""):
            self._form = Form(self.page, given)
        elif self._form and given.get("name") and tag in ("input", "select", "textarea"):
            kind = given.get("type", "text") if tag == "input" else tag
            if kind in ("hidden", "radio"):
                self._form.given.setdefault(given["name"], given.get("value", ""))
            if kind not in ("hidden", "submit"):
                self._form.fields[given["name"]] = kind
                self._select = given["name"] if kind == "select" else self._select
        elif self._form and tag == "option" and self._select:
            self._form.given.setdefault(self._select, given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        """The end of a form."""
        if tag == "select":
            self._select = ""
        if tag == "form" and self._form:
            self.found += [self._form] if self._form.fields else []
            self._form = None


def forms_of(client: FlaskClient, addresses: list[str]) -> Iterator[Form]:
    """The forms of these pages."""
    for address in addresses:
        answer = client.get(address, follow_redirects=True)
        forms = Forms(answer.request.path)
        forms.feed(answer.text if answer.mimetype == "text/html" else "")
        yield from forms.found


@pytest.fixture
def seeded(pair: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Something on every screen; nobody is woken."""
    for wake in ("wake", "wake_sync", "wake_mail"):
        monkeypatch.setattr(jobs, wake, lambda _id: True)
    pair.add_server("plex", "Oak")
    pair.person("Plexa", on=pair.sides[2])
    pair.move()
    db.session.add(PossibleTwin(user_id=1, other_id=2, why="The names are alike."))
    db.session.commit()
    return pair


@pytest.fixture
def forms(app: Flask, seeded: Scene, ada: FlaskClient) -> list[Form]:
    """Every form of every page, each once."""
    crawl = Crawl(["/servers", "/users/bulk?all=1", "/payments/extend?all=1", "/migrations/new?source=1&target=2"])
    for address in crawl:
        crawl.read(address, ada.get(address).text)
    addresses = crawl.seen | {address for _, _, address in routes(app, ("GET",))}
    token = links.make(links.CLAIM, 1)
    db.session.commit()
    public = [*forms_of(app.test_client(), ["/sign-in", f"/claim/{token}"])]
    return list({form.name: form for form in [*forms_of(ada, sorted(addresses)), *public]}.values())


def test_every_form_says_in_the_panels_words_what_is_wrong_and_no_browser_in_its_own(ada: FlaskClient, forms: list[Form]) -> None:
    assert len(forms) >= 20, [form.name for form in forms]
    assert [form.name for form in forms if "novalidate" not in form.attributes] == []
    said = 0
    for form in forms:
        if form.attributes.get("method") == "post" and "sign-in" not in form.address and "claim" not in form.address:
            answer = ada.post(form.address, data=form.nonsense)
            assert answer.status_code < 500, form.name
            assert not FOREIGN.search(answer.text), (form.name, FOREIGN.findall(answer.text))
            if answer.status_code == 422 and "invalid-feedback" in answer.text:
                said += 1
                first = re.search(r"<(?:input|select|textarea)(?=[^>]*is-invalid)[^>]*>", answer.text)
                assert first and "autofocus" in first[0], (form.name, first)
                assert "autofocus" not in answer.text[: first.start()], form.name
    assert said >= 12


@pytest.mark.parametrize("address", ["/sign-in", "/claim/token"])
def test_people_who_are_not_signed_in_are_told_the_same_way(app: Flask, seeded: Scene, address: str) -> None:
    admins.create("eve@example.test", "a long enough password")
    token = links.make(links.CLAIM, 1)
    db.session.commit()
    answer = app.test_client().post(address.replace("token", token), data={})
    assert answer.status_code == 422
    assert re.search(r"<input(?=[^>]*autofocus)[^>]*is-invalid", answer.text)


def test_a_target_has_to_be_chosen_before_it_is_checked(ada: FlaskClient, pair: Scene) -> None:
    assert "Choose a target server." not in ada.get("/migrations/new?source=1").text
    assert "Choose a target server." in ada.get("/migrations/new?source=1&check=1").text
