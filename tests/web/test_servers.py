"""The Servers panel and the action menu of each server."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flask.testing import FlaskClient

from panel.extensions import db
from tests.scene import Scene
from tests.web.asking import by_htmx


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    text = ada.get("/servers").text
    assert "No servers yet" in text
    assert 'href="/servers/new"' in text and ">Add a server…</a>" in text
    assert "flask import FILE" in text and "flask sync" in text


def test_shows_each_server_with_its_numbers(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Invited", accepted=False)
    pair.source.row.max_users = 50
    db.session.commit()
    text = " ".join(ada.get("/servers").text.split())
    assert "Cedar" in text and "Birch" in text
    assert "3 of 50" in text
    assert "1 invited, not accepted yet" in text
    assert "4 in groups" in text
    assert "Online" in text


def test_counts_invites_that_wait_when_it_says_how_many_more_fit(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Invited", accepted=False)
    pair.source.row.max_users = 5
    db.session.commit()
    assert "room for 1 more" in ada.get("/servers").text
    pair.source.row.max_users = 4
    db.session.commit()
    text = ada.get("/servers").text
    assert ">full<" in text and "room for" not in text


def test_says_since_when_something_is_wrong_with_a_server(ada: FlaskClient, pair: Scene) -> None:
    pair.source.row.problem = "Cedar does not answer."
    pair.source.row.problem_since = datetime(2020, 5, 4, 15, 6, 7, tzinfo=UTC)
    db.session.commit()
    since = 'since <time datetime="2020-05-04T15:06:07Z" title="4 May 2020, 15:06:07 UTC">4 May 2020, 15:06</time>'
    assert since in ada.get("/servers").text
    pair.source.row.problem = "Cedar refuses the key."
    db.session.commit()
    assert since in ada.get("/servers").text
    pair.source.row.problem = ""
    db.session.commit()
    assert "since <time" not in ada.get("/servers").text


def test_shows_what_is_wrong_with_a_server(ada: FlaskClient, pair: Scene) -> None:
    pair.source.row.problem = "Cedar does <not> answer."
    pair.target.row.enabled = False
    db.session.commit()
    text = ada.get("/servers").text
    assert "Cedar does &lt;not&gt; answer." in text
    assert "Disabled" in text


def test_says_when_a_server_was_checked_last(ada: FlaskClient, pair: Scene) -> None:
    pair.source.row.problem = "Cedar does not answer."
    pair.source.row.checked_at = pair.target.row.checked_at = datetime.now(UTC).replace(hour=0, minute=7)
    pair.target.row.synced_at = datetime.now(UTC).replace(hour=0, minute=3)
    db.session.commit()
    state = {side: re.sub(r"<[^>]+>|\s+", " ", text) for side, text in zip("sb", states(ada.get("/servers").text), strict=True)}
    assert re.search(r"Online +checked +today, 00:07 +· +synced +today, 00:03", state["s"])
    assert re.search(r"Problem +checked +today, 00:07", state["b"])


def states(text: str) -> list[str]:
    """The states of all servers, by name."""
    return re.findall(r'<div class="state">(.*?)</td>', text, re.S)


def test_links_the_run_that_holds_a_server(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    assert f'href="/migrations/{run.id}">Migration queued' in ada.get("/servers").text


def test_escapes_what_servers_are_called(ada: FlaskClient, pair: Scene) -> None:
    pair.source.row.name = "<img src=x onerror=alert(1)>"
    db.session.commit()
    for address in ("/servers", "/servers/1/actions", "/migrations/new?source=1", "/migrations/new?source=2"):
        text = ada.get(address).text
        assert "<img src=x" not in text and "&lt;img src=x" in text, address


# M1
def test_offers_to_migrate_users_in_every_action_menu(ada: FlaskClient, pair: Scene) -> None:
    for side in pair.sides:
        text = ada.get(f"/servers/{side.row.id}/actions").text
        assert "<!doctype html>" in text
        assert "Migrate users…" in text and f'href="/migrations/new?source={side.row.id}"' in text


def test_puts_the_action_menu_into_the_dialog(ada: FlaskClient, pair: Scene) -> None:
    text = ada.get("/servers/1/actions", headers=by_htmx("dialog")).text
    assert "<!doctype html>" not in text
    assert 'id="dialog-title"' in text and "Migrate users…" in text


def test_gives_the_list_alone_to_htmx(ada: FlaskClient, pair: Scene) -> None:
    text = ada.get("/servers", headers=by_htmx("servers")).text
    assert text.lstrip().startswith('<div id="servers">')


def test_checks_a_server_now(ada: FlaskClient, pair: Scene) -> None:
    for headers in ({}, by_htmx("dialog")):
        text = " ".join(ada.post("/servers/1/look", headers=headers).text.split())
        assert "It answers at this address: yes" in text and "It takes the key: yes" in text
        assert "The key is an administrator’s: yes" in text and "4 libraries" in text
    pair.source.row.token = "wrong"
    db.session.commit()
    text = " ".join(ada.post("/servers/1/look").text.split())
    assert "It answers at this address: yes" in text and "It takes the key: no" in text
    assert "checked" in ada.get("/servers").text and pair.source.row.checked_at


def test_says_so_when_the_server_does_not_answer(ada: FlaskClient, pair: Scene) -> None:
    pair.source.sim.stop()
    text = ada.post("/servers/1/look").text
    assert "It answers at this address: no" in " ".join(text.split())
    assert "Check its address and that it is running." in text
    assert "Problem" in ada.get("/servers").text


def test_says_that_redis_is_away_while_a_migration_waits(ada: FlaskClient, pair: Scene) -> None:
    assert "Redis does not answer" not in ada.get("/servers").text
    pair.start()
    assert "Redis does not answer" in ada.get("/servers").text
