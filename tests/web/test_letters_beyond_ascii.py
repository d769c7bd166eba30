"""Which names and addresses are the same is decided alike on either database, also where they begin with Ä or É."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import PlexAccount, Server, User
from panel.services import plex_accounts
from tests.databases import ON_BOTH
from tests.scene import Scene

pytestmark = ON_BOTH


@pytest.mark.parametrize("typed", ["Ärger", "ärger", "ÄRGER "])
def test_no_two_servers_have_one_name(ada: FlaskClient, scene: Scene, typed: str) -> None:
    side = scene.add_server("jellyfin", "Ärger")
    fields = {"name": typed, "url": "http://127.0.0.1:9", "token": "key", "save_anyway": "y"}
    answer = ada.post("/servers/new?platform=emby", data=fields)
    assert answer.status_code == 422 and f"There is a server named {typed.strip()} already." in answer.text
    assert db.session.scalars(db.select(Server)).all() == [side.row]


def test_a_server_keeps_its_own_name(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("jellyfin", "Ärger")
    assert ada.post(f"/servers/{side.row.id}/edit", data={"name": "ärger", "url": side.row.url}).status_code == 303
    db.session.expire_all()
    assert side.row.name == "ärger" and Server.by_name("ÄRGER") is side.row


@pytest.mark.parametrize("typed", ["Élan@example.test", "élan@EXAMPLE.test"])
def test_no_two_users_have_one_address(ada: FlaskClient, typed: str) -> None:
    db.session.add(User(name="Zoë", plex_email="Élan@example.test"))
    db.session.commit()
    answer = ada.post("/users/new", data={"name": "Other", "email": typed})
    assert answer.status_code == 422 and f"Zoë has the address {typed} already." in answer.text


def test_an_account_from_a_file_is_known_by_its_address(scene: Scene) -> None:
    account = PlexAccount(email="Élan@example.test", token="old")
    db.session.add(account)
    db.session.commit()
    found = plex_accounts.Found("4711", "elan", "élan@example.test", False)
    assert plex_accounts.add("new", found) == (account, False)
