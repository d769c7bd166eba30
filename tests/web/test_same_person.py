"""Users who may be the same person: they are asked about, merged, or noted as two."""

from __future__ import annotations

from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Move, User
from tests.scene import Scene
from tests.web.rows import ask_about, noted, user


def test_merges_two_users_after_a_search(ada: FlaskClient, pair: Scene) -> None:
    alice, bob = user("Alice").id, user("Bob").id
    assert "Nobody is called that" in ada.get(f"/users/{alice}/merge?q=Alice").text
    assert f"/users/{alice}/merge?other={bob}" in ada.get(f"/users/{alice}/merge?q=bo").text.replace("&amp;", "&")
    assert "1 payment, 1 shared server and 1 known account<" in ada.get(f"/users/{alice}/merge?other={bob}").text
    assert "is Alice now" in ada.post(f"/users/{alice}/merge", data={"other": bob}, follow_redirects=True).text
    assert db.session.get(User, bob) is None and len(user("Alice").payments) == 2
    assert "Took over from Bob" in noted("user.merged").detail


def test_says_why_two_users_cannot_be_merged(ada: FlaskClient, pair: Scene) -> None:
    pair.start()
    answer = ada.post(f"/users/{user('Alice').id}/merge", data={"other": user("Bob").id}, follow_redirects=True)
    assert "has not ended" in answer.text and user("Bob")
    assert db.session.scalar(db.select(Move).where(Move.name == "Bob")).user_id == user("Bob").id  # type: ignore[union-attr]


def test_shows_a_question_with_both_users(ada: FlaskClient, pair: Scene) -> None:
    assert "Nothing to ask" in ada.get("/same-person").text
    ask_about("Alice", "Bob")
    text = ada.get("/same-person").text.replace("&amp;", "&")
    assert "the same name" in text and "alice@example.test" in text and "bob@example.test" in text
    assert f"/users/{user('Bob').id}/merge?other={user('Alice').id}" in text


def test_asks_no_more_once_they_are_different_people(ada: FlaskClient, pair: Scene) -> None:
    ask_about("Alice", "Bob")
    assert "Nothing to ask" in ada.post("/same-person/1/different", follow_redirects=True).text
    assert noted("twins.different").subject == "Alice" and user("Alice") and user("Bob")


def test_counts_the_questions_that_are_left(ada: FlaskClient, pair: Scene) -> None:
    for other in ("Bob", "Lapsed"):
        ask_about("Alice", other)
    assert "Noted: two people. 1 question is left." in ada.post("/same-person/1/different", follow_redirects=True).text
