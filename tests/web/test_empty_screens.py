"""What screens say that have nothing to show: one shape, and the one action that fills them."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Plan
from tests.scene import Scene

EMPTY = re.compile(r'<div class="empty text-center">\s*<h2 class="h5">[^<]+</h2>(.*?)</div>', re.S)


@pytest.mark.parametrize(
    ("address", "action"),
    [
        ("/servers", "Add a server…"),
        ("/plex-accounts", "Add a Plex account…"),
        ("/users", "To the servers"),
        ("/payments", "To the users"),
        ("/plans", "New plan…"),
        ("/libraries", "To the servers"),
        ("/comparison", "To the servers"),
        ("/same-person", "To the servers"),
        ("/shares", "To the servers"),
        ("/invites", "To the migrations"),
        ("/migrations", "New migration…"),
    ],
)
def test_offers_one_action_of_one_look(ada: FlaskClient, address: str, action: str) -> None:
    db.session.execute(db.delete(Plan))
    db.session.commit()
    text = ada.get(address).text
    (empty,) = EMPTY.findall(text)
    assert re.findall(r'class="btn ([^"]+)"[^>]*>([^<]+)</a>', empty) == [("btn-primary", action)]
    assert text.count(f">{action}</a>") == 1


TALLY = re.compile(r'<p class="tally">\s*<span>([^<]+)</span>\s*(?:<a href="([^"]+)"[^>]*>Show all</a>)?\s*</p>')


@pytest.mark.parametrize(
    ("address", "count", "narrowed", "found"),
    [
        ("/libraries", "8 libraries", "/libraries?q=Films&group=none", "2 libraries found"),
        ("/invites?from=runs", "1 invite", "/invites?from=runs&server=2", "1 invite found"),
        ("/invites?from=sync", "1 invite", "/invites?from=sync&q=guest", "1 invite found"),
        ("/settings/changes", "1 change", "/settings/changes?q=Cedar", "1 change found"),
    ],
)
def test_says_how_many_a_list_has(ada: FlaskClient, scene: Scene, address: str, count: str, narrowed: str, found: str) -> None:
    scene.add_server("jellyfin", "Birch")
    scene.add_server("plex", "Oak")
    scene.person("Waiting")
    scene.move()
    for library in scene.source.row.libraries:
        library.group = None
    scene.person("Guest", on=scene.target, accepted=False)
    db.session.add(AuditEntry(by="ada@example.test", action="server.edited", subject="Cedar"))
    db.session.commit()
    assert TALLY.findall(ada.get(address).text) == [(count, "")]
    ((said, back),) = TALLY.findall(ada.get(narrowed).text)
    assert said == found
    assert TALLY.findall(ada.get(back.replace("&amp;", "&")).text) == [(count, "")]
