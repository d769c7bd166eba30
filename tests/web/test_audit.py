"""The list of changes, and that what the panel's own screens do stands in it."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

import panel
from panel.extensions import db
from panel.models import AuditEntry, Payment
from panel.services import audit, users
from panel.web import audit_words, settings
from tests.scene import Scene
from tests.web.asking import PASSWORD, by_htmx
from tests.web.reading import fields


@pytest.fixture
def many() -> int:
    """Two hundred entries of two people."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(200):
        by = ("ada@example.test", "bob@example.test")[number % 2]
        action = ("server.edited", "plan.removed")[number % 2]
        db.session.add(
            AuditEntry(at=start + timedelta(hours=number), by=by, action=action, subject=f"Thing {number}", detail=f"100% of {number}")
        )
    db.session.commit()
    return 200


def actions() -> list[str]:
    return list(db.session.scalars(db.select(AuditEntry.action).order_by(AuditEntry.id)))


def newest() -> AuditEntry:
    return db.session.scalars(db.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "No changes yet" in ada.get("/settings/changes").text


def test_lists_the_newest_first_in_pages(ada: FlaskClient, many: int) -> None:
    text = ada.get("/settings/changes").text
    assert "Thing 199<" in text and "Thing 150<" in text and "Thing 149<" not in text
    assert "Page 1 of 4" in text
    assert "Thing 0<" in ada.get("/settings/changes?page=4").text
    assert "Thing 0<" in ada.get("/settings/changes?sort=at").text


def test_filters_by_who_and_what(ada: FlaskClient, many: int) -> None:
    text = ada.get("/settings/changes?by=bob@example.test").text
    assert "Thing 199<" in text and "Thing 198<" not in text
    text = ada.get("/settings/changes?action=server.edited").text
    assert "Thing 198<" in text and "Thing 199<" not in text
    assert "No changes match" in ada.get("/settings/changes?by=bob@example.test&action=server.edited").text


def test_searches_without_wildcards(ada: FlaskClient, many: int) -> None:
    assert "Thing 77<" in ada.get("/settings/changes?q=thing 77").text
    assert "Thing 42<" in ada.get("/settings/changes?q=100%25 of 42").text
    assert "No changes match" in ada.get("/settings/changes?q=thing%25 77").text


def test_gives_the_list_alone_to_htmx(ada: FlaskClient, many: int) -> None:
    assert ada.get("/settings/changes", headers=by_htmx("changes")).text.lstrip().startswith('<div id="changes">')


def test_takes_the_same_few_queries_whatever_the_number(ada: FlaskClient, many: int) -> None:
    seen: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))
    text = ada.get("/settings/changes").text
    assert len(seen) <= 8, seen
    assert len(text) < 100_000


def test_escapes_what_it_lists(ada: FlaskClient) -> None:
    audit.note("<b>eve</b>", "server.edited", "<img src=x>", "<script>")
    db.session.commit()
    text = ada.get("/settings/changes").text
    assert "<img src=x" not in text and "<b>eve" not in text and "&lt;img" in text


def test_notes_who_signs_in_and_who_fails_to(app: Flask, ada: FlaskClient) -> None:
    client = app.test_client()
    client.post("/sign-in", data={"email": "Eve@example.test", "password": "a guess"})
    assert (newest().action, newest().by, newest().subject) == ("sign-in.failed", "", "eve@example.test")
    client.post("/sign-in", data={"email": "ada@example.test", "password": PASSWORD})
    assert (newest().action, newest().by) == ("sign-in.done", "ada@example.test")
    assert "somebody not signed in" in ada.get("/settings/changes").text


def test_does_not_keep_a_password_typed_as_an_email(app: Flask, ada: FlaskClient) -> None:
    app.test_client().post("/sign-in", data={"email": "my secret words", "password": "ada@example.test"})
    assert "secret" not in newest().subject + newest().detail


def test_notes_what_is_done_to_a_migration(ada: FlaskClient, pair: Scene) -> None:
    ada.post("/migrations", data={"source": 1, "target": 2, "removal": "keep"})
    for verb in ("pause", "resume", "cancel"):
        assert ada.post(f"/migrations/1/{verb}").status_code == 303
    assert actions() == ["migration.started", "migration.paused", "migration.resumed", "migration.cancelled"]
    assert (newest().by, newest().subject) == ("ada@example.test", "Cedar → Birch")


def test_notes_nothing_for_what_is_refused(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    ada.post(f"/migrations/{run.id}/pause")
    assert actions() == []


def test_notes_who_made_a_claim_link_but_not_the_link(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    move = next(move for move in run.moves if move.name == "Alice")
    assert ada.post(f"/migrations/{run.id}/moves/{move.id}/claim").status_code == 200
    assert (newest().action, newest().subject) == ("claim-link.made", "Alice")
    assert "http" not in newest().detail


def test_names_up_to_twenty_of_many_who_were_changed(ada: FlaskClient, pair: Scene) -> None:
    ids = [pair.person(f"Person {number:02}").id for number in range(22)]
    asked = ada.post("/users/bulk", data={"ids": ids, "change": "extend", "days": "5"}).text
    ada.post("/users/bulk", data=fields(asked))
    entry = newest()
    assert (entry.action, entry.subject) == ("users.edited", "22 users")
    assert f"Person 00 ({ids[0]}), Person 01 ({ids[1]})" in entry.detail and entry.detail.endswith(" and 2 more")


def test_says_of_a_payment_and_a_plan_what_they_were_before(ada: FlaskClient, pair: Scene) -> None:
    plan = pair.plan("Basic")
    payment = Payment(
        user_id=pair.person("Zed").id, plan=plan, start_at=datetime(2026, 1, 1, tzinfo=UTC), end_at=datetime(2026, 2, 1, tzinfo=UTC)
    )
    db.session.add(payment)
    db.session.commit()
    ada.post(f"/payments/{payment.id}/edit", data={"plan": plan.id, "start_on": "2026-01-01", "end_on": "2026-03-01"})
    assert newest().detail == "end: 2026-02-01 → 2026-03-01"
    groups = [group.id for group in plan.groups]
    ada.post(f"/plans/{plan.id}/edit", data={"name": "Basic", "groups": groups, "duration_days": "90", "is_default": "y"})
    assert (newest().action, newest().detail) == ("plan.edited", "days: 30 → 90")


def test_lists_what_was_done_and_what_was_changed_in_words(ada: FlaskClient, app: Flask) -> None:
    audit.note("ada@example.test", "twins.different", "Bob")
    audit.note("ada@example.test", "settings.edited", "General", "time_zone: Europe/Berlin; pace_s: 5.")
    audit.note("ada@example.test", "later.thing_done", "from another version")
    db.session.commit()
    text = ada.get("/settings/changes").text
    assert ">Noted as two people<" in text and "Time zone: Europe/Berlin; Seconds between two users: 5." in text
    assert ">Later thing done<" in text and "time_zone" not in text
    assert "Bob" in ada.get("/settings/changes?q=two people").text


def noted(app: Flask) -> set[str]:
    """Every action that is noted somewhere in the panel: what looks like one in the arguments of calls, or goes on to them."""
    found = set()
    for path in sorted(Path(panel.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "_steer":
                found |= {f"migration.{one.value}" for one in node.args if isinstance(one, ast.Constant)}
            if path.parent.name == "web" and isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {node.value} if re.fullmatch(r"[a-z][a-z_-]*\.[a-z]+(_[a-z]+)*(?<!\.html)", node.value) else set()
    return {action for action in found if action not in app.view_functions and not action.endswith((".static", ".lock", ".js", ".css"))}


def test_has_words_for_every_action_and_every_field(app: Flask) -> None:
    actions = noted(app)
    assert len(actions) > 40 and not actions - set(audit_words.ACTIONS), actions - set(audit_words.ACTIONS)
    assert {*settings.FIELDS, *users.COLUMNS, "max_users", "url", "plex_account", "start", "end"} <= set(audit_words.FIELDS)
