"""The Payments screen: the list, whole days, and more days for many."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Payment, Setting, User
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import fields, names


def payment_of(name: str) -> Payment:
    return db.session.scalars(db.select(Payment).join(User).where(User.name == name).order_by(Payment.id.desc())).first()  # type: ignore[return-value]


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    text = ada.get("/payments").text
    assert "No payments yet" in text and "To the users" in text
    db.session.add(User(name="Alice"))
    db.session.commit()
    empty = ada.get("/payments", headers=by_htmx("payments")).text
    assert "New payment…" in empty and "To the users" not in empty


def test_lists_payments_and_narrows_them(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Later", days=(5, 30))
    assert sorted(names(ada.get("/payments").text)) == ["Alice", "Bob", "Lapsed", "Later"]
    assert names(ada.get("/payments?state=ended").text) == ["Lapsed"]
    assert names(ada.get("/payments?state=later").text) == ["Later"]
    assert names(ada.get("/payments?state=active&sort=user").text) == ["Alice", "Bob"]
    assert names(ada.get("/payments?q=bob").text) == ["Bob"]
    assert "No payments match" in ada.get("/payments?plan=99").text
    assert ada.get("/payments", headers=by_htmx("payments")).text.lstrip().startswith('<div id="payments">')


def test_adds_a_payment_of_whole_days(ada: FlaskClient, pair: Scene) -> None:
    user = payment_of("Bob").user_id
    assert f"/payments/new?user={user}" in ada.get("/payments/new?q=bob").text
    page = ada.get(f"/payments/new?user={user}").text
    assert "Payment of Bob" in page and 'value="20' in page
    data = {"plan": pair.plan("Basic").id, "start_on": "2026-02-01", "end_on": "2026-02-28"}
    assert ada.post(f"/payments/new?user={user}", data=data).headers["Location"] == f"/users/{user}"
    made = payment_of("Bob")
    assert made.start_at == datetime(2026, 2, 1, tzinfo=UTC)
    assert made.end_at == datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
    assert db.session.scalars(db.select(AuditEntry)).one().action == "payment.added"


def test_stays_with_the_user_on_whose_page_a_payment_is_deleted(ada: FlaskClient, pair: Scene) -> None:
    payment = payment_of("Bob")
    address, page = f"/payments/{payment.id}/delete", f"/users/{payment.user_id}"
    assert ada.post(address, data=fields(ada.get(address).text)).headers["Location"] == page


PLACE = "/payments?q=bob&sort=-user&state=active&page=1"


def test_returns_to_the_list_as_it_was(ada: FlaskClient, pair: Scene) -> None:
    payment = payment_of("Bob")
    place = "?next=/payments?q%3Dbob%26sort%3D-user%26state%3Dactive%26page%3D1"
    actions, edit, delete = (f"/payments/{payment.id}/{verb}{place}" for verb in ("actions", "edit", "delete"))
    assert actions in ada.get(PLACE).text
    menu = ada.get(actions).text
    assert edit in menu and delete in menu and f"/users/{payment.user_id}" in menu
    form = ada.get(edit).text
    assert f'action="{edit}"' in form and f'href="{PLACE.replace("&", "&amp;")}" data-leave' in form
    data = {"plan": payment.plan_id, "start_on": "2026-02-01", "end_on": "2026-02-28"}
    assert ada.post(edit, data=data).headers["Location"] == PLACE
    assert ada.post(edit.partition("?")[0], data=data).headers["Location"] == f"/users/{payment.user_id}"
    assert ada.post(f"/payments/{payment.id}/delete", data={"next": PLACE}).headers["Location"] == PLACE


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.test/", "//elsewhere.test", "/\\elsewhere.test", "javascript:alert(1)"])
def test_returns_to_nothing_outside_the_panel(ada: FlaskClient, pair: Scene, elsewhere: str) -> None:
    payment = payment_of("Bob")
    data = {"plan": payment.plan_id, "start_on": "2026-02-01", "end_on": "2026-02-28"}
    address = f"/payments/{payment.id}/edit"
    assert 'href="/payments" data-leave' in ada.get(address, query_string={"next": elsewhere}).text
    assert ada.post(address, query_string={"next": elsewhere}, data=data).headers["Location"] == "/payments"
    answer = ada.post("/payments/extend", data={"ids": "99", "next": elsewhere, "days": "5", "confirmed": "x"})
    assert "elsewhere" not in answer.headers.get("Location", "")


def test_returns_from_a_bulk_change_to_order_and_page(ada: FlaskClient, pair: Scene) -> None:
    assert f'name="next" value="{PLACE.replace("&", "&amp;")}"' in ada.get(PLACE).text
    asked = fields(ada.post("/payments/extend", data={"ids": payment_of("Bob").id, "next": PLACE, "days": "5"}).text)
    assert ada.post("/payments/extend", data=asked).headers["Location"] == PLACE
    users = "/users?sort=-name&page=1"
    assert f'name="next" value="{users.replace("&", "&amp;")}"' in ada.get(users).text
    asked = fields(ada.post("/users/bulk", data={"all": "1", "next": users, "change": "permanent"}).text)
    assert ada.post("/users/bulk", data=asked).headers["Location"] == users


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"start_on": "2026-02-02", "end_on": "2026-02-01"}, "The last day is before the first."),
        ({"start_on": "soon", "end_on": "2026-02-01"}, "There is no such day. Write year, month and day"),
        ({"start_on": "0001-01-01", "end_on": "2026-02-01"}, "too far away"),
        ({"start_on": "2026-02-02", "end_on": ""}, "Say until which day it counts."),
    ],
)
def test_keeps_what_was_typed_beside_the_problem(ada: FlaskClient, pair: Scene, typed: dict[str, str], sentence: str) -> None:
    address = f"/payments/{payment_of('Bob').id}/edit"
    for headers in ({}, by_htmx("dialog")):
        answer = ada.post(address, data={"plan": pair.plan("Basic").id, **typed}, headers=headers)
        assert answer.status_code == 422 and sentence in answer.text
        assert f'value="{typed["start_on"]}"' in answer.text


def test_leaves_the_moments_of_days_that_stay(ada: FlaskClient, pair: Scene) -> None:
    payment = payment_of("Bob")
    start, end = payment.start_at, payment.end_at
    data = {"plan": payment.plan_id, "start_on": f"{start:%Y-%m-%d}", "end_on": f"{end:%Y-%m-%d}"}
    ada.post(f"/payments/{payment.id}/edit", data=data)
    assert (payment_of("Bob").start_at, payment_of("Bob").end_at) == (start, end)


def test_asks_before_deleting_a_payment(ada: FlaskClient, pair: Scene) -> None:
    address = f"/payments/{payment_of('Bob').id}/delete"
    assert "It cannot be taken back." in ada.get(address).text
    assert ada.post(address).status_code == 303
    assert db.session.scalar(db.select(Payment).join(User).where(User.name == "Bob")) is None
    assert db.session.scalars(db.select(AuditEntry)).one().subject == "Bob"


def test_extends_the_checked_payments_after_asking(ada: FlaskClient, pair: Scene) -> None:
    before = {name: payment_of(name).end_at for name in ("Alice", "Bob", "Lapsed")}
    ids = [payment_of("Bob").id, payment_of("Lapsed").id]
    assert "Extend 2 payments" in ada.get("/payments/extend", query_string={"ids": ids}).text
    asked = ada.post("/payments/extend", data={"ids": ids, "days": "5"}).text
    assert "All 2 payments chosen change." in asked and "Each ends 5 days later" in asked and payment_of("Bob").end_at == before["Bob"]
    ada.post("/payments/extend", data=fields(asked))
    assert {name: (payment_of(name).end_at - end).days for name, end in before.items()} == {"Alice": 0, "Bob": 5, "Lapsed": 5}


def test_extends_all_that_match_unless_they_have_changed(ada: FlaskClient, pair: Scene) -> None:
    asked = fields(ada.post("/payments/extend", data={"all": "1", "state": "active", "days": "5"}).text)
    pair.person("Late")
    answer = ada.post("/payments/extend", data=asked)
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert "3 payments end 5 days later" in ada.post("/payments/extend", data=fields(answer.text), follow_redirects=True).text


def test_asks_again_when_as_many_others_match_by_now(ada: FlaskClient, pair: Scene) -> None:
    before = payment_of("Bob").end_at
    asked = fields(ada.post("/payments/extend", data={"all": "1", "q": "alice", "days": "5"}).text)
    for payment in (payment_of("Alice"), payment_of("Bob")):
        payment.user_id = db.session.scalars(
            db.select(User.id).where(User.name == ("Bob" if payment.user.name == "Alice" else "Alice"))
        ).one()
    db.session.commit()
    answer = ada.post("/payments/extend", data=asked)
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert {payment_of("Alice").end_at, payment_of("Bob").end_at} >= {before}


def test_refuses_days_that_make_no_sense(ada: FlaskClient, pair: Scene) -> None:
    answer = ada.post("/payments/extend", data={"all": "1", "days": "-1"})
    assert answer.status_code == 422 and "From 1 to 3650 whole days" in answer.text


def test_lets_a_viewer_only_look(vic: FlaskClient, pair: Scene) -> None:
    assert 'href="/payments/new' not in vic.get("/payments").text
    assert vic.get("/payments/1/actions").text.count("Only administrators can do this.") == 2
    for address in ("/payments/new?user=1", "/payments/1/edit", "/payments/1/delete", "/payments/extend"):
        assert vic.post(address).status_code == 403, address


def test_writes_days_in_the_question_as_in_the_list(ada: FlaskClient, pair: Scene) -> None:
    payment = payment_of("Bob")
    days = f"{payment.start_at:%-d %b %Y} to {payment.end_at:%-d %b %Y}"
    assert days in ada.get(f"/payments/{payment.id}/delete").text


def test_asks_for_a_plan_in_our_words(ada: FlaskClient, pair: Scene) -> None:
    for plan in ("999", "no number", ""):
        answer = ada.post(f"/payments/{payment_of('Bob').id}/edit", data={"plan": plan, "start_on": "2026-02-01", "end_on": "2026-02-02"})
        assert answer.status_code == 422 and "Choose a plan." in answer.text and "Not a valid" not in answer.text, plan


def test_refuses_more_days_than_a_float_can_hold(ada: FlaskClient, pair: Scene) -> None:
    answer = ada.post("/payments/extend", data={"ids": [payment_of("Bob").id], "days": "9" * 309})
    assert answer.status_code == 422 and answer.text.count("whole days can be added") == 1


def test_says_when_days_begin_where_that_is_not_at_midnight(ada: FlaskClient, pair: Scene) -> None:
    address = f"/payments/new?user={payment_of('Bob').user_id}"
    assert "begin at midnight" not in ada.get(address).text
    Setting.current().time_zone = "Asia/Kolkata"
    db.session.commit()
    assert "Days of payments begin at midnight UTC for everybody, now 05:30 in Asia/Kolkata." in ada.get(address).text
