"""Each list of users and what hangs on them stays one page of few queries, with two thousand users as with a few."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Payment, PossibleTwin, Share, User
from panel.services import seed
from tests.web.counting import statements

LISTS = (
    "/users",
    "/users?sort=-plan",
    "/users?sort=paid&page=20",
    "/users?show=expired&q=user1",
    "/users?show=waiting",
    "/payments",
    "/payments?sort=user&state=active&page=7",
    "/shares",
    "/shares?sort=server&state=accepted&page=9",
    "/invites",
    "/invites?from=sync",
    "/same-person",
    "/servers",
    "/libraries",
    "/plans",
    "/comparison?source=1&target=2",
    "/migrations/new?source=1",
    "/settings/changes",
)
USERS, MOST_QUERIES, MOST_BYTES = 2000, 14, 100_000


@pytest.fixture
def crowd(ada: FlaskClient) -> FlaskClient:
    """Two thousand users, and a hundred questions about them."""
    seed.plant(USERS)
    ids = db.session.scalars(db.select(User.id).order_by(User.id).limit(200)).all()
    db.session.add_all(
        PossibleTwin(user_id=one, other_id=other, why="The same name.") for one, other in zip(ids[::2], ids[1::2], strict=True)
    )
    db.session.commit()
    return ada


def test_lists_take_the_same_few_queries_and_little_room(crowd: FlaskClient) -> None:
    for address in LISTS:
        with statements() as sent:
            answer = crowd.get(address)
        assert answer.status_code == 200, address
        assert len(sent) <= MOST_QUERIES, (address, len(sent))
        assert len(answer.data) < MOST_BYTES, (address, len(answer.data))


def test_a_page_takes_no_more_queries_than_a_short_list(ada: FlaskClient) -> None:
    seed.plant(3)
    db.session.commit()
    few = {}
    for address in LISTS[:1] + LISTS[5:6] + LISTS[7:8]:
        with statements() as sent:
            ada.get(address)
        few[address] = len(sent)
    seed.plant(300)
    db.session.commit()
    for address, number in few.items():
        with statements() as sent:
            ada.get(address)
        assert len(sent) <= number, address


def test_seeds_as_many_users_as_asked_for(crowd: FlaskClient) -> None:
    assert db.session.scalar(db.select(db.func.count()).select_from(User)) == USERS
    for model in (Payment, Share):
        assert USERS * 0.8 < (db.session.scalar(db.select(db.func.count()).select_from(model)) or 0) <= USERS


def test_refuses_to_seed_beside_users_unless_forced(crowd: FlaskClient) -> None:
    runner = crowd.application.test_cli_runner()
    refused = runner.invoke(args=["seed", "--users", "3"])
    assert refused.exit_code == 1 and "--force" in refused.output
    forced = runner.invoke(args=["seed", "--users", "3", "--force"])
    assert forced.exit_code == 0, forced.output
    assert db.session.scalar(db.select(db.func.count()).select_from(User)) == USERS + 3
