"""Changing many users at once: those checked or all that match, after saying how many, and only as it was said."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Payment, Plan
from tests.scene import Scene
from tests.web.reading import fields
from tests.web.rows import noted, user


def test_changes_the_checked_users_only_after_saying_how_many(ada: FlaskClient, pair: Scene) -> None:
    ids = [user("Alice").id, user("Bob").id]
    assert "Alice" in ada.get("/users/bulk", query_string={"ids": ids}).text
    asked = ada.post("/users/bulk", data={"ids": ids, "change": "permanent"}).text
    assert "Change 2 users?" in asked and "All 2 users chosen change." in asked and not user("Alice").permanent
    assert "done for 2 of 2" in ada.post("/users/bulk", data=fields(asked), follow_redirects=True).text
    assert user("Alice").permanent and user("Bob").permanent and not user("Lapsed").permanent
    assert noted("users.edited").detail == f"Make permanent: Alice ({ids[0]}), Bob ({ids[1]})"


def test_changes_all_that_match(ada: FlaskClient, pair: Scene) -> None:
    pair.plan("Gold")
    gold = db.session.scalars(db.select(Plan).where(Plan.name == "Gold")).one().id
    db.session.commit()
    asked = ada.post("/users/bulk", data={"all": "1", "change": "plan", "plan": gold}).text
    assert "Change 2 of 3 users?" in asked
    assert "2 of the 3 users chosen change; 1 has this plan already or no payment in force." in asked
    ada.post("/users/bulk", data=fields(asked))
    plans = {payment.user.name: payment.plan.name for payment in db.session.scalars(db.select(Payment))}
    assert plans == {"Alice": "Gold", "Bob": "Gold", "Lapsed": "Basic"}


def test_says_of_those_chosen_how_many_change_and_how_many_do_not(ada: FlaskClient, pair: Scene) -> None:
    user("Alice").permanent = True
    db.session.commit()
    ids = [user(name).id for name in ("Alice", "Bob", "Lapsed")]
    asked = ada.post("/users/bulk", data={"ids": ids, "change": "permanent"}).text
    assert "Change 2 of 3 users?" in asked and "2 of the 3 users chosen change; 1 is so already." in asked
    nobody = ada.post("/users/bulk", data={"ids": ids[:1], "change": "permanent"}).text
    assert "Nothing would change. The user chosen does not change: it is so already." in nobody


def test_lets_another_change_be_chosen_where_one_would_change_nothing(ada: FlaskClient, pair: Scene) -> None:
    ids = [user("Alice").id, user("Bob").id]
    answer = ada.post("/users/bulk", data={"ids": ids, "change": "pay", "plan": pair.plan("Basic").id})
    assert answer.status_code == 422 and "Nothing would change. None of the 2 users chosen changes" in answer.text
    assert 'id="bulk-form"' in answer.text and "Continue…" in answer.text and 'id="change-error"' in answer.text
    asked = ada.post("/users/bulk", data={**fields(answer.text), "change": "permanent"}).text
    ada.post("/users/bulk", data=fields(asked))
    assert user("Alice").permanent and user("Bob").permanent


def test_lets_another_change_be_chosen_where_one_has_become_needless(ada: FlaskClient, pair: Scene) -> None:
    asked = ada.post("/users/bulk", data={"ids": [user("Alice").id], "change": "permanent"}).text
    user("Alice").permanent = True
    db.session.commit()
    answer = ada.post("/users/bulk", data=fields(asked))
    assert answer.status_code == 422 and 'id="bulk-form"' in answer.text
    assert "have changed since you were asked: nothing was done. Nothing would change by now." in answer.text


def test_extends_payments_that_have_not_ended(ada: FlaskClient, pair: Scene) -> None:
    ends = {payment.user.name: payment.end_at for payment in db.session.scalars(db.select(Payment))}
    asked = ada.post("/users/bulk", data={"all": "1", "change": "extend", "days": "7"}).text
    ada.post("/users/bulk", data=fields(asked))
    later = {payment.user.name: (payment.end_at - ends[payment.user.name]).days for payment in db.session.scalars(db.select(Payment))}
    assert later == {"Alice": 7, "Bob": 7, "Lapsed": 0}


def test_gives_a_payment_to_those_who_have_none(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Always", plan=None, permanent=True)
    pair.person("New", plan=None)
    plan = pair.plan("Basic")
    asked = ada.post("/users/bulk", data={"all": "1", "change": "pay", "plan": plan.id}).text
    assert "a payment on Basic, 30 days from today." in asked
    assert "2 of the 5 users chosen change; 3 have a payment in force or are permanent." in asked
    ada.post("/users/bulk", data=fields(asked))
    db.session.expire_all()
    paid = {name: len(user(name).payments) for name in ("Alice", "Bob", "Lapsed", "Always", "New")}
    assert paid == {"Alice": 1, "Bob": 1, "Lapsed": 2, "Always": 0, "New": 1}
    (payment,) = user("New").payments
    # As many days as the form of one payment suggests.
    days = re.findall(r'type="date" value="([^"]+)"', ada.get(f"/payments/new?user={user('New').id}").text)
    assert (payment.plan, [f"{payment.start_at:%Y-%m-%d}", f"{payment.end_at:%Y-%m-%d}"]) == (plan, days)
    assert payment.end_at - payment.start_at == timedelta(days=30, microseconds=-1)


def test_asks_again_when_the_users_have_changed_meanwhile(ada: FlaskClient, pair: Scene) -> None:
    asked = ada.post("/users/bulk", data={"all": "1", "change": "must-change"}).text
    pair.person("Late")
    answer = ada.post("/users/bulk", data=fields(asked))
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert not user("Late").must_change_plex_account


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"change": "extend"}, "Say how many days."),
        ({"change": "plan"}, "Choose the plan."),
        ({"change": "pay"}, "Choose the plan."),
    ],
)
def test_wants_what_a_change_needs(ada: FlaskClient, pair: Scene, typed: dict[str, str], sentence: str) -> None:
    answer = ada.post("/users/bulk", data={"all": "1", **typed})
    assert answer.status_code == 422 and sentence in answer.text


def test_asks_again_when_as_many_others_match_by_now(ada: FlaskClient, pair: Scene) -> None:
    asked = ada.post("/users/bulk", data={"all": "1", "q": "Alice", "change": "permanent"}).text
    assert "Chosen: Alice." in asked
    alice, bob = user("Alice"), user("Bob")
    alice.name, alice.email, alice.plex_email, alice.emby_email, bob.name = "Anna", "", "", "", "Alice B"
    db.session.commit()
    answer = ada.post("/users/bulk", data=fields(asked))
    assert answer.status_code == 422 and "nothing was done yet" in answer.text and "Chosen: Alice B." in answer.text
    assert not user("Alice B").permanent
    assert "done for 1 of 1 user" in ada.post("/users/bulk", data=fields(answer.text), follow_redirects=True).text
    assert user("Alice B").permanent and not user("Anna").permanent


def test_changes_nobody_when_nobody_was_checked(ada: FlaskClient, pair: Scene) -> None:
    assert "Select at least one" in ada.post("/users/bulk", data={"change": "permanent"}, follow_redirects=True).text
