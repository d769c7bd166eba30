"""Merging two users loses no row of either: what one had, the merged one has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask

from panel.domain.platform import Platform
from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import Base
from panel.extensions import db as database
from panel.models import Account, Email, Migration, Move, Payment, Plan, PossibleTwin, Server, Share, User
from panel.models.types import utc_now
from panel.platforms.sent import SentCall
from panel.services import proof, proof_report
from panel.services.merging import NotMergeable, merge, plan

session = database.session


@pytest.fixture
def two(app: Flask) -> Iterator[tuple[User, User]]:
    """Ada, known from Plex, and Ada again, known from Emby, each with a row of everything."""
    with app.app_context():
        basic = Plan(name="Basic")
        servers = [Server(name=name, platform=Platform.EMBY, url="http://127.0.0.1:9") for name in ("Oak", "Elm")]
        first = User(name="Ada", email="ada@example.test", plex_email="ada@example.test", plex_id="7", notes="Pays late.")
        other = User(name="Ada L", email="lovelace@example.test", emby_email="emby@example.test", permanent=True, notes="Likes trains.")
        session.add_all([basic, *servers, first, other])
        session.flush()
        now = utc_now()
        for number, user in enumerate((first, other)):
            session.add(Payment(user_id=user.id, plan_id=basic.id, start_at=now, end_at=now + timedelta(days=30)))
            session.add(Share(user_id=user.id, server_id=servers[number].id, remote_id=f"s{number}", accepted_at=now))
            session.add(Account(user_id=user.id, server_id=servers[number].id, remote_id=f"a{number}", name=user.name))
        session.commit()
        yield first, other
        session.rollback()


def a_run(*users: tuple[User, MoveStatus], status: MigrationStatus = MigrationStatus.FINISHED, **columns: object) -> Migration:
    ids = session.scalars(database.select(Server.id).order_by(Server.id)).all()
    ended = None if status is MigrationStatus.RUNNING else utc_now()
    run = Migration(source_id=ids[0], target_id=ids[1], status=status, ended_at=ended)
    session.add(run)
    session.flush()
    for position, (user, outcome) in enumerate(users):
        session.add(
            Move(migration_id=run.id, user_id=user.id, position=position, name=user.name, status=outcome, step=Step.DONE, **columns)
        )
    session.commit()
    return run


def count(model: type) -> int:
    return session.scalar(database.select(database.func.count()).select_from(model)) or 0


def owners(model: type) -> set[int]:
    return set(session.scalars(database.select(model.user_id)))


def test_everything_that_refers_to_users_is_known_to_it() -> None:
    refer = {table.name for table in Base.metadata.sorted_tables for key in table.foreign_keys if key.column.table.name == "users"}
    assert refer == {"payments", "shares", "accounts", "moves", "possible_twins"}


def test_loses_no_row(two: tuple[User, User]) -> None:
    first, other = two
    a_run((first, MoveStatus.MOVED))
    a_run((other, MoveStatus.MOVED))
    # The payments of both are in memory: the mapper must not delete what it remembers of the other.
    assert [len(user.payments) for user in two] == [1, 1]
    before = {model: count(model) for model in (Payment, Share, Account, Move)}
    merge(first, other)
    session.commit()
    assert {model: count(model) for model in before} == before
    for model in before:
        assert owners(model) == {first.id}
    assert count(User) == 1
    session.expire_all()
    assert len(session.get_one(User, first.id).payments) == 2


def test_keeps_the_first_ones_addresses_and_fills_in_what_it_lacks(two: tuple[User, User]) -> None:
    first, other = two
    merge(first, other)
    session.commit()
    session.refresh(first)
    assert (first.email, first.plex_email, first.emby_email) == ("ada@example.test", "ada@example.test", "emby@example.test")
    assert first.permanent
    assert "Pays late." in first.notes and "Likes trains." in first.notes
    assert "lovelace@example.test" in first.notes and "Ada L" in first.notes


def test_takes_over_the_plex_account_where_only_the_other_has_one(two: tuple[User, User]) -> None:
    first, other = two
    merge(other, first)
    session.commit()
    assert other.plex_id == "7"


def test_refuses_two_plex_accounts(two: tuple[User, User]) -> None:
    first, other = two
    other.plex_id = "8"
    session.commit()
    with pytest.raises(NotMergeable, match="two different Plex accounts"):
        merge(first, other)
    assert count(User) == 2


def test_refuses_while_a_run_has_one_of_them_open(two: tuple[User, User]) -> None:
    first, other = two
    a_run((other, MoveStatus.PENDING), status=MigrationStatus.RUNNING)
    with pytest.raises(NotMergeable, match="has not ended"):
        merge(first, other)


def test_refuses_the_same_user(two: tuple[User, User]) -> None:
    assert "same user" in plan(two[0], two[0]).problem


@pytest.mark.parametrize("skipped", [0, 1])
def test_drops_only_the_entry_that_was_skipped_where_a_run_lists_both(two: tuple[User, User], skipped: int) -> None:
    first, other = two
    outcomes = [MoveStatus.MOVED, MoveStatus.MOVED]
    outcomes[skipped] = MoveStatus.SKIPPED
    a_run((first, outcomes[0]), (other, outcomes[1]))
    assert len(merge(first, other).dropped) == 1
    session.commit()
    left = session.scalars(database.select(Move)).all()
    assert [(move.user_id, move.status) for move in left] == [(first.id, MoveStatus.MOVED)]


def test_refuses_where_a_run_has_dealt_with_both(two: tuple[User, User]) -> None:
    first, other = two
    a_run((first, MoveStatus.MOVED), (other, MoveStatus.FAILED))
    with pytest.raises(NotMergeable, match="dealt with both"):
        merge(first, other)
    assert count(Move) == 2


def test_takes_a_cancelled_entry_that_touched_a_server_for_no_mere_listing(two: tuple[User, User]) -> None:
    first, other = two
    a_run((first, MoveStatus.CANCELLED), (other, MoveStatus.CANCELLED), given_at=utc_now())
    assert "dealt with both" in plan(first, other).problem


def test_keeps_the_mails_of_moves(two: tuple[User, User]) -> None:
    first, other = two
    run = a_run((other, MoveStatus.MOVED))
    session.add(Email(event="account_moved", migration_id=run.id, move_id=run.moves[0].id, recipient="ada@example.test"))
    session.commit()
    merge(first, other)
    session.commit()
    assert count(Email) == 1


def test_carries_open_questions_on_and_settles_the_one_between_them(two: tuple[User, User]) -> None:
    first, other = two
    third = User(name="Ada")
    session.add(third)
    session.flush()
    pairs = ((other, first), (other, third), (third, first))
    session.add_all(PossibleTwin(user_id=one.id, other_id=two_.id) for one, two_ in pairs)
    session.commit()
    merge(first, other)
    session.commit()
    rows = session.scalars(database.select(PossibleTwin)).all()
    assert [{row.user_id, row.other_id} for row in rows] == [{third.id, first.id}]


def test_a_plan_changes_nothing(two: tuple[User, User]) -> None:
    first, other = two
    planned = plan(first, other)
    assert (planned.payments, planned.shares, planned.accounts, planned.moves) == (1, 1, 1, 0)
    assert planned.filled == {"emby_email": "emby@example.test"}
    assert not session.dirty and count(User) == 2


def test_loses_nothing_of_what_was_sent_for_either(two: tuple[User, User]) -> None:
    first, other = two
    runs = [a_run((first, MoveStatus.MOVED), (other, MoveStatus.CANCELLED)), a_run((other, MoveStatus.MOVED))]
    for run in runs:
        sent = [(move.id, [SentCall(utc_now(), "POST", f"/Users/{move.id}", 403, "Refused.")]) for move in run.moves]
        assert proof.write(run.id, run.target_id, sent) == len(run.moves)
    session.commit()
    before = [(proof_report.sent_csv(run), proof_report.sent_json(run)) for run in runs]
    assert [[line["user"] for line in lines] for _, lines in before] == [["Ada", "Ada L"], ["Ada L"]]
    stays = runs[0].moves[0].id
    assert len(merge(first, other).dropped) == 1
    session.commit()
    assert [(proof_report.sent_csv(run), proof_report.sent_json(run)) for run in runs] == before
    assert [line.user for line in proof_report.sent(runs[0].id, stays)] == ["Ada", "Ada L"], "who is left has the requests of both"
