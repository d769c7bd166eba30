"""The question before a run is taken back, as page and in the dialog, also where it cannot be done."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel import jobs
from panel.domain.statuses import RunKind
from panel.extensions import db
from panel.models import AuditEntry, Migration
from panel.services.run import undo
from tests.scene import Scene
from tests.web.asking import by_htmx

FACES = pytest.mark.parametrize("headers", [{}, by_htmx("dialog")], ids=["page", "dialog"])


@pytest.fixture
def run(pair: Scene, monkeypatch: pytest.MonkeyPatch) -> Migration:
    """Alice and Bob moved from Cedar to Birch."""
    monkeypatch.setattr(jobs, "wake", lambda run_id: True)
    return pair.move()


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@FACES
def test_says_what_will_happen_and_asks_for_it(ada: FlaskClient, run: Migration, headers: dict[str, str]) -> None:
    asked = ada.get(f"/migrations/{run.id}/undo", headers=headers).text
    said = words(asked)
    assert "Take back what migration 1 did?" in said and "2 people get their access to Cedar back, as it was." in said
    assert "2 people lose the access to Birch that the migration made" in said
    assert ("<!doctype html>" in asked) is not bool(headers)


@FACES
def test_begins_the_run_that_takes_back_for_those_named(ada: FlaskClient, run: Migration, headers: dict[str, str]) -> None:
    alice = next(move for move in run.moves if move.name == "Alice")
    assert "Alice gets their access to Cedar back" in words(ada.get(f"/migrations/{run.id}/undo?move={alice.id}").text)
    answer = ada.post(f"/migrations/{run.id}/undo", data={"move": alice.id}, headers=headers)
    back = db.session.scalars(db.select(Migration).where(Migration.kind == RunKind.UNDO)).one()
    assert f"/migrations/{back.id}" in (answer.headers.get("HX-Redirect") or answer.headers["Location"])
    assert [move.name for move in back.moves] == ["Alice"]
    assert db.session.scalars(db.select(AuditEntry)).one().action == "migration.undone"


@FACES
def test_says_in_the_open_question_why_it_cannot_be_done_now(
    ada: FlaskClient, pair: Scene, run: Migration, headers: dict[str, str]
) -> None:
    back = undo.start_undo(run)
    db.session.commit()
    # 422 is the one refusal that htmx puts into the dialog.
    answer = ada.post(f"/migrations/{run.id}/undo", headers=headers)
    assert answer.status_code == 422 and "It cannot be done now." in words(answer.text)
    assert re.search(r"disabled>Take back<", answer.text)
    pair.finish(back)
    assert re.search(r"disabled>Take back<", ada.get(f"/migrations/{run.id}/undo", headers=headers).text)


@FACES
def test_names_the_run_that_takes_it_back_at_this_moment(ada: FlaskClient, pair: Scene, run: Migration, headers: dict[str, str]) -> None:
    alice, bob = (next(move.id for move in run.moves if move.name == name) for name in ("Alice", "Bob"))
    back = undo.start_undo(run, {alice})
    db.session.commit()
    address = f"/migrations/{run.id}/undo"
    for answer in (ada.get(f"{address}?move={alice}", headers=headers), ada.post(address, data={"move": alice}, headers=headers)):
        assert f"Migration {back.id} is taking this back now." in words(answer.text)
        assert f'href="/migrations/{back.id}"' in answer.text and "Nothing is left" not in answer.text
    # Nothing is done for Bob now, but his turn can come.
    assert f"Migration {back.id} is using Cedar now." in words(ada.get(f"{address}?move={bob}", headers=headers).text)
    pair.finish(back)
    assert "Bob gets their access to Cedar back" in words(ada.get(f"{address}?move={bob}", headers=headers).text)
    assert "Nothing is left to take back" in ada.get(f"{address}?move={alice}", headers=headers).text


def test_lets_a_viewer_only_read_it(vic: FlaskClient, run: Migration) -> None:
    asked = vic.get(f"/migrations/{run.id}/undo").text
    assert "Only administrators can do this." in asked and re.search(r"disabled>Take back<", asked)
    assert vic.post(f"/migrations/{run.id}/undo").status_code == 403
