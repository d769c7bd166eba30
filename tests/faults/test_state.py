"""What all tests of crashes stand on: the comparison of end states, and of what was sent, sees what it is there for."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from panel.extensions import db
from panel.models import Account, Email, Move, SentRequest, Share
from panel.models.types import utc_now
from panel.services.proof import DIED
from tests.faults.crash import Change, Crashed
from tests.faults.stage import stage
from tests.faults.state import differences, end_state, without_link
from tests.faults.test_crashes import not_closed_first
from tests.faults.whose import unproved


def exchange(table: Any, column: str, server_id: int | None = None) -> None:
    """Each of the two people has the other's id."""
    rows = select(table).where(table.server_id == server_id) if server_id else select(table)
    first, second = db.session.scalars(rows)
    one, other = getattr(first, column), getattr(second, column)
    for row, key in ((first, "for a moment"), (second, one), (first, other)):
        setattr(row, column, key)
        db.session.flush()
    db.session.commit()


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("plex", "plex")])
def test_it_sees_that_two_people_have_each_others_account(source: str, target: str) -> None:
    with stage(source, target) as on:
        on.labour()
        expected, there = end_state(on), on.scene.target.row.id
        tables: list[tuple[Any, str]] = [(Share, "remote_id"), (Move, "target_member_id"), (Move, "target_account_id")]
        for table, column in [*tables, *([(Account, "remote_id")] if target != "plex" else [])]:
            server_id = None if table is Move else there
            exchange(table, column, server_id)
            assert f"table {table.__tablename__}: {column}" in " ".join(differences(expected, end_state(on)))
            exchange(table, column, server_id)
            assert not differences(expected, end_state(on))


def test_it_sees_all_but_the_link_of_who_is_not_linked() -> None:
    with stage("jellyfin", "emby") as on:
        on.labour()
        expected, there = end_state(on), on.scene.target
        there.sim.user("ada").connect_email = ""
        db.session.execute(update(Move).where(Move.name == "ada").values(remark="Not linked with Emby Connect."))
        db.session.commit()
        unlinked = [without_link(state, there.row.name, {"ada"}) for state in (expected, end_state(on))]
        assert differences(expected, end_state(on)) and not differences(*unlinked)
        mail = db.session.scalars(select(Email)).first()
        assert mail is not None
        db.session.add(Email(**{column.name: getattr(mail, column.name) for column in Email.__table__.columns if column.name != "id"}))
        db.session.execute(update(Share).where(Share.account_name == "ada").values(all_libraries=True))
        db.session.commit()
        unlinked[1] = without_link(end_state(on), there.row.name, {"ada"})
        assert {found.partition(":")[0] for found in differences(*unlinked)} == {"table emails", "table shares"}


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("plex", "plex")])
def test_it_sees_a_request_that_is_not_written_down(source: str, target: str) -> None:
    with stage(source, target) as on:
        on.labour()
        assert not unproved(on)
        last = db.session.execute(select(func.max(SentRequest.id), SentRequest.move_id).group_by(SentRequest.move_id)).first()
        assert last is not None
        db.session.execute(delete(SentRequest).where(SentRequest.id == last[0]))
        db.session.commit()
        assert [problem.rpartition(" is ")[2] for problem in unproved(on)] == ["not written down"]
        db.session.execute(update(SentRequest).where(SentRequest.move_id != last[1]).values(result=DIED))
        db.session.commit()
        assert unproved(on), "the death concerns somebody else"
        db.session.execute(update(SentRequest).where(SentRequest.move_id == last[1]).values(result=DIED))
        db.session.commit()
        assert not unproved(on)


@pytest.mark.parametrize("status", [None, 200])
def test_it_sees_a_request_that_was_written_down_and_never_made(status: int | None) -> None:
    with stage("jellyfin", "emby") as on:
        on.labour()
        move = on.run.moves[0]
        path = f"/Users/{move.target_account_id}/Policy"
        what = {"migration_id": on.run_id, "move_id": move.id, "user_name": move.name, "server_id": on.run.target_id, "at": utc_now()}
        for told in (1, 2):
            db.session.add(SentRequest(**what, method="POST", path=path, status=status, result=""))
            db.session.commit()
            assert [problem.rpartition(" was ")[2] for problem in unproved(on)] == ["never sent"]
            assert bool(unproved(on, lost=1)) is (status is not None or told > 1), "one that was not answered may be lost"


@pytest.mark.parametrize(
    ("first", "is_right_at"),
    [
        ([Change("ada", "/Users/1/Password")], {1, 2}),
        ([Change("ben", "/Users/2/Policy"), Change("ada", "/Users/1/Policy")], {2}),
        ([Change("ben", "/Users/New"), Change("ada", "/Users/1/Policy")], set()),
        ([Change("cat", "/Users/3/Policy"), Change("ada", "/Users/1/Policy")], set()),
        ([Change("ada", "/Users/1/Connect/Link"), Change("ada", "/Users/1/Policy")], set()),
        ([Change("ben", "/Users/2/Policy")], set()),
        ([], set()),
    ],
)
def test_it_sees_what_comes_before_an_open_account_is_closed(first: list[Change], is_right_at: set[int]) -> None:
    crashed = Crashed(True, 0.1, open_then=frozenset({"ada"}), in_hand=frozenset({"ada", "ben"}), changes=tuple(first))
    assert {width for width in (1, 2) if not not_closed_first(crashed, width)} == is_right_at
