"""Somebody with a browser, as far as requests go: signed in, with the form tokens of the pages they read."""

from __future__ import annotations

import contextvars
import html
import re
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from panel.extensions import db
from panel.services import admins

EMAIL, PASSWORD = "olga@example.test", "correct horse battery"


class Visitor:
    """A signed-in administrator. Each request has an application context and a database session of its own."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        if not admins.exist():
            admins.create(EMAIL, PASSWORD)
        db.session.commit()
        page = self.get("/sign-in")
        answer = self._ask("post", "/sign-in", data={"csrf_token": token_in(page.text), "email": EMAIL, "password": PASSWORD})
        assert answer.status_code == 303, answer.text

    def get(self, address: str, *, into: str = "") -> TestResponse:
        """A page; with `into` what HTMX asks for to put it into the element with this id."""
        return self._ask("get", address, headers=htmx_headers(into))

    def post(self, address: str, fields: dict[str, Any], page: TestResponse, *, into: str = "") -> TestResponse:
        """A form of a page that was read before, sent as a browser would, or with `into` as HTMX would."""
        return self._ask("post", address, data={"csrf_token": token_in(page.text), **fields}, headers=htmx_headers(into))

    def send(self, address: str, fields: dict[str, Any]) -> TestResponse:
        """A request as another site would have the browser send it: without the token of a form."""
        return self._ask("post", address, data=fields)

    def _ask(self, method: str, address: str, **how: Any) -> TestResponse:
        db.session.commit()
        answer: TestResponse = contextvars.Context().run(getattr(self.client, method), address, **how)
        db.session.expire_all()
        return answer


def htmx_headers(into: str) -> dict[str, str]:
    """What HTMX adds to a request."""
    return {"HX-Request": "true", "HX-Target": into} if into else {}


def token_in(page: str) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found is not None, "the page has a form"
    return found[1]


def words(answer: TestResponse) -> str:
    """What a person reads on the page: no markup, single spaces."""
    text = re.sub(r"(?s)<(script|style|template)\b.*?</\1>", " ", answer.text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def element(answer: TestResponse, element_id: str) -> str:
    """The opening tag of an element, without character references; empty when there is none."""
    found = re.search(rf'<[a-z]+\b[^>]*\bid="{re.escape(element_id)}"[^>]*>', answer.text)
    return html.unescape(found[0]) if found else ""
