"""Adding and editing servers, and what can be done with one from its menu."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from panel import jobs
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import AuditEntry, Library, Migration, Move, PlexAccount, SentRequest, Server, Share, User
from panel.services.run.start import Schedule, start
from panel.simulators.emby import Emby
from panel.simulators.jellyfin import Jellyfin
from tests.scene import Scene
from tests.web.asking import by_htmx

ON = {"enabled": "y", "allow_new_subscriptions": "y"}
#: Nothing listens on the discard port of this machine.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def cedar() -> Iterator[Emby]:
    """A running Emby server the panel does not know."""
    sim = Emby("Cedar", libraries=[("Films", "movies")])
    with sim.running():
        yield sim


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Servers whose sync was asked for."""
    found: list[int] = []
    monkeypatch.setattr(jobs, "wake_sync", lambda server_id: found.append(server_id) or True)
    return found


def add(browser: FlaskClient, platform: str, **fields: str) -> TestResponse:
    """Send the form of a new server."""
    return browser.post(f"/servers/new?platform={platform}", data={"name": "Cedar", **ON, **fields})


def the_server() -> Server:
    """The only one."""
    return db.session.scalars(select(Server)).one()


def test_asks_which_kind_of_server(ada: FlaskClient, scene: Scene) -> None:
    text = ada.get("/servers/new").text
    assert 'href="/plex-accounts/new"' in text and 'href="/servers/new?platform=emby"' in text
    scene.add_server("plex", "Den")
    assert "Plex: a server of <bdi>owner-den@example.test</bdi>" in ada.get("/servers/new").text


def test_adds_a_server_by_url_and_key_and_has_it_synced(ada: FlaskClient, cedar: Emby, woken: list[int]) -> None:
    answer = add(ada, "emby", url=f" {cedar.url}/ ", token=cedar.api_key, has_emby_premiere="y", max_users="50")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers#server-1")
    server = the_server()
    assert (server.url, server.token, server.machine_id) == (cedar.url, cedar.api_key, cedar.server_id)
    assert (server.has_emby_premiere, server.max_users, server.enabled, server.allow_new_subscriptions) == (True, 50, True, True)
    assert woken == [server.id] and server.sync_queued_at
    assert db.session.scalars(select(AuditEntry.action)).all() == ["server.added"]
    assert cedar.api_key not in "".join(db.session.scalars(select(AuditEntry.detail)))


def test_adds_it_all_the_same_when_the_queue_is_away(ada: FlaskClient, cedar: Emby) -> None:
    assert add(ada, "emby", url=cedar.url, token=cedar.api_key).status_code == 303
    assert the_server().sync_queued_at is None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "Type the address"),
        ("cedar", "Type an address such as"),
        ("ftp://cedar", "Type an address such as"),
        ("http://", "Type an address such as"),
        ("http://cedar:99999", "Type an address such as"),
        ("http://me:secret@cedar", "no user name"),
        ("http://cedar/?a=1", "no question mark"),
    ],
)
def test_keeps_what_was_typed_and_says_what_is_wrong_with_the_address(ada: FlaskClient, url: str, sentence: str) -> None:
    answer = add(ada, "emby", url=url, token="never shown again")
    assert answer.status_code == 422 and sentence in answer.text
    assert 'value="Cedar"' in answer.text and "never shown again" not in answer.text


def test_says_that_it_cannot_be_reached_and_saves_it_only_when_told_to(ada: FlaskClient) -> None:
    answer = add(ada, "emby", url=NOWHERE, token="key")
    assert answer.status_code == 422 and "It answers at this address: no" in " ".join(answer.text.split())
    assert not db.session.scalars(select(Server)).all()
    assert add(ada, "emby", url=NOWHERE, token="key", save_anyway="y").status_code == 303
    assert the_server().machine_id == ""


def test_says_that_the_key_is_refused(ada: FlaskClient, cedar: Emby) -> None:
    answer = add(ada, "emby", url=cedar.url, token="wrong", save_anyway="y")
    text = " ".join(answer.text.split())
    assert answer.status_code == 422
    assert "It answers at this address: yes" in text and "It takes the key: no" in text and "administrator’s: not known" in text


def test_says_that_the_key_has_no_rights(ada: FlaskClient, cedar: Emby) -> None:
    emil = cedar.add_user("emil", "secret", libraries=["Films"])
    token = cedar.sign_in(emil, {}).token
    text = " ".join(add(ada, "emby", url=cedar.url, token=token, action="test").text.split())
    assert "It takes the key: yes" in text and "administrator’s: no" in text


def test_says_that_another_product_answers(ada: FlaskClient, cedar: Emby) -> None:
    answer = add(ada, "jellyfin", url=cedar.url, token=cedar.api_key)
    assert answer.status_code == 422 and "It is a Jellyfin server: no" in " ".join(answer.text.split())


def test_tests_the_connection_without_saving(ada: FlaskClient, cedar: Emby) -> None:
    fields = {"name": "Cedar", "url": cedar.url, "token": cedar.api_key, "action": "test", **ON}
    answer = ada.post("/servers/new?platform=emby", data=fields, headers=by_htmx("connection"))
    assert answer.text.lstrip().startswith('<div id="connection"') and "1 library, 0 people" in answer.text
    assert not db.session.scalars(select(Server)).all()


def test_offers_the_servers_own_name_where_none_was_typed(ada: FlaskClient, cedar: Emby) -> None:
    fields = {"name": "", "url": cedar.url, "token": cedar.api_key, "action": "test", **ON}
    part = ada.post("/servers/new?platform=emby", data=fields, headers=by_htmx("connection")).text
    assert 'value="Cedar"' in part and 'hx-swap-oob="true"' in part and "Its own name was taken" in part
    assert 'value="Cedar"' in ada.post("/servers/new?platform=emby", data=fields).text
    named = ada.post("/servers/new?platform=emby", data={**fields, "name": "Mine"}, headers=by_htmx("connection")).text
    assert "Cedar" not in named and "hx-swap-oob" not in named
    saved = ada.post("/servers/new?platform=emby", data={**fields, "action": ""})
    assert saved.status_code == 422 and "Give the server a name." in saved.text


def test_answers_with_the_form_alone_and_keeps_the_key_in_the_browser(ada: FlaskClient) -> None:
    answer = ada.post("/servers/new?platform=emby", data={"name": "Cedar", "token": "secret"}, headers=by_htmx("server-form"))
    assert answer.status_code == 422 and answer.text.lstrip().startswith('<form id="server-form"')
    assert re.search(r'<input(?=[^>]*id="token")[^>]*data-keep="true"', answer.text) and "secret" not in answer.text


def test_says_next_to_the_test_button_what_is_missing(ada: FlaskClient) -> None:
    answer = ada.post("/servers/new?platform=emby", data={"action": "test"}, headers=by_htmx("connection"))
    assert answer.status_code == 422 and "Type the address of the server." in answer.text


def test_does_not_add_the_same_machine_or_the_same_name_twice(ada: FlaskClient, pair: Scene) -> None:
    sim = pair.source.sim
    pair.source.row.machine_id = sim.server_id
    db.session.commit()
    assert "This is Cedar, which is here already." in add(ada, "emby", url=sim.url, token=sim.api_key, name="Other").text
    assert "There is a server named CEDAR already." in add(ada, "emby", url=sim.url, token=sim.api_key, name="CEDAR").text


def test_refuses_what_the_installation_does_not_allow(ada: FlaskClient, app: Flask, pair: Scene) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], platforms=("emby",), max_servers=2)
    text = ada.get("/servers/new").text
    assert "does not allow Jellyfin servers (PANEL_PLATFORMS)" in text and "2 servers at most (PANEL_MAX_SERVERS)" in text
    answer = add(ada, "emby", url=pair.source.sim.url, token="key", name="Third")
    assert answer.status_code == 422 and "PANEL_MAX_SERVERS" in answer.text


def test_picks_a_plex_server_from_the_accounts_own_list(ada: FlaskClient, scene: Scene, woken: list[int]) -> None:
    side = scene.add_server("plex", "Den")
    loft = scene.tv.add_server(side.owner, "Loft", [("Films", "movie")])
    with loft.running():
        side.row.machine_id = side.sim.machine_id
        db.session.commit()
        text = ada.get("/servers/new?platform=plex&account=1").text
        assert "Here already as <bdi>Den</bdi>" in text and "<bdi>Loft</bdi>" in text
        form = ada.get(f"/servers/new?platform=plex&account=1&machine={loft.machine_id}").text
        assert f'value="{loft.url}"' in form and 'value="Loft"' in form and "answers" in form
        fields = {"name": "Loft", "url": loft.url, "plex_account": "1", "machine": loft.machine_id, **ON}
        assert ada.post("/servers/new?platform=plex", data=fields).status_code == 303
    row = Server.by_name("Loft")
    assert row and (row.machine_id, row.plex_account_id, row.platform) == (loft.machine_id, 1, Platform.PLEX)


def test_leaves_the_address_open_when_none_that_is_known_answers(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    loft = scene.tv.add_server(side.owner, "Loft", [("Films", "movie")])
    with loft.running():
        address = f"/servers/new?platform=plex&account=1&machine={loft.machine_id}"
        assert "the first that answers was chosen" in ada.get(address).text
    text = ada.get(address).text
    assert "None of the addresses plex.tv knows has answered." in text and "was chosen" not in text
    assert loft.url in text and f'value="{loft.url}"' not in text


def test_does_not_take_another_plex_server_for_the_one_that_was_picked(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    fields = {"name": "Loft", "url": side.sim.url, "plex_account": "1", "machine": "another", **ON}
    answer = ada.post("/servers/new?platform=plex", data=fields)
    assert answer.status_code == 422 and "It is the server that was chosen: no" in " ".join(answer.text.split())


def test_says_when_the_account_does_not_own_the_plex_server(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("plex", "Den")
    barn = scene.tv.add_server(scene.tv.add_account("bert", "bert@example.test"), "Barn", [("Films", "movie")])
    with barn.running():
        fields = {"name": "Barn", "url": barn.url, "plex_account": "1", **ON}
        answer = ada.post("/servers/new?platform=plex", data=fields)
    assert answer.status_code == 422 and "The account owns the server: no" in " ".join(answer.text.split())


def test_says_so_when_plex_tv_refuses_the_account(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    scene.tv.revoke_token(side.owner)
    assert "refused" in ada.get("/servers/new?platform=plex&account=1").text


def test_edits_without_asking_for_the_key_again(ada: FlaskClient, pair: Scene) -> None:
    server = pair.source.row
    text = ada.get(f"/servers/{server.id}/edit").text
    assert 'value="Cedar"' in text and pair.source.sim.api_key not in text
    answer = ada.post(f"/servers/{server.id}/edit", data={"name": "Ash", "url": server.url, "max_users": "", "enabled": "y"})
    assert answer.status_code == 303
    row = db.session.get_one(Server, server.id)
    assert (row.name, row.token, row.allow_new_subscriptions, row.max_users) == ("Ash", pair.source.sim.api_key, False, None)
    detail = db.session.scalars(select(AuditEntry.detail)).one()
    assert "name: Cedar → Ash" in detail and "allow_new_subscriptions: yes → no" in detail


def test_refuses_the_address_of_another_machine(ada: FlaskClient, pair: Scene) -> None:
    pair.source.row.machine_id = pair.source.sim.server_id
    db.session.commit()
    twin = Emby("Twin", libraries=[("Films", "movies")])
    with twin.running():
        fields = {"name": "Cedar", "url": twin.url, "token": twin.api_key, "save_anyway": "y", **ON}
        answer = ada.post("/servers/1/edit", data=fields)
    assert answer.status_code == 422 and "It is the server the panel knows: no" in " ".join(answer.text.split())
    assert db.session.get_one(Server, 1).url == pair.source.sim.url


def test_switches_a_server_off_and_on(ada: FlaskClient, pair: Scene) -> None:
    assert "Cedar is disabled now." in ada.post("/servers/1/switch", data={"enabled": "no"}, follow_redirects=True).text
    assert ">Enable</span>" in ada.get("/servers/1/actions").text
    ada.post("/servers/1/switch", data={"enabled": "yes"})
    assert db.session.get_one(Server, 1).enabled
    assert db.session.scalars(select(AuditEntry.action)).all() == ["server.disabled", "server.enabled"]


def test_removes_a_server_and_what_belongs_to_it_alone(ada: FlaskClient, pair: Scene) -> None:
    pair.place(db.session.scalars(select(User)).first(), pair.target, ("Films",))  # type: ignore[arg-type]
    db.session.commit()
    text = " ".join(ada.get("/servers/1/remove", headers=by_htmx("dialog")).text.split())
    assert "its 4 libraries" in text and "3 remembered shares" in text and "<!doctype html>" not in text
    assert "Cedar was removed from the panel." in ada.post("/servers/1/remove", follow_redirects=True).text
    assert db.session.scalars(select(Server.name)).all() == ["Birch"]
    assert set(db.session.scalars(select(Library.server_id))) == set(db.session.scalars(select(Share.server_id))) == {2}
    assert len(db.session.scalars(select(User)).all()) == 3
    assert "server.removed" in db.session.scalars(select(AuditEntry.action)).all()


def test_is_not_removed_while_a_run_uses_it_and_takes_its_past_ones_along(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    for address in ("/servers/1/actions", "/servers/1/remove"):
        assert "A migration is using Cedar." in ada.get(address).text
    ada.post("/servers/1/remove")
    pair.finish(run)
    text = " ".join(ada.get("/servers/1/remove").text.split())
    assert "1 past migration and its records go with it: 3 users in its list" in text
    assert "Cedar was removed from the panel." in ada.post("/servers/1/remove", follow_redirects=True).text
    for gone in (Migration, Move, SentRequest):
        assert not db.session.scalars(select(gone)).all()
    assert db.session.scalars(select(Server.name)).all() == ["Birch"]
    assert len(db.session.scalars(select(User)).all()) == 3
    assert "1 past migration" in db.session.scalars(select(AuditEntry.detail).order_by(AuditEntry.id.desc())).first()  # type: ignore[operator]


def test_is_not_removed_while_an_invite_waits(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("jellyfin", "Birch")
    scene.plan("Basic")
    scene.add_server("plex", "Den")
    scene.person("Alice")
    run = scene.move()
    assert scene.outcome(run) == {"Alice": "invited"}
    for number in (1, 2):
        assert "1 invite of a migration waits" in ada.get(f"/servers/{number}/remove").text
        ada.post(f"/servers/{number}/remove")
    assert len(db.session.scalars(select(Server)).all()) == 2


def test_names_what_is_to_begin_later_where_a_server_is_removed_or_disabled(ada: FlaskClient, pair: Scene) -> None:
    run = start(pair.preflight(), Schedule(start_at=datetime(2099, 5, 1, 10, 0, tzinfo=UTC)))
    db.session.commit()
    named = f"migration {run.id} (Cedar → Birch, 1 May 2099, "
    assert named in ada.get("/servers/1/remove").text
    ada.post("/servers/1/remove")
    assert db.session.get(Server, 1) is not None
    assert named in ada.get("/servers/2/actions").text
    assert named in ada.post("/servers/2/switch", data={"enabled": "no"}, follow_redirects=True).text
    assert named not in ada.post("/servers/2/switch", data={"enabled": "yes"}, follow_redirects=True).text


def test_shows_viewers_the_form_without_a_way_to_send_it(vic: FlaskClient, pair: Scene) -> None:
    for address in ("/servers/new?platform=emby", "/servers/1/edit"):
        assert 'disabled title="Only administrators can do this."' in vic.get(address).text, address
    assert re.search(r"disabled>Remove it<", vic.get("/servers/1/remove").text)
    assert vic.get("/servers/1/actions").text.count("disabled") >= 4


def test_gives_a_server_whose_plex_account_was_removed_another_one(ada: FlaskClient, scene: Scene) -> None:
    side = scene.add_server("plex", "Den")
    side.row.plex_account = None
    db.session.commit()
    account = db.session.scalars(select(PlexAccount)).one()
    fields = {"name": "Den", "url": side.sim.url, "plex_account": str(account.id), **ON}
    assert ada.post(f"/servers/{side.row.id}/edit", data=fields).status_code == 303
    assert db.session.get_one(Server, side.row.id).plex_account_id == account.id


def test_knows_jellyfin_too(ada: FlaskClient, woken: list[int]) -> None:
    birch = Jellyfin("Birch", libraries=[("Films", "movies")])
    with birch.running():
        assert add(ada, "jellyfin", url=birch.url, token=birch.api_key, name="Birch").status_code == 303
    assert (the_server().platform, woken) == (Platform.JELLYFIN, [1])


def test_says_all_that_is_wrong_at_once_and_one_thing_for_each_field(ada: FlaskClient) -> None:
    data = {"name": "x" * 300, "url": "nonsense", "token": "", "max_users": "many", **ON}
    answer = ada.post("/servers/new?platform=emby", data=data)
    assert answer.status_code == 422 and answer.text.count("invalid-feedback") == 4
    assert "It may have 255 characters at most, and has 300." in answer.text and "Type an address such as" in answer.text
    assert "Type a whole number of users" in answer.text and "Not a valid" not in answer.text and "Type an API key" in answer.text


@pytest.mark.parametrize("number", ["9" * 309, "9" * 5000, "-1"])
def test_refuses_numbers_no_float_can_hold_beside_their_field(ada: FlaskClient, number: str) -> None:
    answer = ada.post("/servers/new?platform=emby", data={"name": "Elm", "url": "http://elm.test", "token": "k", "max_users": number})
    assert answer.status_code == 422 and answer.text.count("Type a whole number of users, or leave it empty.") == 1


def test_marks_the_field_that_keeps_a_test_from_being_made(ada: FlaskClient) -> None:
    answer = ada.post("/servers/new?platform=emby", data={"action": "test", "token": "k"}, headers=by_htmx("connection"))
    assert answer.status_code == 422 and answer.headers["HX-Retarget"] == "#server-form"
    assert re.search(r'<input[^>]*is-invalid[^>]*id="?url|<input[^>]*id="url"[^>]*is-invalid', answer.text)


def test_leads_to_a_plex_account_where_there_is_none(ada: FlaskClient) -> None:
    assert "There is no Plex account yet" in ada.get("/servers/new?platform=plex").text
    answer = ada.post("/servers/new?platform=plex", data={"name": "Elm", "url": "http://elm.test"})
    assert answer.status_code == 422 and "Not a valid" not in answer.text
    assert "Choose the Plex account that owns this server." in answer.text and 'href="/plex-accounts/new"' in answer.text
