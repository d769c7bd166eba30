"""A sync doubts a list that lacks too many: nobody is removed from the panel because of it, unless an admin believes it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.rows import dump
from tests.services.syncing import bare, known, server, shares, sync
from tests.world import World

__all__ = ["bare", "known"]


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


def test_does_not_doubt_a_list_that_says_who_was_disabled(db: Any, bare: World) -> None:
    made = [bare.birch.add_user(f"user{number}", "x", libraries=["Films"]) for number in range(6)]
    sync(db, "Birch")
    for account in made:
        account.policy["IsDisabled"] = True
    result = sync(db, "Birch")
    assert (result.shares_ended, result.problem) == (6, "")
