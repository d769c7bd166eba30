"""What a sync leaves to the admin stands in the row of its server as long as it is open, and leads to where it is done."""

from __future__ import annotations

import re

from flask.testing import FlaskClient
from sqlalchemy import delete

from panel.extensions import db
from panel.models import Payment, Plan, PossibleTwin, Server, User
from panel.services.sync import sync_server
from tests.scene import Scene
from tests.web.counting import statements


def row_of(text: str, server_id: int = 1) -> str:
    found = re.search(rf'<tr id="server-{server_id}">.*?</tr>', text, re.S)
    assert found
    return found[0]


def pay(*names: str) -> None:
    """A payment for each."""
    plan = db.session.scalars(db.select(Plan)).first()
    paid = db.session.scalars(db.select(Payment)).first()
    assert plan is not None and paid is not None
    for user in db.session.scalars(db.select(User).where(User.name.in_(names))):
        db.session.add(Payment(user_id=user.id, plan_id=plan.id, start_at=paid.start_at, end_at=paid.end_at))
    db.session.commit()


def test_counts_whoever_never_had_a_payment_now_and_not_at_the_last_sync(ada: FlaskClient, pair: Scene) -> None:
    for plan in db.session.scalars(db.select(Plan)):
        plan.is_default = False
    db.session.commit()
    for name in ("New one", "New two"):
        pair.source.sim.add_user(name, "x", libraries=["Films"])
    assert sync_server(db.session.get_one(Server, 1)).new_users == 3  # The server’s own administrator is one of them.
    row = row_of(ada.get("/servers").text)
    assert '<a href="/users?show=unpaid&amp;server=1">2 people</a> have never had a payment' in row
    listed = ada.get("/users?show=unpaid&server=1").text
    assert "New one" in listed and "New two" in listed and "Lapsed" not in listed
    pay("New one")
    assert "1 person</a> has never had a payment" in row_of(ada.get("/servers").text)
    pay("New two")
    assert "payment" not in row_of(ada.get("/servers").text)


def test_leads_to_the_plans_first_where_there_is_none(ada: FlaskClient, pair: Scene) -> None:
    db.session.execute(delete(Payment))
    db.session.execute(delete(Plan))
    db.session.commit()
    row = row_of(ada.get("/servers").text)
    assert '<a href="/plans">make a plan</a>' in row and "3 people</a> have never had a payment" in row


def test_asks_whether_somebody_is_the_same_person_until_it_is_answered(ada: FlaskClient, pair: Scene) -> None:
    db.session.add(PossibleTwin(user_id=1, other_id=2, why="The names are alike."))
    db.session.commit()
    text = ada.get("/servers").text
    assert '<a href="/same-person">1 person</a> looks like a user you already have' in row_of(text)
    assert "looks like" not in row_of(text, 2)
    ada.post("/same-person/1/different")
    assert "looks like" not in row_of(ada.get("/servers").text)


def test_stores_only_what_a_sync_has_found(ada: FlaskClient, pair: Scene) -> None:
    for plan in db.session.scalars(db.select(Plan)):
        plan.is_default = False
    db.session.commit()
    pair.source.sim.add_user("New one", "x")
    result = sync_server(db.session.get_one(Server, 1))
    assert "without a payment" in str(result)
    assert "payment" not in db.session.get_one(Server, 1).sync_result


def test_counts_for_any_number_of_servers_with_as_many_queries(ada: FlaskClient, pair: Scene) -> None:
    with statements() as few:
        ada.get("/servers")
    for number in range(6):
        pair.add_server("jellyfin", f"Spare {number}")
    with statements() as many:
        ada.get("/servers")
    assert len(many) <= len(few)
