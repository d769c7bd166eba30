"""Every page of the panel tells the browser to run nothing but our own files, and has nothing inline that would be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Email, OneTimeLink, PossibleTwin
from panel.services.claims import links
from panel.web.headers import FRAMED
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.test_roles import routes

#: A page's header that lets a script or a style in from anywhere but our own files.
LOOSE = re.compile(r"unsafe|\*|http:|(script|default|style)-src[^;]*data:|nonce-|sha256-")
#: Elements and attributes by which a document does something by itself.
ACTIVE_ADDRESS = re.compile(r"^\s*(javascript|vbscript|data):", re.IGNORECASE)


class Inline(HTMLParser):
    """Collects what a strict policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        given = dict(attrs)
        if (tag == "script" and not (given.get("src") or "").startswith("/static/")) or tag in ("style", "base", "object", "embed"):
            self.found.append(f"<{tag} {given}>")
        for name, value in attrs:
            inline = name.startswith(("on", "hx-on")) or name == "style" or (name == "hx-vals" and "js:" in (value or ""))
            active = name in ("href", "src", "action", "formaction") and ACTIVE_ADDRESS.match(value or "") and tag != "img"
            if inline or active:
                self.found.append(f"<{tag} {name}={value!r}>")


def inline_in(text: str) -> list[str]:
    """What a strict policy would refuse of this document."""
    reader = Inline()
    reader.feed(text)
    return reader.found


@pytest.fixture
def addresses(app: Flask, pair: Scene, ada: FlaskClient) -> Iterator[list[str]]:
    """Every page there is, with rows behind it."""
    pair.add_server("plex", "Oak")
    run = pair.move()
    db.session.add(PossibleTwin(user_id=1, other_id=2, why="The names are alike."))
    db.session.add(Email(event="system_message", recipient="ada@example.test", subject="Hello", text="Text", html="<p>Text</p>"))
    db.session.add(AuditEntry(by="ada@example.test", action="server.edited", subject="Cedar"))
    token = links.make(links.CLAIM, run.moves[0].id)
    db.session.commit()
    assert db.session.scalars(db.select(OneTimeLink)).one()
    found = [address for _, endpoint, address in routes(app, ("GET",)) if endpoint not in FRAMED]
    yield [*found, f"/claim/{token}", "/setup/none", "/nothing-here", "/servers/999", "/settings/notifications/system_message"]


def test_no_page_has_anything_inline_and_all_forbid_it(app: Flask, addresses: list[str], ada: FlaskClient) -> None:
    stranger = app.test_client()
    shown = 0
    for client in (ada, stranger):
        for address in addresses:
            for headers in ({}, by_htmx("dialog")) if client is ada else ({},):
                answer = client.get(address, headers=headers)
                policy = answer.headers["Content-Security-Policy"]
                assert not LOOSE.search(policy.replace("img-src 'self' data:", "")), (address, policy)
                assert "script-src 'self'" in policy and "object-src 'none'" in policy and "base-uri 'none'" in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                if answer.mimetype == "text/html":
                    assert inline_in(answer.text) == [], address
                    shown += answer.status_code == 200
    assert shown > 60


@pytest.mark.parametrize(
    "markup",
    [
        "<script>1</script>",
        "<script src=//evil.test/x.js>",
        '<p style="color:red">',
        "<style>p{}</style>",
        '<a href="javascript:alert(1)">',
        "<img src=x onerror=alert(1)>",
        '<b hx-on:click="alert(1)">',
        '<form action=" JavaScript:1">',
        "<base href=//evil.test>",
    ],
)
def test_would_notice_it(markup: str) -> None:
    assert inline_in(markup)


def test_shows_an_admins_own_html_without_any_rights(ada: FlaskClient) -> None:
    policy = ada.get("/settings/notifications/system_message/html").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'") and "allow-" not in policy and "script-src" not in policy
