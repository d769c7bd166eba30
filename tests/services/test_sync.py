"""A sync brings libraries, users and shares in step with a server, recognises people, and never changes what else is known of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from panel.domain.subscriptions import days_from
from panel.models import Account, Evidence, Library, LibraryGroup, Migration, Payment, Plan, PlexAccount, Server, Setting, Share, User
from panel.models.types import utc_now
from panel.services import estate
from panel.services.people import record_account
from panel.services.sync import SyncRefused, SyncResult, UnknownServer, sync_server, sync_servers
from panel.simulators.http import Answer, Call, Fault
from tests.services.rows import dump
from tests.world import World, estate_of


@pytest.fixture
def known(db: Any, world: World) -> World:
    """The world, with its estate imported and nothing synchronised."""
    estate.apply(estate.load(estate_of(world), {}))
    db.session.commit()
    return world


@pytest.fixture
def bare(db: Any, known: World) -> World:
    """The same without any user."""
    for user in db.session.scalars(select(User)):
        db.session.delete(user)
    db.session.commit()
    return known


def sync(db: Any, name: str, **how: Any) -> SyncResult:
    db.session.expunge_all()
    result = sync_server(server(db, name), **how)
    assert not db.session.new and not db.session.dirty
    db.session.rollback()
    return result


def server(db: Any, name: str) -> Server:
    return db.session.scalars(select(Server).where(Server.name == name)).one()


def user(db: Any, name: str) -> User:
    return db.session.scalars(select(User).where(User.name == name)).one()


def shares(db: Any, name: str) -> dict[str, Share]:
    rows = db.session.scalars(select(Share).where(Share.server_id == server(db, name).id))
    return {share.user.name: share for share in rows}


def libraries(db: Any, name: str) -> dict[str, Library]:
    return {row.name: row for row in db.session.scalars(select(Library).where(Library.server_id == server(db, name).id))}


def accounts(db: Any, name: str) -> dict[str, tuple[str, Evidence]]:
    rows = db.session.scalars(select(Account).where(Account.server_id == server(db, name).id))
    return {row.name: (row.user.name, row.known_by) for row in rows}


# libraries


def test_finds_libraries_and_meets_those_the_file_names(db: Any, known: World) -> None:
    result = sync(db, "Den")
    found = libraries(db, "Den")
    assert result.libraries_found == len(found) == 4
    assert {row.remote_id for row in found.values()} == {str(section.id) for section in known.den.sections}
    assert found["Movies 4K"].group is not None
    assert found["Movies 4K"].group.name == "Premium 4K"


def test_meets_a_library_of_the_file_by_its_name_in_any_case(db: Any, known: World) -> None:
    row = libraries(db, "Birch")["Films"]
    row.name = "FILMS"
    db.session.commit()
    sync(db, "Birch")
    assert libraries(db, "Birch")["Films"].id == row.id


def test_keeps_the_row_and_group_of_a_renamed_library(db: Any, known: World) -> None:
    sync(db, "Den")
    before = libraries(db, "Den")["Movies"]
    known.den.sections[0].title = "Cinema"
    sync(db, "Den")
    after = libraries(db, "Den")["Cinema"]
    assert (after.id, after.group_id) == (before.id, before.group_id)


def test_gives_a_found_library_the_group_the_file_gave_its_new_name(db: Any, known: World) -> None:
    sync(db, "Den")
    before = libraries(db, "Den")["Movies"].id
    kids = LibraryGroup(name="Kids")
    db.session.add(kids)
    db.session.flush()
    db.session.add(Library(server_id=server(db, "Den").id, name="Cinema", group_id=kids.id))
    db.session.commit()
    known.den.sections[0].title = "Cinema"
    sync(db, "Den")
    assert (libraries(db, "Den")["Cinema"].id, libraries(db, "Den")["Cinema"].group_id) == (before, kids.id)
    assert len(libraries(db, "Den")) == 4


def test_marks_a_vanished_library_and_takes_it_back_when_it_returns(db: Any, known: World) -> None:
    sync(db, "Birch")
    films = known.birch.libraries.pop(0)
    sync(db, "Birch")
    gone = libraries(db, "Birch")["Films"]
    assert gone.missing_since is not None
    assert not gone.is_there
    known.birch.libraries.insert(0, films)
    sync(db, "Birch")
    assert libraries(db, "Birch")["Films"].is_there
    assert libraries(db, "Birch")["Films"].group_id == gone.group_id


def test_keeps_a_library_that_no_server_has_yet(db: Any, known: World) -> None:
    estate.apply(estate.load("libraries: [{server: Den, name: Later, group: Standard}]\n", {}))
    db.session.commit()
    sync(db, "Den")
    assert (libraries(db, "Den")["Later"].remote_id, libraries(db, "Den")["Later"].missing_since) == ("", None)


# people


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


# shares


def test_records_libraries_settings_and_waiting_invites(db: Any, known: World) -> None:
    sync(db, "Den")
    found = shares(db, "Den")
    assert sorted(library.name for library in found["Dora"].libraries) == ["Movies", "Movies 4K", "TV Shows"]
    assert found["Dora"].settings["allowSync"] is False
    assert found["Dora"].accepted_at is not None
    assert (found["carl"].accepted_at, found["carl"].invited_at is not None) == (None, True)


def test_notices_an_accepted_invite_and_keeps_when_the_others_were(db: Any, known: World) -> None:
    sync(db, "Den")
    before = shares(db, "Den")["Alice"].accepted_at
    invite = known.den.share_of(known.carl)
    assert invite is not None
    known.tv.accept(invite)
    sync(db, "Den")
    assert shares(db, "Den")["carl"].accepted_at is not None
    assert shares(db, "Den")["Alice"].accepted_at == before


def test_notices_changed_libraries(db: Any, known: World) -> None:
    sync(db, "Birch")
    juna = known.birch.user("juna")
    assert juna is not None
    known.birch.grant(juna, ["Shows", "Films 4K"])
    sync(db, "Birch")
    assert sorted(library.name for library in shares(db, "Birch")["juna"].libraries) == ["Films 4K", "Shows"]


def test_removes_a_share_that_is_gone_but_not_the_user(db: Any, known: World) -> None:
    sync(db, "Den")
    share = known.den.share_of(known.alice)
    assert share is not None
    known.tv.remove(share)
    assert sync(db, "Den").shares_ended == 1
    assert sorted(shares(db, "Den")) == ["Dora", "Kim", "carl"]
    assert user(db, "Alice").plex_id == str(known.alice.id)


def test_removes_nobody_after_an_empty_list(db: Any, known: World) -> None:
    sync(db, "Den")
    before = dump("servers")
    for share in known.tv.shares_of(known.den):
        known.tv.remove(share)
    result = sync(db, "Den")
    assert (result.shares_ended, result.problem) == (
        0,
        "Den listed nobody, though 3 had access at the last sync: nobody was removed from the panel. "
        "Look at the server, and sync again when it lists everyone.",
    )
    assert dump("servers") == before
    assert server(db, "Den").problem == result.problem
    assert sync(db, "Den", believe_short_list=True).shares_ended == 4


@pytest.mark.parametrize(("left", "ended"), [(5, 1), (4, 2), (3, 0), (2, 0)])
def test_removes_nobody_when_half_are_missing(db: Any, bare: World, left: int, ended: int) -> None:
    made = [bare.birch.add_user(f"user{number}", "x", libraries=["Films"]) for number in range(4)]
    sync(db, "Birch")
    synced_at = server(db, "Birch").synced_at
    for account in [*made, bare.birch.user("juna")][: 6 - left]:
        assert account is not None
        bare.birch.delete_account(account)
    result = sync(db, "Birch")
    assert (result.shares_ended, bool(result.problem), server(db, "Birch").synced_at == synced_at) == (ended, not ended, not ended)


def test_doubts_half_a_list_of_three_but_not_one_who_is_missing(db: Any, bare: World) -> None:
    made = [bare.birch.add_user(f"user{number}", "x", libraries=["Films"]) for number in range(3)]
    sync(db, "Birch")
    bare.birch.delete_account(made.pop())
    assert (one := sync(db, "Birch")).shares_ended == 1 and not one.problem
    for account in made:
        bare.birch.delete_account(account)
    result = sync(db, "Birch")
    assert (result.shares_ended, "listed only" in result.problem) == (0, True)


def test_removes_no_invite_when_all_that_were_waiting_are_missing(db: Any, bare: World) -> None:
    waiting = [bare.tv.share(bare.den, f"new{number}@example.test", ["Movies"], accepted=False) for number in range(3)]
    sync(db, "Den")
    before = len(shares(db, "Den"))
    for share in [share for share in bare.tv.shares_of(bare.den) if not share.accepted]:
        bare.tv.remove(share)
    result = sync(db, "Den")
    assert (result.shares_ended, len(shares(db, "Den"))) == (0, before)
    assert result.problem.startswith("Den listed none of the ") and "invites that were waiting" in result.problem
    assert sync(db, "Den", believe_short_list=True).shares_ended >= len(waiting)


def test_does_not_doubt_a_list_in_which_all_invites_were_accepted(db: Any, bare: World) -> None:
    for number in range(3):
        bare.tv.share(bare.den, f"new{number}@example.test", ["Movies"], accepted=False)
    sync(db, "Den")
    for share in [share for share in bare.tv.shares_of(bare.den) if not share.accepted]:
        bare.tv.accept(share)
    result = sync(db, "Den")
    assert (result.shares_ended, result.problem) == (0, "")


def test_says_how_many_may_be_users_there_are_already(db: Any, bare: World) -> None:
    sync(db, "Den")
    for name in ("alice", "dora"):
        bare.birch.add_user(name, "x", libraries=["Films"])
    assert sync(db, "Birch").note == "2 people look like users you already have: answer under “Same person?”."
    assert "Same person?" not in server(db, "Birch").sync_result
    assert sync(db, "Birch").note == ""


def test_a_refused_plex_token_is_the_accounts_problem_too_until_it_is_taken_again(db: Any, known: World) -> None:
    fault = Fault(path="/api/", status=401, times=None)
    known.tv.faults.append(fault)
    assert sync(db, "Den").problem.endswith("Sign in again under Plex accounts.")
    account = server(db, "Den").plex_account
    assert account is not None and "refused the token" in account.problem
    assert not server(db, "Barn").plex_account.problem  # type: ignore[union-attr]
    known.tv.faults.remove(fault)
    assert not sync(db, "Den").problem
    assert not server(db, "Den").plex_account.problem  # type: ignore[union-attr]


def test_does_not_doubt_a_list_that_says_who_was_disabled(db: Any, bare: World) -> None:
    made = [bare.birch.add_user(f"user{number}", "x", libraries=["Films"]) for number in range(6)]
    sync(db, "Birch")
    for account in made:
        account.policy["IsDisabled"] = True
    result = sync(db, "Birch")
    assert (result.shares_ended, result.problem) == (6, "")


# servers


def test_learns_who_the_server_and_its_plex_account_are(db: Any, known: World) -> None:
    sync(db, "Den")
    row = server(db, "Den")
    account = db.session.scalars(select(PlexAccount).where(PlexAccount.email == "olga@example.test")).one()
    assert (row.machine_id, row.problem, row.syncing_until) == (known.den.machine_id, "", None)
    assert row.synced_at is not None
    assert (account.plex_id, account.username) == (str(known.olga.id), "olga")
    known.forget_calls()
    sync(db, "Den")
    assert known.tv.calls(path="/users/account|/api/v2/user$") == []


def test_changes_nothing_the_second_time(db: Any, known: World) -> None:
    sync_servers()
    before = dump("servers")
    results = sync_servers()
    assert [result.problem for result in results] == [""] * 5
    assert dump("servers") == before


def test_changes_nothing_when_the_server_fails_half_way(db: Any, known: World) -> None:
    before = dump("servers")
    known.birch.faults.append(Fault(path="VirtualFolders", status=500, times=None))
    result = sync(db, "Birch")
    row = server(db, "Birch")
    assert result.problem != ""
    assert (row.problem, row.synced_at, row.machine_id, row.syncing_until) == (result.problem, None, "", None)
    assert dump("servers") == before


def test_keeps_the_last_good_sync_when_the_server_is_away(db: Any, known: World) -> None:
    sync(db, "Birch")
    before, synced_at = dump("servers"), server(db, "Birch").synced_at
    known.birch.stop()
    assert sync(db, "Birch").problem != ""
    assert (dump("servers"), server(db, "Birch").synced_at) == (before, synced_at)


def test_refuses_another_machine_behind_the_address(db: Any, known: World) -> None:
    row = server(db, "Birch")
    row.machine_id = "known-before"
    db.session.commit()
    assert "another" in sync(db, "Birch").problem.casefold()
    assert shares(db, "Birch") == {}


def test_refuses_a_server_that_a_migration_holds(db: Any, known: World) -> None:
    run = Migration(source_id=server(db, "Den").id, target_id=server(db, "Birch").id)
    db.session.add(run)
    db.session.flush()
    server(db, "Den").migration_id = run.id
    db.session.commit()
    with pytest.raises(SyncRefused, match=f"Den is used by migration {run.id}"):
        sync(db, "Den")
    assert known.den.journal == []


def test_refuses_a_server_that_is_being_synchronised_until_that_hold_is_over(db: Any, known: World) -> None:
    server(db, "Birch").syncing_until = utc_now() + timedelta(minutes=1)
    db.session.commit()
    with pytest.raises(SyncRefused, match="being synchronised already"):
        sync(db, "Birch")
    server(db, "Birch").syncing_until = utc_now() - timedelta(seconds=1)
    db.session.commit()
    assert sync(db, "Birch").problem == ""


def test_changes_nothing_when_it_lost_the_server_meanwhile(db: Any, known: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dump("servers")
    monkeypatch.setattr("panel.services.sync._release", lambda *_: False)
    with pytest.raises(SyncRefused, match="nothing was changed"):
        sync(db, "Birch")
    assert dump("servers") == before


def test_holds_no_transaction_while_the_server_answers(db: Any, known: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    answer = known.birch.answer
    pool = db.engine.pool

    def look_and_answer(call: Call) -> Answer:
        seen.append(pool.checkedout())
        return answer(call)

    monkeypatch.setattr(known.birch, "answer", look_and_answer)
    sync(db, "Birch")
    assert set(seen) == {0}


def test_syncs_all_servers_and_goes_on_after_one_that_fails(db: Any, known: World) -> None:
    known.cedar.stop()
    server(db, "Loft").syncing_until = utc_now() + timedelta(minutes=1)
    db.session.commit()
    problems = {result.server.name: bool(result.problem) for result in sync_servers()}
    assert problems == {"Barn": False, "Birch": False, "Cedar": True, "Den": False, "Loft": True}


def test_syncs_the_named_servers_and_refuses_unknown_names_before_asking_any(db: Any, known: World) -> None:
    assert [result.server.name for result in sync_servers(["birch", "Den"])] == ["Birch", "Den"]
    known.forget_calls()
    with pytest.raises(UnknownServer, match="no server named “Dan”.*Known: Barn, Birch"):
        sync_servers(["Birch", "Dan"])
    assert known.birch.journal == []


def test_asks_the_database_as_often_for_many_people_as_for_few(db: Any, bare: World) -> None:
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *seen: statements.append(seen[2]))

    def counted() -> int:
        statements.clear()
        sync(db, "Birch")
        # New rows are written one by one on SQLite.
        return sum(not statement.startswith("INSERT") for statement in statements)

    first = counted()
    for number in range(150):
        bare.birch.add_user(f"user{number}", "x", libraries=["Films", "Shows"])
    many = counted()
    again = counted()
    assert max(many, again) <= first


def test_survives_hostile_names(db: Any, bare: World) -> None:
    for name in ("<script>alert(1)</script>", "x" * 400, "a\0b", "'; DROP TABLE users; --"):
        bare.birch.add_user(name, "x", libraries=["Films"])
    assert sync(db, "Birch").problem == ""
    names = set(db.session.scalars(select(User.name)))
    assert {"<script>alert(1)</script>", "x" * 255, "a\ufffdb", "'; DROP TABLE users; --"} <= names
