"""Whatever an admin asks of a server or a Plex account waits while that has asked to slow down, and says so where it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Migration, Pacemaker, Server
from panel.models.types import utc_now
from panel.services import pace, sync
from panel.services import run as running
from panel.simulators.http import Fault
from tests.mission.stage import cli
from tests.scene import Scene, Side

SLOW: dict[str, Any] = {"status": 429, "headers": {"Retry-After": "3000"}, "times": None}

Button = Callable[[FlaskClient, Server], str]


def posts(address: str, **typed: object) -> Button:
    """A form that is sent, with what the server's own says where it says nothing else."""

    def press(ada: FlaskClient, server: Server) -> str:
        own = {"name": server.name, "url": server.url, "enabled": "y", "allow_new_subscriptions": "y", "plex_pass": "auto"}
        fields = {**own, "plex_account": server.plex_account_id or "", "token": server.token or "", **typed}
        where = address.format(server=server.id, account=server.plex_account_id)
        return ada.post(where, data=fields, follow_redirects=True).text

    return press


def judges(name: str) -> Button:
    """A migration that is looked at before it begins."""

    def look(ada: FlaskClient, server: Server) -> str:
        other = db.session.scalars(db.select(Server.id).where(Server.id != server.id)).one()
        pair = (server.id, other) if name == "source" else (other, server.id)
        return ada.get("/migrations/new?source={}&target={}".format(*pair)).text

    return look


def token_is_typed(ada: FlaskClient, server: Server) -> str:
    assert server.plex_account is not None
    return posts("/plex-accounts/{account}/edit", token=server.plex_account.token)(ada, server)


def servers_are_listed(ada: FlaskClient, server: Server) -> str:
    return ada.get(f"/servers/new?platform=plex&account={server.plex_account_id}").text


#: Whatever an admin presses by which a server is asked something.
OF_SERVERS: dict[str, Button] = {
    "preflight from it": judges("source"),
    "preflight to it": judges("target"),
    "test server": posts("/servers/{server}/look"),
    "test of what was typed": posts("/servers/{server}/edit", action="test"),
    "what was typed is saved": posts("/servers/{server}/edit"),
}
OF_ACCOUNTS: dict[str, Button] = {
    "test account": posts("/plex-accounts/{account}/test"),
    "a new token": token_is_typed,
    "the servers of an account": servers_are_listed,
}
BUTTONS = [
    *[pytest.param("plex", press, id=f"plex: {name}") for name, press in {**OF_SERVERS, **OF_ACCOUNTS}.items()],
    *[pytest.param(kind, press, id=f"{kind}: {name}") for kind in ("emby", "jellyfin") for name, press in OF_SERVERS.items()],
]


@pytest.fixture
def kind() -> str:
    """Which platform it is about, where a test does not say."""
    return "plex"


@pytest.fixture
def side(scene: Scene, kind: str) -> Side:
    """A server of that kind, and another one that is not concerned."""
    found = scene.add_server(kind, "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin" if kind == "emby" else "emby", "Other")
    for sim in (scene.tv, found.sim):
        sim.journal.clear()
    return found


def asked(scene: Scene, side: Side) -> list[str]:
    """What was asked of the server, and of plex.tv."""
    return [f"{entry.call.method} {entry.call.path}" for sim in {scene.tv, side.sim} for entry in sim.journal]


def says_when(text: str) -> bool:
    return "asked to slow down" in text and "can be asked again after" in text and "Check its address" not in text


@pytest.mark.parametrize(("kind", "press"), BUTTONS)
def test_nothing_is_asked_while_it_is_to_be_left_alone(ada: FlaskClient, scene: Scene, side: Side, press: Button) -> None:
    pace.cool_down(pace.name_of(side.row), 3000.0)
    db.session.commit()
    before = (side.row.problem, side.row.plex_account and side.row.plex_account.problem)
    assert says_when(press(ada, side.row))
    assert asked(scene, side) == []
    db.session.expire_all()
    assert (side.row.problem, side.row.plex_account and side.row.plex_account.problem) == before, "nothing is wrong with it"


@pytest.mark.parametrize(("kind", "press"), BUTTONS)
def test_it_is_left_alone_by_everybody_once_it_says_so(ada: FlaskClient, scene: Scene, side: Side, press: Button) -> None:
    sim = scene.tv if side.owner else side.sim
    sim.faults.append(Fault(**SLOW))
    assert says_when(press(ada, side.row))
    assert len(sim.journal) == 1, "nothing more is asked"
    until = pace.cooling_until([side.row])
    assert until is not None and until > utc_now() + timedelta(minutes=40)
    assert db.session.get_one(Pacemaker, pace.name_of(side.row), populate_existing=True).refusals == 1
    db.session.expire_all()
    assert side.row.problem == "" and not (side.row.plex_account and side.row.plex_account.problem)


def test_who_counts_on_the_account_is_asked_for_as_gently(ada: FlaskClient, scene: Scene, side: Side) -> None:
    scene.tv.faults.append(Fault("GET", "^/api/users$", **SLOW))
    OF_SERVERS["preflight to it"](ada, side.row)
    assert pace.cooling_until([side.row]) is not None


def test_a_sync_that_asks_whose_token_it_is_heeds_the_answer(scene: Scene, side: Side) -> None:
    assert side.row.plex_account is not None
    side.row.plex_account.plex_id = ""
    db.session.commit()
    scene.tv.faults.append(Fault("GET", "^/(api/v2/user|users/account)", **SLOW))
    result = sync.sync_server(side.row)
    assert not result.problem and result.libraries_found
    assert pace.cooling_until([side.row]) is not None


@pytest.mark.parametrize("kind", ["emby"])
def test_at_another_address_somebody_else_is_asked(ada: FlaskClient, scene: Scene, side: Side) -> None:
    pace.cool_down(pace.name_of(side.row), 3000.0)
    db.session.commit()
    text = posts("/servers/{server}/edit", action="test", url=side.row.url.replace("127.0.0.1", "localhost"))(ada, side.row)
    assert "It takes the key: yes" in text and asked(scene, side)


@pytest.mark.parametrize("kind", ["emby", "plex"])
def test_what_was_typed_can_be_saved_all_the_same(ada: FlaskClient, scene: Scene, side: Side) -> None:
    pace.cool_down(pace.name_of(side.row), 3000.0)
    db.session.commit()
    text = OF_SERVERS["what was typed is saved"](ada, side.row)
    assert 'name="save_anyway"' in text and "Save it without a test" in text and "cannot be reached now" not in text
    posts("/servers/{server}/edit", name="Oldest", save_anyway="y")(ada, side.row)
    db.session.expire_all()
    assert side.row.name == "Oldest"


def test_a_refused_token_changes_nothing_else_of_the_account(ada: FlaskClient, scene: Scene, side: Side) -> None:
    account = side.row.plex_account
    assert account is not None
    scene.tv.faults.append(Fault(**SLOW))
    posts("/plex-accounts/{account}/edit", token=account.token, plex_pass="no", enabled="")(ada, side.row)
    db.session.expire_all()
    assert (account.enabled, account.has_plex_pass, account.pass_overridden) == (True, True, False)


@pytest.mark.parametrize("moment", ["before", "now"])
@pytest.mark.parametrize("throttled", ["source", "target"])
@pytest.mark.parametrize("kind", ["emby", "plex"])
def test_no_migration_is_refused_for_that_alone(app: Flask, scene: Scene, kind: str, throttled: str, moment: str) -> None:
    kinds = (kind, "jellyfin") if throttled == "source" else ("jellyfin", kind)
    for platform, name in zip(kinds, ("Old", "New"), strict=True):
        scene.add_server(platform, name)
        scene.plan("Basic")
    scene.person("ada")
    side: Side = getattr(scene, throttled)
    sim = scene.tv if side.owner else side.sim
    if moment == "now":
        sim.faults.append(Fault(**SLOW))
    else:
        pace.cool_down(pace.name_of(side.row), 3000.0)
        db.session.commit()
    seen = cli(app, "preflight", "Old", "New")
    assert "1 would move" in seen.stdout and "BLOCKED" not in seen.stdout and says_when(seen.stderr)
    assert "nothing is removed there" not in seen.stderr
    assert cli(app, "migrate-users", "Old", "New", "--pace", "0").exit_code == 0
    run = db.session.scalars(db.select(Migration)).one()
    sim.journal.clear()
    left = running.work(run.id)
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=40) and sim.journal == []
    sim.faults.clear()
    run.wake_at = None
    db.session.query(Pacemaker).delete()
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run)["ada"] in ("moved", "invited") and run.source_reached
