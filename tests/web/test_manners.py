"""What all screens have in common: one menu for each row, and forms that open in the dialog and are pages too."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel import jobs
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, User
from tests.scene import Scene
from tests.web.asking import by_htmx

DIALOG = by_htmx("dialog")
OPENS = 'hx-get="{0}" hx-target="#dialog"'


@pytest.fixture
def stage(pair: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Something on every screen; nobody is woken."""
    monkeypatch.setattr(jobs, "wake", lambda run_id: True)
    pair.add_server("plex", "Oak")
    pair.person("Plexa", on=pair.sides[2])
    pair.person("Waiting", on=pair.sides[2], accepted=False)
    pair.move()
    return pair


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


LISTS = {
    "/servers": "/servers/new",
    "/plex-accounts": "/plex-accounts/new",
    "/users": "/users/new",
    "/payments": "/payments/new",
    "/plans": "/plans/new",
    "/libraries/groups": "/libraries/groups/new",
    "/settings/admins": "/settings/admins/new",
}


@pytest.mark.parametrize("address", LISTS)
def test_adds_in_the_dialog_and_on_a_page(ada: FlaskClient, stage: Scene, address: str) -> None:
    text = ada.get(address).text
    new = LISTS[address]
    found = re.search(rf'<a class="btn btn-primary" href="({new}[^"]*)" hx-get="\1" hx-target="#dialog">([^<]+)…</a>', text)
    assert found, text
    assert "<!doctype html>" in ada.get(new).text
    assert ada.get(new, headers=DIALOG).text.startswith('<div class="dialog-head')


@pytest.mark.parametrize("address", [*LISTS, "/migrations/1", "/shares", "/invites?from=sync"])
def test_gives_each_row_the_same_menu_and_nothing_beside_it(ada: FlaskClient, stage: Scene, address: str) -> None:
    text = ada.get(address).text
    rows = re.findall(r'<tr id="[^"]*">.*?</tr>', text, re.S)
    assert rows
    for row in rows:
        menu = re.search(r'<td class="text-end w-act">\s*<a ([^>]*)>Actions</a>\s*</td>', row)
        assert menu and "data-menu" in menu[1] and "<form" not in row, row
        actions = re.search(r'href="([^"]*)"', menu[1])
        assert actions
        part = ada.get(actions[1].replace("&amp;", "&"), headers=DIALOG).text
        assert re.search(r'<ul id="[a-z-]+-actions"', part) and 'class="action"' in part


@pytest.mark.parametrize("address", ["/servers/1", "/plex-accounts/1", "/users/1", "/payments/1", "/plans/1"])
def test_edits_in_the_dialog_and_on_a_page(ada: FlaskClient, stage: Scene, address: str) -> None:
    edit = f"{address}/edit"
    assert OPENS.format(edit) in ada.get(f"{address}/actions", headers=DIALOG).text
    assert ">Edit…<" in ada.get(f"{address}/actions").text
    inside, page = ada.get(edit, headers=DIALOG).text, ada.get(edit).text
    assert inside.startswith('<div class="dialog-head') and "hx-post" in inside and "data-leave" in inside
    assert "<!doctype html>" in page and 'method="post"' in page


def test_shows_what_is_wrong_within_the_dialog(ada: FlaskClient, stage: Scene) -> None:
    answer = ada.post("/plex-accounts/1/edit", data={"plex_pass": "auto", "enabled": "y", "token": "wrong"}, headers=DIALOG)
    assert answer.status_code == 422 and answer.text.startswith('<div class="dialog-head')
    assert "is-invalid" in answer.text and "refused the token" in answer.text and "wrong" not in answer.text


def test_offers_for_a_user_of_a_run_what_can_be_done_now_and_says_why_the_rest_cannot(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    address = f"/migrations/{run.id}/moves/{run.moves[0].id}/actions"
    said = words(ada.get(address).text)
    assert "Retry Alice has not failed; only somebody who has can be tried again." in said
    assert "Take back… The migration has not ended yet." in said
    assert "Password link The migration has made no account for them" in said
    pair.finish(run)
    text = ada.get(address).text
    assert f'action="/migrations/{run.id}/moves/{run.moves[0].id}/claim"' in text and f"/undo?move={run.moves[0].id}" in text
    lapsed = ada.get(f"/migrations/{run.id}/moves/{run.moves[2].id}/actions").text
    assert "Nothing was changed for them." in lapsed
    assert ada.get(f"/migrations/99/moves/{run.moves[0].id}/actions").status_code == 404


def test_keeps_the_place_in_the_list_when_a_user_is_retried(ada: FlaskClient, stage: Scene) -> None:
    run = db.session.get_one(Migration, 1)
    alice = run.moves[0]
    alice.status, alice.step = MoveStatus.FAILED, Step.GIVE
    db.session.commit()
    row = ada.get("/migrations/1?status=failed").text
    found = re.search(r'href="(/migrations/1/moves/\d+/actions\?status=failed)"', row)
    assert found
    retry = re.search(r'action="([^"]+/retry[^"]*)"', ada.get(found[1]).text)
    assert retry and retry[1].endswith("/retry?status=failed")
    answer = ada.post(retry[1])
    assert answer.headers["Location"] == "/migrations/1?status=failed&page=1"
    assert db.session.get_one(Move, alice.id).status is MoveStatus.PENDING


def test_lets_viewers_see_what_they_cannot_do_with_a_user_of_a_run(vic: FlaskClient, stage: Scene) -> None:
    text = vic.get("/migrations/1/moves/1/actions").text
    assert text.count("Only administrators can do this.") == 3


def test_says_little_about_each_row_of_a_run(ada: FlaskClient, stage: Scene) -> None:
    text = ada.get("/migrations/1").text
    row = re.search(r'<tr id="move-1">.*?</tr>', text, re.S)
    assert row and len(row[0]) < 1000
    assert re.search(r"status=all|page=1", row[0]) is None


def test_answers_a_look_at_a_run_in_which_nothing_has_changed_with_nothing(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    found = re.search(r'hx-get="([^"]+/progress[^"]+)"', ada.get(f"/migrations/{run.id}").text)
    assert found
    answer = ada.get(found[1].replace("&amp;", "&"), headers=by_htmx("migration-progress"))
    assert (answer.status_code, answer.data) == (204, b"")


def test_leads_from_a_failed_test_to_the_form_in_the_dialog(ada: FlaskClient, stage: Scene) -> None:
    stage.source.sim.stop()
    text = ada.post("/servers/1/look", headers=DIALOG).text
    assert OPENS.format("/servers/1/edit") in text


def test_lists_who_comes_in_while_the_page_is_watched(ada: FlaskClient, pair: Scene) -> None:
    run = pair.start()
    found = re.search(r'hx-get="([^"]+/progress[^"]+)"', ada.get(f"/migrations/{run.id}").text)
    assert found
    late = Move(migration_id=run.id, user_id=run.moves[0].user_id, name="Late", position=99, status=MoveStatus.PENDING, step=Step.GIVE)
    pair.person("Late")
    late.user_id = db.session.scalars(db.select(User.id).where(User.name == "Late")).one()
    db.session.add(late)
    db.session.commit()
    text = ada.get(found[1].replace("&amp;", "&"), headers=by_htmx("migration-progress")).text
    assert re.search(r'<div id="moves"\s+hx-swap-oob="true"', text) and f'<tr id="move-{late.id}">' in text
