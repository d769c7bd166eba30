"""A sync brings users, recognises who is known already, and never changes what else is known of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from panel.domain.subscriptions import days_from
from panel.models import Evidence, Payment, Plan, Setting, User
from panel.models.types import utc_now
from panel.services.people import record_account
from tests.services.rows import dump
from tests.services.syncing import accounts, bare, known, server, shares, sync, user
from tests.world import World

__all__ = ["bare", "known"]


def test_makes_standard_users_with_a_payment_on_the_default_plan(db: Any, bare: World) -> None:
    result = sync(db, "Den")
    alice = user(db, "alice")
    [payment] = alice.payments
    assert (alice.plex_email, alice.plex_username, alice.permanent, alice.imported) == ("alice@example.test", "alice", False, False)
    assert alice.plex_id == str(bare.alice.id)
    assert (payment.plan.name, payment.start_at, payment.end_at) == ("Basic", *days_from(utc_now().date(), 30))
    assert (result.users_found, result.new_users, result.note) == (4, 4, "")


def test_makes_permanent_users_without_payment_when_set_so(db: Any, bare: World) -> None:
    Setting.current().import_as_permanent = True
    db.session.commit()
    sync(db, "Den")
    assert {(row.permanent, len(row.payments)) for row in db.session.scalars(select(User))} == {(True, 0)}


def test_says_so_when_there_is_no_default_plan_to_pay_for(db: Any, bare: World) -> None:
    db.session.execute(update(Plan).values(is_default=False))
    db.session.commit()
    result = sync(db, "Den")
    assert result.note == "New users without a payment, as there is no default plan: 4. Make a plan, then give them one."
    assert result.problem == ""
    assert db.session.scalars(select(Payment)).all() == []


def test_recognises_users_of_the_file_by_e_mail_and_fills_in_who_they_are(db: Any, known: World) -> None:
    result = sync(db, "Den")
    alice = user(db, "Alice")
    assert (alice.plex_id, alice.plex_username) == (str(known.alice.id), "alice")
    assert result.new_users == 2
    assert sorted(shares(db, "Den")) == ["Alice", "Dora", "Kim", "carl"]


def test_recognises_a_plex_user_who_changed_name_and_address(db: Any, bare: World) -> None:
    sync(db, "Den")
    bare.tv.rename(bare.alice, username="alicia", email="alicia@example.test")
    assert sync(db, "Den").new_users == 0
    assert (user(db, "alice").plex_username, user(db, "alice").plex_email) == ("alicia", "alice@example.test")


def test_takes_the_holder_of_a_taken_over_address_for_somebody_else(db: Any, bare: World) -> None:
    sync(db, "Den")
    db.session.execute(update(User).where(User.name == "alice").values(plex_id="1"))
    db.session.commit()
    assert sync(db, "Den").new_users == 1
    owners = db.session.scalars(select(User.plex_id).where(User.plex_email == "alice@example.test")).all()
    assert sorted(owners) == ["1", str(bare.alice.id)]


def test_meets_a_user_of_the_file_by_name(db: Any, known: World) -> None:
    assert sync(db, "Birch").new_users == 1
    assert accounts(db, "Birch") == {"juna": ("juna", Evidence.NAME), "admin": ("admin", Evidence.FOUND)}


def test_does_not_meet_users_by_name_whom_no_file_names(db: Any, bare: World) -> None:
    db.session.add(User(name="juna"))
    db.session.commit()
    assert sync(db, "Birch").new_users == 2


def test_does_not_meet_a_user_by_name_whom_the_server_knows_by_another_address(db: Any, known: World) -> None:
    db.session.add(User(name="alice", plex_email="another@example.test", imported=True))
    db.session.execute(update(User).where(User.name == "Alice").values(plex_email="", emby_email="", name="Someone"))
    db.session.commit()
    sync(db, "Den")
    assert user(db, "Someone").plex_id == ""
    assert [row.plex_id for row in db.session.scalars(select(User).where(User.plex_email == "another@example.test"))] == [""]


def test_recognises_a_person_on_another_server_by_e_mail(db: Any, known: World) -> None:
    sync(db, "Den")
    sync(db, "Cedar")
    assert accounts(db, "Cedar")["Alice E"] == ("Alice", Evidence.EMAIL)


def test_raises_a_match_by_name_to_one_by_e_mail_but_never_lowers_one(db: Any, known: World) -> None:
    alice = user(db, "Alice")
    account = known.cedar.user("Alice E")
    assert account is not None
    record_account(server(db, "Cedar"), alice, account.id, "Alice E", Evidence.NAME)
    db.session.commit()
    sync(db, "Cedar")
    assert accounts(db, "Cedar")["Alice E"] == ("Alice", Evidence.EMAIL)
    account.connect_email = account.connect_name = ""
    sync(db, "Cedar")
    assert accounts(db, "Cedar")["Alice E"] == ("Alice", Evidence.EMAIL)


def test_recognises_people_whom_a_move_has_brought(db: Any, known: World) -> None:
    sync(db, "Den")
    brought = known.birch.add_user("Alice", "secret", libraries=["Films"])
    record_account(server(db, "Birch"), user(db, "Alice"), brought.id, "Alice", Evidence.MOVE)
    db.session.commit()
    payments = dump()["payments"]
    sync(db, "Birch")
    assert accounts(db, "Birch")["Alice"] == ("Alice", Evidence.MOVE)
    assert [library.name for library in shares(db, "Birch")["Alice"].libraries] == ["Films"]
    assert [row for row in dump()["payments"] if row in payments] == payments


def test_keeps_a_managed_user_without_e_mail(db: Any, bare: World) -> None:
    sync(db, "Den")
    kim = user(db, "Kim")
    assert (kim.is_managed, kim.plex_email, kim.plex_username, kim.plex_id) == (True, "", "", str(bare.kim.id))


def test_keeps_administrators_as_permanent_owners(db: Any, bare: World) -> None:
    sync(db, "Cedar")
    assert (user(db, "admin").permanent, user(db, "admin").payments, shares(db, "Cedar")["admin"].is_owner) == (True, [], True)


def test_makes_no_user_of_a_disabled_account_nobody_knows(db: Any, bare: World) -> None:
    bare.birch.add_user("ghost", "secret", libraries=["Films"], disabled=True)
    sync(db, "Birch")
    assert "ghost" not in accounts(db, "Birch")
    assert db.session.scalars(select(User).where(User.name == "ghost")).all() == []


def test_makes_a_user_but_no_share_of_an_account_without_libraries(db: Any, bare: World) -> None:
    bare.birch.add_user("waiting", "secret")
    sync(db, "Birch")
    assert accounts(db, "Birch")["waiting"] == ("waiting", Evidence.FOUND)
    assert "waiting" not in shares(db, "Birch")


def test_keeps_the_account_of_somebody_who_was_disabled(db: Any, known: World) -> None:
    sync(db, "Birch")
    account = known.birch.user("juna")
    assert account is not None
    account.policy["IsDisabled"] = True
    result = sync(db, "Birch")
    assert (result.shares_ended, result.new_users, result.problem) == (1, 0, "")
    assert sorted(shares(db, "Birch")) == ["admin"]
    assert "juna" in accounts(db, "Birch")


# M12
def test_changes_nothing_an_admin_has_typed(db: Any, known: World) -> None:
    alice = user(db, "Alice")
    alice.notes, alice.must_change_plex_account, alice.plex_email = "pays cash", True, "ALICE@example.test"
    db.session.commit()
    before = dump()["payments"]
    sync(db, "Den")
    alice = user(db, "Alice")
    assert (alice.notes, alice.must_change_plex_account, alice.permanent) == ("pays cash", True, False)
    assert alice.plex_email == "ALICE@example.test"
    assert [row for row in before if row not in dump()["payments"]] == []


def test_says_how_many_may_be_users_there_are_already(db: Any, bare: World) -> None:
    sync(db, "Den")
    for name in ("alice", "dora"):
        bare.birch.add_user(name, "x", libraries=["Films"])
    assert sync(db, "Birch").note == "2 people look like users you already have: answer under “Same person?”."
    assert "Same person?" not in server(db, "Birch").sync_result
    assert sync(db, "Birch").note == ""


def test_survives_hostile_names(db: Any, bare: World) -> None:
    for name in ("<script>alert(1)</script>", "x" * 400, "a\0b", "'; DROP TABLE users; --"):
        bare.birch.add_user(name, "x", libraries=["Films"])
    assert sync(db, "Birch").problem == ""
    names = set(db.session.scalars(select(User.name)))
    assert {"<script>alert(1)</script>", "x" * 255, "a\ufffdb", "'; DROP TABLE users; --"} <= names
