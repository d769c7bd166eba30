"""A sync of a server is done as a whole or not at all, by one at a time, and learns who the server is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from panel.models import Migration, PlexAccount
from panel.models.types import utc_now
from panel.services.sync import SyncRefused, UnknownServer, sync_servers
from panel.simulators.http import Answer, Call, Fault
from tests.services.rows import dump
from tests.services.syncing import bare, known, server, shares, sync
from tests.world import World

__all__ = ["bare", "known"]


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
