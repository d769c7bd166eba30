"""Plans: the list, the form, the default, and what stands in the way of deleting."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Plan
from panel.services import basics
from tests.scene import Scene
from tests.web.asking import by_htmx


@pytest.fixture
def groups(pair: Scene) -> Scene:
    """Basic (the default) with the people of the pair on it, and all groups that ship."""
    basics.ensure_basics()
    db.session.commit()
    return pair


def typed(scene: Scene, **change: object) -> dict[str, object]:
    """A form filled in well."""
    return {"name": "Premium", "groups": [scene.group("Standard").id], "duration_days": "90", **change}


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "No plans yet" in ada.get("/plans").text


def test_shows_each_plan_with_who_is_on_it_now(ada: FlaskClient, groups: Scene) -> None:
    text = " ".join(ada.get("/plans").text.split())
    assert "Basic" in text and "Default" in text and "30 days" in text
    assert 'data-label="Users now" class="numbers num">2<' in text
    assert ada.get("/plans", headers=by_htmx("plans")).text.lstrip().startswith('<div id="plans">')


def test_adds_a_plan_and_writes_it_down(ada: FlaskClient, groups: Scene) -> None:
    assert "Premium is saved" in ada.post("/plans/new", data=typed(groups, allow_downloads="y"), follow_redirects=True).text
    plan = db.session.scalars(db.select(Plan).where(Plan.name == "Premium")).one()
    assert (plan.allow_downloads, plan.duration_days, plan.is_default) == (True, 90, False)
    entry = db.session.scalars(db.select(AuditEntry)).one()
    assert (entry.by, entry.action, entry.subject) == ("ada@example.test", "plan.added", "Premium")
    assert "90 days" in entry.detail


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, "Give the plan a name."),
        ({"name": "BASIC"}, "There is a plan Basic already."),
        ({"groups": []}, "Choose at least one library group."),
        ({"groups": ["9999"]}, "not a valid choice"),
        ({"duration_days": "0"}, "from 1 to 3650"),
        ({"duration_days": "3651"}, "from 1 to 3650"),
        ({"duration_days": "a month"}, "from 1 to 3650"),
    ],
)
def test_keeps_what_was_typed_beside_what_is_wrong(ada: FlaskClient, groups: Scene, change: dict[str, object], sentence: str) -> None:
    answer = ada.post("/plans/new", data=typed(groups, **change))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert all(str(value) in answer.text for value in change.values() if isinstance(value, str))
    assert db.session.scalar(db.select(db.func.count()).select_from(Plan)) == 1


def test_never_offers_nor_takes_private(ada: FlaskClient, groups: Scene) -> None:
    assert "Private</label>" not in ada.get("/plans/new").text
    answer = ada.post("/plans/new", data=typed(groups, groups=[groups.group("Private").id]))
    assert answer.status_code == 422


def test_has_exactly_one_default(ada: FlaskClient, groups: Scene) -> None:
    ada.post("/plans/new", data=typed(groups, is_default="y"))
    assert [plan.name for plan in db.session.scalars(db.select(Plan).where(Plan.is_default))] == ["Premium"]
    plan = db.session.scalars(db.select(Plan).where(Plan.is_default)).one()
    answer = ada.post(f"/plans/{plan.id}/edit", data=typed(groups))
    assert answer.status_code == 422 and "One plan has to be the default" in answer.text
    assert db.session.get_one(Plan, plan.id).is_default


def test_makes_the_first_plan_the_default(ada: FlaskClient, scene: Scene) -> None:
    basics.ensure_basics()
    db.session.commit()
    ada.post("/plans/new", data=typed(scene))
    assert Plan.default() is not None


def test_shows_a_plan_as_it_is_and_changes_it(ada: FlaskClient, groups: Scene) -> None:
    text = ada.get("/plans/1/edit", headers=by_htmx("dialog")).text
    assert 'value="Basic"' in text and "checked" in text and "<!doctype html>" not in text
    ada.post("/plans/1/edit", data=typed(groups, name="Basics", is_default="y"))
    assert db.session.get_one(Plan, 1).name == "Basics"


@pytest.mark.parametrize("headers", [{}, by_htmx("dialog")])
def test_offers_what_can_be_done_about_a_plan(ada: FlaskClient, groups: Scene, headers: dict[str, str]) -> None:
    assert 'href="/plans/1/actions"' in ada.get("/plans").text
    menu = ada.get("/plans/1/actions", headers=headers).text
    assert 'href="/plans/1/edit"' in menu and 'href="/payments?plan=1"' in menu
    assert "This is the default plan" in menu and 'href="/plans/1/delete"' not in menu


def test_refuses_to_delete_what_payments_use_or_new_people_get(ada: FlaskClient, groups: Scene) -> None:
    assert "This is the default plan" in ada.post("/plans/1/delete", follow_redirects=True).text
    ada.post("/plans/new", data=typed(groups, is_default="y"))
    assert "3 payments use it" in ada.get("/plans/1/delete").text
    assert "3 payments use it" in ada.post("/plans/1/delete", follow_redirects=True).text
    assert db.session.get(Plan, 1) is not None


def test_deletes_a_plan_nothing_uses(ada: FlaskClient, groups: Scene) -> None:
    ada.post("/plans/new", data=typed(groups))
    number = db.session.scalars(db.select(Plan.id).where(Plan.name == "Premium")).one()
    assert "No payment uses" in ada.get(f"/plans/{number}/delete").text
    assert "Premium is deleted" in ada.post(f"/plans/{number}/delete", follow_redirects=True).text
    assert db.session.get(Plan, number) is None


def test_lets_a_viewer_look_only(vic: FlaskClient, groups: Scene) -> None:
    text = vic.get("/plans").text
    assert "Only administrators can change plans." in text and "/plans/1/edit" not in text
    menu = vic.get("/plans/1/actions").text
    assert menu.count("Only administrators can do this.") == 2 and "/plans/1/edit" not in menu
    assert vic.post("/plans/new", data=typed(groups)).status_code == 403


def test_marks_the_boxes_when_no_group_is_chosen(ada: FlaskClient, pair: Scene) -> None:
    answer = ada.post("/plans/new", data={"name": "Empty", "duration_days": "30"})
    boxes = re.findall(r'<input[^>]*name="groups"[^>]*>', answer.text)
    assert answer.status_code == 422 and boxes and all("is-invalid" in box for box in boxes) and "autofocus" in boxes[0]
    assert "autofocus" not in re.search(r'<input[^>]*name="name"[^>]*>', answer.text)[0]  # type: ignore[index]
