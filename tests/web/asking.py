"""How browsers ask, with and without HTMX."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

PASSWORD = "a long enough password"


def enter(app: Flask, email: str) -> FlaskClient:
    """A browser with this admin signed in."""
    client = app.test_client()
    answer = client.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


def by_htmx(target: str) -> dict[str, str]:
    """The headers of a request whose answer goes into the element `target`."""
    return {"HX-Request": "true", "HX-Target": target}
