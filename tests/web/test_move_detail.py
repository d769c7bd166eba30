"""One user of a run in detail, and the run's requests as files."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Email, EmailStatus, Migration, Move, SentRequest
from panel.models.types import utc_now
from panel.services.proof import DIED
from panel.services.run import undo
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.counting import statements


@pytest.fixture
def run(pair: Scene) -> Migration:
    """Alice and Bob moved from Cedar to Birch, Lapsed skipped."""
    return pair.move()


def move_of(run: Migration, name: str) -> Move:
    return db.session.scalars(db.select(Move).where(Move.migration_id == run.id, Move.name == name)).one()


def add_mail(move: Move, status: EmailStatus, recipient: str, error: str) -> None:
    values = {"migration_id": move.migration_id, "move_id": move.id, "recipient": recipient, "status": status, "error": error}
    db.session.add(Email(event="account_moved", **values))


def words(text: str) -> str:
    """What people read."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def detail(client: FlaskClient, run: Migration, name: str, **headers: str) -> str:
    answer = client.get(f"/migrations/{run.id}/moves/{move_of(run, name).id}", headers=headers)
    assert answer.status_code == 200
    return answer.text


def test_says_what_was_sent_and_how_it_ended(ada: FlaskClient, run: Migration) -> None:
    said = words(detail(ada, run, "Alice"))
    for what in ("Account made", "Libraries and rights written", "POST /Users/New", "Done (HTTP 200)", "The access is effective"):
        assert what in said, what
    assert said.count("Birch") >= 3 and "Bob" not in said
    assert "Cedar before it was removed: Films; with all other rights" in said


def test_is_linked_from_the_run_as_page_and_as_dialog(ada: FlaskClient, run: Migration) -> None:
    address = f"/migrations/{run.id}/moves/{move_of(run, 'Bob').id}"
    assert f'href="{address}" hx-get="{address}" hx-target="#dialog"' in ada.get(f"/migrations/{run.id}").text
    page = detail(ada, run, "Bob")
    dialog = detail(ada, run, "Bob", **by_htmx("dialog"))
    assert "<!doctype html>" in page and f'href="/migrations/{run.id}"' in page
    assert "<!doctype html>" not in dialog and 'id="move-detail"' in dialog and 'id="dialog-title"' in dialog


def test_says_so_where_nothing_was_sent(ada: FlaskClient, run: Migration) -> None:
    said = words(detail(ada, run, "Lapsed"))
    assert "Nothing that changes something" in said and "Nothing was given" in said and "Left as it is" in said


def test_says_where_a_worker_died(ada: FlaskClient, run: Migration) -> None:
    move = move_of(run, "Bob")
    db.session.add(SentRequest(migration_id=run.id, move_id=move.id, at=utc_now(), method="", path="", result=DIED))
    db.session.commit()
    assert f"Nothing is known {DIED}" in words(detail(ada, run, "Bob"))


def test_shows_what_strangers_say_as_text(ada: FlaskClient, run: Migration) -> None:
    move = move_of(run, "Bob")
    evil = "<script>alert(1)</script>"
    move.remark = move.account_name = evil
    db.session.add(SentRequest(migration_id=run.id, move_id=move.id, at=utc_now(), method="POST", path=f"/{evil}", result=evil))
    db.session.add(
        Email(event="account_moved", migration_id=run.id, move_id=move.id, recipient=evil, status=EmailStatus.FAILED, error=evil)
    )
    db.session.commit()
    text = detail(ada, run, "Bob")
    assert "<script>alert" not in text and text.count("&lt;script&gt;alert") >= 6


def test_lists_the_mails_to_this_person(ada: FlaskClient, run: Migration) -> None:
    move = move_of(run, "Alice")
    add_mail(move, EmailStatus.FAILED, "a@example.test", "Mailbox full.")
    add_mail(move, EmailStatus.QUEUED, "a@example.test", "")
    db.session.commit()
    said = words(detail(ada, run, "Alice"))
    assert "To a@example.test : not sent. Mailbox full." in said and "waits to be sent." in said


def test_says_what_a_run_that_takes_back_changed(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    back = undo.start_undo(run)
    db.session.commit()
    pair.finish(back)
    said = words(detail(ada, back, "Alice"))
    assert "Birch → Cedar" in said and "Birch before it was removed: Films" in said and "Libraries and rights written" in said


def test_belongs_to_one_run_only(ada: FlaskClient, run: Migration) -> None:
    move = move_of(run, "Bob")
    for address in (f"/migrations/{run.id + 1}/moves/{move.id}", f"/migrations/{run.id}/moves/999"):
        assert ada.get(address).status_code == 404, address


def test_shows_the_newest_of_very_many_requests_in_few_queries(ada: FlaskClient, run: Migration) -> None:
    move = move_of(run, "Bob")
    db.session.add_all(
        SentRequest(migration_id=run.id, move_id=move.id, at=utc_now(), method="POST", path=f"/Users/{number}/Policy", status=200)
        for number in range(1000)
    )
    db.session.commit()
    with statements() as sent:
        text = detail(ada, run, "Bob")
    assert "/Users/999/Policy" in text and "/Users/700/Policy" not in text and "earlier ones are in the download" in text
    assert len(sent) <= 16


def test_all_requests_can_be_downloaded(ada: FlaskClient, run: Migration) -> None:
    page = ada.get(f"/migrations/{run.id}").text
    assert f'href="/migrations/{run.id}/calls.csv"' in page and f'href="/migrations/{run.id}.json"' in page
    db.session.execute(db.update(SentRequest).where(SentRequest.user_name == "Bob").values(user_name="=cmd()"))
    db.session.commit()
    answer = ada.get(f"/migrations/{run.id}/calls.csv")
    assert answer.mimetype == "text/csv" and "attachment; filename=migration-1-calls.csv" in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    stored = db.session.scalar(db.select(db.func.count()).select_from(SentRequest))
    assert len(rows) == stored and {row["user"] for row in rows} == {"Alice", "'=cmd()"}
    assert {row["server"] for row in rows} == {"Cedar", "Birch"} and {row["result"] for row in rows} == {"done"}


def test_the_document_has_the_run_and_its_requests(ada: FlaskClient, run: Migration) -> None:
    answer = ada.get(f"/migrations/{run.id}.json")
    assert answer.mimetype == "application/json" and "attachment" in answer.headers["Content-Disposition"]
    document = json.loads(answer.text)
    assert document["status"] == "finished" and len(document["moves"]) == 3 and document["counts"]["moved"] == 2
    assert {one["what"] for one in document["requests"]} >= {"Account made", "Libraries and rights written"}


def test_files_of_a_run_that_is_not_there_are_not_found(ada: FlaskClient) -> None:
    for address in ("/migrations/9/calls.csv", "/migrations/9.json"):
        assert ada.get(address).status_code == 404, address
