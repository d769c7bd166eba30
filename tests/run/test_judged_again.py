"""Retrying one person has everybody judged anew: for those whose move is under way in the same run nothing becomes worse by that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Account, Evidence, Migration, Move
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import steer, undo
from panel.simulators.http import Call, Fault
from panel.simulators.mediabrowser import Account as SimulatedAccount
from tests.clock import Clock, clock
from tests.run.bending import Bender, of_one
from tests.run.buttons import pressed
from tests.run.doubts import in_doubt
from tests.run.test_known_as_theirs import known_as_theirs
from tests.run.test_taken_late import set_up
from tests.scene import Scene

__all__ = ["clock"]

OTHER = {"jellyfin": "emby", "emby": "jellyfin"}


def move_of(run: Migration, name: str) -> Move:
    db.session.expire_all()
    (found,) = [move for move in run.moves if move.name == name]
    return found


def retry(run: Migration, move: Move | None = None) -> None:
    steer.retry(run, move and move.id)
    db.session.commit()


def work_minutes(run: Migration, clock: Clock, minutes: int) -> None:
    for _ in range(minutes):
        running.work(run.id)
        clock.ahead += timedelta(seconds=61)


def work_until(run: Migration, status: MoveStatus, step: Step, clock: Clock | None = None) -> tuple[Move, Move | None]:
    """Until somebody has this status and, if there are two, the other has come to this step; answers both, in this order."""
    for _ in range(30):
        db.session.expire_all()
        one = next((move for move in run.moves if move.status is status), None)
        other = next((move for move in run.moves if move is not one and move.step is step), None)
        if one and (other or len(run.moves) == 1):
            return one, other
        running.work(run.id, slice_s=0)
        if clock:
            clock.ahead += timedelta(seconds=2)
    raise AssertionError("It does not come so far.")


def one_given_one_failed(scene: Scene, target: str = "jellyfin") -> tuple[Migration, Move, Move]:
    """A run in which one person waits to be read back and the target has refused the other."""
    set_up(scene, OTHER[target], target, "ada", "ben")
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    failed, given = work_until(run, MoveStatus.FAILED, Step.CHECK)
    assert given is not None
    return run, given, failed


def given_again(scene: Scene, target: str = "jellyfin") -> tuple[Migration, Move, Move]:
    """The same, where somebody has taken libraries from the first, so that the read-back sends them back to be given access."""
    run, given, failed = one_given_one_failed(scene, target)
    policy = scene.target.sim.user(given.name).policy
    policy["EnabledFolders"] = policy["EnabledFolders"][:1]
    while given.step is not Step.GIVE:
        running.work(run.id, slice_s=0)
        db.session.expire_all()
    return run, given, failed


@pytest.mark.parametrize("target", ["jellyfin", "emby"])
def test_whose_account_was_made_and_not_read_back_yet_is_no_stranger(scene: Scene, target: str) -> None:
    run, given, failed = given_again(scene, target)
    name = given.name
    retry(run, failed)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
    assert scene.opened(name) == {"Films", "Shows"} and scene.opened(name, scene.source) is None


def test_who_is_renamed_before_the_read_back_gets_no_second_account(scene: Scene) -> None:
    run, given, failed = given_again(scene)
    given.user.name = "renamed"
    db.session.commit()
    retry(run, failed)
    scene.finish(run)
    assert sorted(account.name for account in scene.target.sim.users.values() if account.name != "admin") == ["ada", "ben"]
    scene.finish(undo.start_undo(run))
    assert scene.opened("ada") is None and scene.opened("ben") is None


def test_who_failed_at_the_read_back_is_moved_by_a_retry(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin", "ada")
    run, sim = scene.start(), scene.target.sim

    def narrow(call: Call, moment: str) -> None:
        if moment == "before" and call.method == "GET" and sim.user("ada") and not sim.user("ada").policy["IsDisabled"]:
            sim.user("ada").policy["EnabledFolders"] = sim.user("ada").policy["EnabledFolders"][:1]

    sim.on_call = narrow
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed"}
    sim.on_call = None
    retry(run, move_of(run, "ada"))
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}


def put_off(run: Migration, name: str) -> None:
    """Not due for an hour."""
    move_of(run, name).not_before = utc_now() + timedelta(hours=1)
    db.session.commit()


def test_a_retry_beside_a_pass_of_giving_is_judged_before_anything_is_made(app: Flask, scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    put_off(run, "ben")
    ada, _theirs = known_as_theirs(scene, run)
    work_minutes(run, clock, 3)
    db.session.expire_all()
    assert ada.status is MoveStatus.FAILED and not ada.created_account and run.status is MigrationStatus.RUNNING
    move_of(run, "ben").not_before = run.wake_at = None
    db.session.commit()
    ada_id, refusals = ada.id, []

    def press(call: Call, moment: str) -> None:
        if moment == "before" and call.method == "POST" and not refusals:
            refusals.append(pressed(app, run, lambda run: steer.retry(run, ada_id)))

    scene.target.sim.on_call = press
    running.work(run.id)
    scene.finish(run)
    assert refusals and scene.target.sim.user("ada") is None, "“ada at home” is hers"


def test_who_was_retried_and_cancelled_is_judged_before_they_are_finished(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    put_off(run, "ben")
    ada, _theirs = known_as_theirs(scene, run)
    running.work(run.id)
    assert move_of(run, "ada").status is MoveStatus.FAILED
    retry(run, ada)
    steer.cancel(run)
    db.session.commit()
    work_minutes(run, clock, 4)
    assert scene.target.sim.user("ada") is None, "“ada at home” is hers"


def half_made(scene: Scene, run: Migration) -> SimulatedAccount:
    """The request whose answer was lost has made ada's account, and the first try at closing it comes to nothing; ben has failed."""
    sim, ben = scene.target.sim, move_of(run, "ben")
    made: SimulatedAccount = sim.user("ada") or sim.add_user("ada", "", libraries=["Films"])
    made.password = ""
    ben.status, ben.step, ben.retryable = MoveStatus.FAILED, Step.GIVE, True
    db.session.commit()
    sim.faults.append(Fault("POST", f"/Users/{made.id}/Password", times=1, status=500))
    return made


def noted_as_hers(run: Migration, made: SimulatedAccount, evidence: Evidence) -> None:
    """A sync has found the account."""
    known = Account(user_id=move_of(run, "ada").user_id, server_id=run.target_id, remote_id=made.id, name="ada", known_by=evidence)
    db.session.add(known)
    db.session.commit()


@pytest.mark.parametrize("meanwhile", ["nothing", "renamed", "found by a sync"])
def test_an_account_in_doubt_is_never_forgotten_open(scene: Scene, clock: Clock, meanwhile: str) -> None:
    run = in_doubt(scene, "ada")
    made = half_made(scene, run)
    if meanwhile == "renamed":
        move_of(run, "ada").user.name = "ada lovelace"
        db.session.commit()
    elif meanwhile == "found by a sync":
        noted_as_hers(run, made, Evidence.FOUND)
    retry(run, move_of(run, "ben"))
    work_minutes(run, clock, 5)
    assert not scene.target.sim.can_sign_in("ada", "")
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"} and scene.target.sim.user("ada lovelace") is None


def test_an_account_in_doubt_that_a_sync_has_found_is_looked_for_also_where_its_name_cannot_be_read(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    made = half_made(scene, run)
    scene.target.sim.faults.clear()
    noted_as_hers(run, made, Evidence.NAME)
    for move in run.moves:
        move.status, move.retryable = MoveStatus.FAILED, True
    run.status, run.ended_at = MigrationStatus.FAILED, utc_now()
    run.source.migration_id = run.target.migration_id = None
    db.session.commit()
    with Bender(of_one("ada", "Name", "missing")).around(scene.target.sim):
        work_minutes(run, clock, 4)
    work_minutes(run, clock, 3)
    assert not scene.target.sim.can_sign_in("ada", "")


def test_who_cannot_be_read_and_has_a_half_made_account_can_be_retried(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    half_made(scene, run)
    steer.pause(run)
    steer.resume(run)
    db.session.commit()
    with Bender(of_one("ada", "Policy", "null")).around(scene.source.sim):
        running.work(run.id)
    ada = move_of(run, "ada")
    assert ada.status is MoveStatus.FAILED and ada.retryable


@pytest.mark.parametrize("retried", [False, True])
def test_an_invite_whose_answer_was_lost_stays_this_runs_own(scene: Scene, retried: bool) -> None:
    first = scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New", owner=first.owner)
    for name in ("ada", "ben"):
        scene.person(name)
    run = scene.start()
    scene.tv.faults.append(Fault("POST", "shared_servers", times=1, status=400, body="No."))
    scene.tv.faults.append(Fault("POST", "shared_servers", times=1, effect=True, drop=True))
    failed, lost = work_until(run, MoveStatus.FAILED, Step.GIVE)
    while lost is None or not lost.created_account:
        running.work(run.id, slice_s=0)
        failed, lost = work_until(run, MoveStatus.FAILED, Step.GIVE)
    assert lost.step is Step.GIVE
    lost_id, address = lost.id, f"{lost.name}@example.test"
    if retried:
        retry(run, failed)
    scene.finish(run)
    assert db.session.get_one(Move, lost_id, populate_existing=True).given_at is not None
    scene.finish(undo.start_undo(run, [lost_id]))
    assert scene.target.sim.share_of(address) is None


@pytest.mark.parametrize("retried", [False, True])
def test_a_short_outage_of_the_source_spares_nobody_the_removal(scene: Scene, retried: bool) -> None:
    run, given, failed = one_given_one_failed(scene)
    name = given.name
    scene.source.sim.faults.append(Fault("GET", "/System/Info/Public", drop=True, times=2))
    if retried:
        retry(run, failed)
    scene.finish(run)
    assert scene.outcome(run)[name] == "moved" and scene.opened(name, scene.source) is None


def test_what_stands_in_the_way_of_others_by_now_stops_nobody_who_has_their_access(scene: Scene) -> None:
    run, given, failed = one_given_one_failed(scene)
    names = given.name, failed.name
    scene.target.row.allow_new_subscriptions = False
    db.session.commit()
    retry(run, failed)
    scene.finish(run)
    assert [scene.outcome(run)[name] for name in names] == ["moved", "failed"] and run.status is MigrationStatus.FINISHED
    left = move_of(run, names[1])
    assert left.retryable and "new subscriptions" in left.detail
    scene.target.row.allow_new_subscriptions = True
    db.session.commit()
    retry(run)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}


def test_a_source_that_refuses_by_now_spares_nobody_the_removal(scene: Scene) -> None:
    run, given, failed = one_given_one_failed(scene)
    name, token = given.name, scene.source.row.token
    scene.source.row.token = "revoked"
    db.session.commit()
    retry(run, failed)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "failed"} and run.problem
    scene.source.row.token = token
    db.session.commit()
    retry(run)
    scene.finish(run)
    assert scene.outcome(run)[name] == "moved" and scene.opened(name, scene.source) is None


def test_who_was_given_back_something_perhaps_is_finished_in_an_undo_that_is_retried_and_cancelled(scene: Scene, clock: Clock) -> None:
    set_up(scene, "jellyfin", "emby", "ada")
    back = undo.start_undo(scene.move())
    db.session.commit()
    sim = scene.source.sim
    path = f"/Users/{sim.user('ada').id}/Policy"
    sim.faults += [Fault("POST", path, times=3, status=500), Fault("POST", path, times=1, status=500, effect=True)]
    work_until(back, MoveStatus.FAILED, Step.GIVE, clock)
    assert scene.opened("ada", scene.source)
    retry(back)
    steer.cancel(back)
    db.session.commit()
    work_minutes(back, clock, 5)
    assert scene.outcome(back) == {"ada": "moved"}
