"""What an undo makes again of accounts that were there before, and of those nobody knows of: never looser than they should be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from panel.domain.statuses import MoveStatus, Removal
from panel.extensions import db
from panel.models import Migration
from panel.platforms.sealing import SEALED
from panel.services import run as running
from panel.services.claims.closing import STAYS_CLOSED
from panel.services.claims.unclaimed import is_unclaimed
from panel.services.remarks import MAY_STAND_OPEN, with_sentence
from panel.services.run.steer import why_no_retry
from panel.services.run.undo import undoable
from panel.services.run.way_back import is_anything_left
from panel.simulators.http import Call, Fault
from panel.web.move_actions import why_no_claim, why_no_undo
from tests.clock import Clock, clock
from tests.databases import ON_BOTH
from tests.run.claiming import CHOSEN, choose, closed_without_a_password, housekeep, link_to, pair
from tests.run.test_claims_beside_runs import undoing
from tests.run.test_faults import work_off
from tests.run.working import work_until_it_ends
from tests.scene import Scene, Side

__all__ = ["clock"]


def with_one_more_library(scene: Scene) -> None:
    """From now on the plan has one more."""
    scene.plan("Basic").groups.append(scene.group("Premium 4K"))
    db.session.commit()


def moved_twice(scene: Scene, target: str = "emby") -> Migration:
    """A second run, which gives ada one more library on the account that the first one has made."""
    pair(scene, target)
    scene.move(removal=Removal.KEEP)
    with_one_more_library(scene)
    second = scene.move(removal=Removal.KEEP)
    assert second.moves[0].before
    return second


def taken_back(scene: Scene, run: Migration) -> Migration:
    back = undoing(run)
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "moved"}
    return back


def dies_at_a_policy(side: Side) -> None:
    """The policy is written, and the server goes away before it answers."""
    side.sim.faults.append(Fault("POST", "/Policy", effect=True, drop=True, times=None))

    def die(call: Call, moment: str) -> None:
        if call.path.endswith("/Policy") and moment == "after":
            side.sim.faults.insert(0, Fault(drop=True, times=None))

    side.sim.on_call = die


def in_doubt_after_the_read_back(scene: Scene) -> Migration:
    """Ada was given an account, which is gone at the read-back; the answer to its second making is lost, and the server goes away."""
    pair(scene)
    sim, gone = scene.target.sim, [False]
    run = scene.start(removal=Removal.KEEP)

    def on_call(call: Call, moment: str) -> None:
        if moment == "after" and call.path.endswith("/Policy") and not gone[0]:
            gone[0] = True
            sim.delete_account(sim.user("ada"))
            sim.faults.append(Fault("POST", "/Users/New", effect=True, drop=True))
        elif moment == "after" and call.path.endswith("/Users/New") and gone[0]:
            sim.faults.append(Fault(drop=True, times=None))

    sim.on_call = on_call
    work_off(scene, run)
    sim.on_call = None
    sim.faults.clear()
    assert sim.can_sign_in("ada", ""), "it stands open"
    return run


def works_what_is_due(clock: Clock) -> None:
    for _ in range(3):
        clock.ahead += timedelta(minutes=3)
        for run_id in running.due():
            running.work(run_id)
    db.session.expire_all()


def works_until_it_ends(run: Migration, clock: Clock) -> Migration:
    return work_until_it_ends(run, clock, pause=timedelta(minutes=2), times=6)


def test_an_account_that_may_stand_open_is_closed_whoever_is_taken_back(scene: Scene, clock: Clock) -> None:
    run = in_doubt_after_the_read_back(scene)
    assert MAY_STAND_OPEN in run.moves[0].remark
    back = undoing(run)
    work_off(scene, back)
    works_what_is_due(clock)
    assert not scene.target.sim.can_sign_in("ada", "") and scene.opened("ada") is None
    move = run.moves[0]
    assert move.status is MoveStatus.FAILED and why_no_retry(move)
    assert MAY_STAND_OPEN not in move.remark and f"Migration {back.id} was begun to take this back." in move.remark
    assert run.id not in running.due()


def test_what_was_said_after_a_warning_does_not_go_with_it(scene: Scene, clock: Clock) -> None:
    run = in_doubt_after_the_read_back(scene)
    move = run.moves[0]
    move.remark = with_sentence(move.remark, STAYS_CLOSED)
    db.session.commit()
    assert move.remark.index(STAYS_CLOSED) < move.remark.index(MAY_STAND_OPEN), "nothing stands behind what goes as a whole"
    works_what_is_due(clock)
    assert STAYS_CLOSED in run.moves[0].remark and MAY_STAND_OPEN not in run.moves[0].remark


@pytest.mark.parametrize("keeps_passwords", [False, True])
def test_what_a_link_has_left_closed_without_a_password_gets_one_before_it_is_opened(
    scene: Scene, clock: Clock, keeps_passwords: bool
) -> None:
    run = moved_twice(scene)
    sim = scene.target.sim
    token = closed_without_a_password(scene, run.moves[0])
    sim.keeps_passwords = keeps_passwords
    sim.exposure.watch(sim.user("ada"))
    when_it_was_made = sim.exposed_moments()
    back = taken_back(scene, run)
    assert not sim.can_sign_in("ada", "") and sim.exposed_moments() == when_it_was_made
    assert scene.opened("ada") == {"Films", "Shows"}
    first = run.moves[0]
    assert first.sealed and SEALED in first.remark and is_unclaimed(run, first) and not why_no_claim(run, first)
    assert not back.moves[0].sealed, "the account of that one is the other server's"
    clock.ahead += timedelta(minutes=3)
    assert housekeep() == 0 and scene.opened("ada") == {"Films", "Shows"}
    choose(token)
    assert sim.can_sign_in("ada", CHOSEN)


def test_a_password_that_was_never_sent_is_not_said_to_be_set(scene: Scene, clock: Clock) -> None:
    run = moved_twice(scene)
    sim = scene.target.sim
    closed_without_a_password(scene, run.moves[0])
    sim.faults.append(Fault("POST", "/Password", status=403, times=None))
    back = undoing(run)
    scene.finish(back)
    assert scene.outcome(back) == {"ada": "failed"}
    assert scene.opened("ada") is None and sim.user("ada").password == ""
    assert not run.moves[0].sealed and SEALED not in run.moves[0].remark


def sealed_by_the_second(scene: Scene) -> Migration:
    """Two runs; the second found the account closed and without a password, and gave it one that nobody knows; closed again since."""
    pair(scene)
    first = scene.move(removal=Removal.KEEP)
    choose(link_to(first.moves[0]))
    closed_without_a_password(scene, first.moves[0])
    with_one_more_library(scene)
    second = scene.move(removal=Removal.KEEP)
    assert second.moves[0].sealed
    return second


def test_a_refused_undo_does_not_forget_that_the_run_has_set_a_password(scene: Scene, clock: Clock) -> None:
    run = sealed_by_the_second(scene)
    move = run.moves[0]
    closed_without_a_password(scene, move)
    scene.target.sim.faults.append(Fault("POST", "/Password", status=403, times=None))
    back = undoing(run)
    scene.finish(back)
    scene.target.sim.faults.clear()
    db.session.expire_all()
    assert scene.outcome(back) == {"ada": "failed"}
    assert move.sealed and is_unclaimed(run, move) and not why_no_claim(run, move)
    choose(link_to(move))


@pytest.mark.parametrize("status", [500, 429])
def test_a_password_of_an_attempt_that_failed_later_is_told_of(scene: Scene, clock: Clock, status: int) -> None:
    run = moved_twice(scene)
    sim, move = scene.target.sim, run.moves[0]
    closed_without_a_password(scene, move)
    sim.faults.append(Fault("POST", "/Policy", status=status))
    back = works_until_it_ends(undoing(run), clock)
    assert scene.outcome(back) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}
    assert sim.user("ada").password and move.sealed and move.remark.count(SEALED) == 1 and not why_no_claim(run, move)


def test_of_a_password_that_was_chosen_since_nothing_is_told(scene: Scene, clock: Clock) -> None:
    run = sealed_by_the_second(scene)
    move = run.moves[0]
    choose(link_to(move))
    move.remark = ""
    db.session.commit()
    taken_back(scene, run)
    assert move.remark == f"Migration {run.id + 1} was begun to take this back."


@pytest.mark.parametrize("status", [500, 429])
def test_a_run_tells_of_the_password_of_an_attempt_that_failed_later(scene: Scene, clock: Clock, status: int) -> None:
    pair(scene)
    scene.move(removal=Removal.KEEP)
    sim = scene.target.sim
    account = sim.user("ada")
    account.password, account.policy["IsDisabled"] = "", True
    sim.faults.append(Fault("POST", "/Policy", status=status))
    run = works_until_it_ends(scene.start(removal=Removal.KEEP), clock)
    assert scene.outcome(run) == {"ada": "moved"} and account.password
    assert run.moves[0].sealed and run.moves[0].remark.count(SEALED) == 1


@ON_BOTH
def test_what_an_undo_has_closed_is_not_opened_again_for_a_link(scene: Scene, clock: Clock) -> None:
    pair(scene)
    first = scene.move(removal=Removal.KEEP)
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    second = scene.move(removal=Removal.KEEP)
    closed_without_a_password(scene, second.moves[0])
    first.moves[0].remark = STAYS_CLOSED
    db.session.commit()
    taken_back(scene, second)
    assert scene.opened("ada") is None
    clock.ahead += timedelta(minutes=3)
    assert housekeep() == 0
    assert scene.opened("ada") is None and first.moves[0].remark == ""


def test_what_a_run_has_opened_is_not_opened_again_for_a_link_once_the_admin_has_closed_it(scene: Scene, clock: Clock) -> None:
    pair(scene)
    first = scene.move(removal=Removal.KEEP)
    closed_without_a_password(scene, first.moves[0])
    scene.target.sim.user("ada").policy["MaxParentalRating"] = 3
    scene.move(removal=Removal.KEEP)
    assert scene.opened("ada") == {"Films", "Shows"} and not scene.target.sim.can_sign_in("ada", "")
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    clock.ahead += timedelta(minutes=3)
    housekeep()
    assert scene.opened("ada") is None


def narrowed(scene: Scene, **policy: Any) -> str:
    """What an undo says after somebody has changed the policy since."""
    run = moved_twice(scene)
    account = scene.target.sim.user("ada")
    account.policy.update(policy)
    return taken_back(scene, run).moves[0].detail


def test_an_account_that_somebody_has_closed_since_stays_closed(scene: Scene) -> None:
    detail = narrowed(scene, IsDisabled=True, EnabledFolders=[])
    policy = scene.target.sim.user("ada").policy
    assert policy["IsDisabled"] and policy["EnabledFolders"] == [] and not policy["EnableAllFolders"]
    assert detail == "Somebody has closed more of the account on New since: it stays disabled and it stays without Films, Shows."


def test_an_account_without_a_password_that_somebody_has_disabled_since_stays_so(scene: Scene) -> None:
    run = moved_twice(scene)
    account = scene.target.sim.user("ada")
    account.password, account.policy["IsDisabled"] = "", True
    back = taken_back(scene, run)
    assert scene.opened("ada") is None and not scene.target.sim.can_sign_in("ada", "")
    assert "it stays disabled" in back.moves[0].detail and not run.moves[0].sealed


@pytest.mark.parametrize("all_before", [False, True])
def test_a_library_that_somebody_has_taken_since_stays_taken(scene: Scene, all_before: bool) -> None:
    pair(scene)
    scene.move(removal=Removal.KEEP)
    account = scene.target.sim.user("ada")
    if all_before:
        account.policy.update(EnableAllFolders=True, EnabledFolders=[])
    else:
        with_one_more_library(scene)
    run = scene.move(removal=Removal.KEEP)
    films = next(library.remote_id for library in scene.target.row.libraries if library.name == "Films")
    assert films in account.policy["EnabledFolders"]
    account.policy["EnabledFolders"] = [one for one in account.policy["EnabledFolders"] if one != films]
    back = taken_back(scene, run)
    opened = scene.opened("ada")
    assert opened is not None and "Shows" in opened and "Films" not in opened and (len(opened) > 1) is all_before
    assert back.moves[0].detail == "Somebody has closed more of the account on New since: it stays without Films."
    assert account.policy["EnableAllFolders"] is False


def test_what_somebody_has_opened_further_since_is_made_again_what_it_was(scene: Scene) -> None:
    assert narrowed(scene, EnableAllFolders=True, EnabledFolders=[]) == ""
    assert scene.opened("ada") == {"Films", "Shows"}


def test_a_second_attempt_comes_to_the_same_as_the_first(scene: Scene) -> None:
    run = moved_twice(scene)
    films = next(library.remote_id for library in scene.target.row.libraries if library.name == "Films")
    account = scene.target.sim.user("ada")
    account.policy["EnabledFolders"] = [one for one in account.policy["EnabledFolders"] if one != films]
    scene.target.sim.faults.append(Fault("POST", "/Policy", effect=True, drop=True))
    back = taken_back(scene, run)
    assert scene.opened("ada") == {"Shows"} and not back.moves[0].detail.startswith("Read back")


def test_a_removal_whose_answer_was_lost_is_offered_to_be_taken_back(scene: Scene) -> None:
    pair(scene)
    scene.move(removal=Removal.KEEP)
    dies_at_a_policy(scene.source)
    run = work_off(scene, scene.start())
    move = run.moves[0]
    assert move.taken and move.taken_at is None and move.given_at is None and scene.opened("ada", scene.source) is None
    assert [one.move for one in undoable(run)] == [move] and is_anything_left(run.id) and not why_no_undo(run, move)


def test_a_change_whose_answer_was_lost_is_offered_to_be_taken_back(scene: Scene) -> None:
    pair(scene)
    scene.move(removal=Removal.KEEP)
    with_one_more_library(scene)
    dies_at_a_policy(scene.target)
    run = work_off(scene, scene.start(removal=Removal.KEEP))
    move = run.moves[0]
    assert move.before and move.given_at is None
    assert [one.move for one in undoable(run)] == [move] and is_anything_left(run.id) and not why_no_undo(run, move)
