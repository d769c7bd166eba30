"""What the screens of a run say and offer once another run has taken it back, or is at it."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panel import jobs
from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, Server
from panel.models.server import SYNC_HOLD
from panel.models.types import utc_now
from panel.services.run import steer, undo
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.counting import statements


@pytest.fixture
def run(pair: Scene, monkeypatch: pytest.MonkeyPatch) -> Migration:
    """Alice and Bob moved from Cedar to Birch."""
    monkeypatch.setattr(jobs, "wake", lambda run_id: True)
    return pair.move()


def move_of(run: Migration, name: str) -> Move:
    return db.session.scalars(db.select(Move).where(Move.migration_id == run.id, Move.name == name)).one()


def take_back(scene: Scene, run: Migration, *names: str) -> Migration:
    back = begin(run, *names)
    return scene.finish(back)


def begin(run: Migration, *names: str) -> Migration:
    back = undo.start_undo(run, {move_of(run, name).id for name in names} or None)
    db.session.commit()
    return back


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split()).replace(" .", ".").replace(" ,", ",").replace(" ;", ";")


def row(text: str, move: Move) -> str:
    found = re.search(rf'<tr id="move-{move.id}".*?</tr>', text, re.S)
    assert found
    return found[0]


def menu(client: FlaskClient, run: Migration, name: str) -> dict[str, str]:
    """The actions for one user of a run: label to sentence; those that are switched off begin with a dash."""
    text = client.get(f"/migrations/{run.id}/moves/{move_of(run, name).id}/actions", headers=by_htmx("dialog")).text
    found = re.findall(r'<(?:a|button)([^>]*)>\s*<span class="fw-semibold">([^<]+)</span>\s*<span[^>]*>([^<]*)</span>', text)
    return {label: ("- " if "disabled" in attributes else "") + sentence for attributes, label, sentence in found}


def test_a_run_says_by_which_other_it_was_taken_back_and_for_how_many(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    first = take_back(pair, run, "Alice")
    text = ada.get(f"/migrations/{run.id}").text
    assert "Taken back for 1 person by migration 2; the others are as this migration left them." in words(text)
    assert f'href="/migrations/{first.id}"' in text and 'id="undo"' in text
    second = take_back(pair, run, "Bob")
    text = ada.get(f"/migrations/{run.id}").text
    assert "Taken back for 2 people by migration 2, migration 3." in words(text)
    assert f'href="/migrations/{second.id}"' in text and 'id="undo"' not in text, "nothing is left to take back"


def test_a_run_says_which_other_is_taking_it_back(ada: FlaskClient, run: Migration) -> None:
    back = begin(run)
    text = ada.get(f"/migrations/{run.id}").text
    assert "Migration 2 is taking this back now." in words(text) and f'href="/migrations/{back.id}"' in text
    assert "Taken back for" not in text and 'id="undo"' not in text


def test_a_row_and_its_detail_say_what_is_so_now(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    alice, bob = move_of(run, "Alice"), move_of(run, "Bob")
    back = take_back(pair, run, "Alice")
    page = ada.get(f"/migrations/{run.id}").text
    assert "Was moved. Migration 2 has taken this back." in words(row(page, alice))
    assert f'href="/migrations/{back.id}"' in row(page, alice) and "Has access" not in row(page, alice)
    assert "Has access on the target; the source access is removed." in words(row(page, bob)) and "Migration" not in row(page, bob)
    for headers in ({}, by_htmx("dialog")):
        said = words(ada.get(f"/migrations/{run.id}/moves/{alice.id}", headers=headers).text)
        assert "Was moved. Migration 2 has taken this back." in said and "The access was effective" in said
        assert "takes this back" not in said and "was begun" not in said
    of_alice = words(ada.get(f"/users/{alice.user_id}").text)
    assert "Was moved. Migration 2 has taken this back." in of_alice
    assert of_alice.count("the source access is removed") == 1, "of the run that took back alone"


def test_what_can_no_longer_be_done_for_a_user_is_switched_off_with_the_reason(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    before = menu(ada, run, "Alice")
    assert not before["Take back…"].startswith("-") and not before["Password link"].startswith("-")
    back = begin(run, "Alice")
    assert menu(ada, run, "Alice")["Take back…"] == menu(ada, run, "Alice")["Password link"] == "- Migration 2 is taking this back now."
    pair.finish(back)
    after = menu(ada, run, "Alice")
    assert after["Take back…"] == "- Migration 2 has taken this back."
    assert after["Password link"] == "- Migration 2 has taken this back. The account it had made is disabled."
    answer = ada.post(f"/migrations/{run.id}/moves/{move_of(run, 'Alice').id}/claim")
    assert answer.status_code == 409 and "has taken this back" in answer.text
    for label in ("Take back…", "Password link"):
        assert menu(ada, run, "Bob")[label] == before[label]


def test_what_was_not_taken_back_in_the_end_can_be_tried_once_more(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    back = begin(run)
    steer.cancel(back)
    db.session.commit()
    pair.finish(back)
    text = ada.get(f"/migrations/{run.id}").text
    assert "Migration 2 was cancelled before it took this back." in words(row(text, move_of(run, "Alice")))
    assert 'id="undo"' in text and "Taken back for" not in text
    assert not menu(ada, run, "Alice")["Take back…"].startswith("-")


def test_no_retry_is_offered_for_whom_it_would_be_refused(ada: FlaskClient, run: Migration) -> None:
    begin(run, "Alice")
    alice, bob = move_of(run, "Alice"), move_of(run, "Bob")
    # As an invite that was taken back; Bob has failed in a way that may pass.
    alice.status, alice.retryable = MoveStatus.FAILED, True
    bob.status, bob.retryable, bob.step = MoveStatus.FAILED, True, Step.GIVE
    db.session.commit()
    reason = "What this migration did for Alice is taken back by another one. To move them again, start a new migration."
    assert menu(ada, run, "Alice")["Retry"] == f"- {reason}"
    assert not menu(ada, run, "Bob")["Retry"].startswith("-")
    assert "Retry 1 failed" in ada.get(f"/migrations/{run.id}").text
    assert reason in ada.post(f"/migrations/{run.id}/moves/{alice.id}/retry", headers=by_htmx("migration-progress")).text
    assert menu(ada, run, "Lapsed")["Retry"] == "- Lapsed has not failed; only somebody who has can be tried again."


def test_a_page_asks_as_often_for_many_rows_as_for_few(ada: FlaskClient, pair: Scene, run: Migration) -> None:
    take_back(pair, run, "Alice")
    with statements() as few:
        ada.get(f"/migrations/{run.id}")
    take_back(pair, run, "Bob")
    with statements() as many:
        ada.get(f"/migrations/{run.id}")
    assert len(many) == len(few)


FACES = pytest.mark.parametrize("headers", [{}, by_htmx("dialog")], ids=["page", "dialog"])


@FACES
def test_the_question_says_at_once_that_another_run_holds_a_server(
    ada: FlaskClient, pair: Scene, run: Migration, headers: dict[str, str]
) -> None:
    pair.person("Carol")
    other = pair.start()
    for text in (
        ada.get(f"/migrations/{run.id}/undo", headers=headers).text,
        ada.post(f"/migrations/{run.id}/undo", headers=headers).text,
    ):
        assert f"Migration {other.id} is using Cedar now. Take this back once it has ended." in words(text)
        assert f'href="/migrations/{other.id}"' in text and re.search(r"disabled>Take back<", text)
        assert "get their access" not in text and ">Back</a>" in text


def test_the_question_says_at_once_that_a_server_is_being_synced(ada: FlaskClient, run: Migration) -> None:
    birch = db.session.scalars(db.select(Server).where(Server.name == "Birch")).one()
    birch.syncing_until = utc_now() + SYNC_HOLD / 2
    db.session.commit()
    text = ada.get(f"/migrations/{run.id}/undo").text
    assert "Birch is being synced now." in text and re.search(r"disabled>Take back<", text)


@pytest.mark.parametrize(
    ("kinds", "said"),
    [(("emby", "plex"), "Their shares and invites are removed"), (("plex", "emby"), "Accounts are disabled, not deleted.")],
    ids=["plex", "emby"],
)
def test_the_question_says_what_becomes_of_the_access_on_each_platform(
    ada: FlaskClient, scene: Scene, kinds: tuple[str, str], said: str
) -> None:
    for kind, name in zip(kinds, ("Cedar", "Birch"), strict=True):
        scene.add_server(kind, name)
    scene.person("Alice")
    run = scene.move()
    text = ada.get(f"/migrations/{run.id}/undo").text
    assert said in text and ("Accounts are disabled" in text) is (kinds[1] != "plex")


def test_a_run_that_was_to_be_repeated_says_why_no_round_follows(ada: FlaskClient, scene: Scene) -> None:
    scene.add_server("emby", "Cedar")
    scene.add_server("plex", "Birch")
    scene.person("Alice")
    run = scene.start()
    run.rounds_left, run.repeat_every_h = 2, 1.0
    db.session.commit()
    assert "Up to 2 more rounds" in ada.get(f"/migrations/{run.id}").text
    scene.finish(run)
    text = ada.get(f"/migrations/{run.id}").text
    assert run.status is MigrationStatus.FINISHED and "1 invite waits" in words(text)
    assert "No further round follows, as nobody is left who could move: whether an invite is accepted is up to the people." in text
    assert re.search(r'<p class="small mb-0 mt-2 waiting">\s*<span[^>]*>Ended ', text), "the table stays where it was"
