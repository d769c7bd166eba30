"""How browsers ask, with and without HTMX."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from panel.extensions import db

PASSWORD = "a long enough password"


class Browser(FlaskClient):
    """Each request has an application context of its own, as in the web process; afterwards the test reads the database anew."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        db.session.rollback()
        with self.application.app_context():
            answer = super().open(*args, **kwargs)
        db.session.rollback()
        db.session.expire_all()
        return answer


def enter(app: Flask, email: str) -> FlaskClient:
    """A browser with this admin signed in."""
    client = app.test_client()
    answer = client.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


def by_htmx(target: str) -> dict[str, str]:
    """The headers of a request whose answer goes into the element `target`."""
    return {"HX-Request": "true", "HX-Target": target}
