"""What this run has changed for somebody can be taken back also where another account is known as theirs when they are retried."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from sqlalchemy import delete

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Account, Evidence, Migration, Move, Payment, Share, User
from panel.services import merging
from panel.services import run as running
from panel.services.run import undo
from panel.simulators.http import Call, Fault
from tests.run.bending import Bend, Bender, of_one
from tests.run.test_judged_again import move_of, retry
from tests.run.test_taken_late import set_up
from tests.scene import Scene


def person(name: str) -> User:
    return db.session.scalars(db.select(User).filter_by(name=name)).one()


def account(scene: Scene, user: User, name: str) -> Account:
    """One of the target's that was there before, as a sync has stored it."""
    found = scene.target.sim.add_user(name, "her own", libraries=["Home videos"])
    row = Account(user_id=user.id, server_id=scene.target.row.id, remote_id=found.id, name=name, known_by=Evidence.FOUND)
    db.session.add(row)
    db.session.commit()
    return row


def somebody(name: str) -> User:
    user = User(name=name, email=f"{name.replace(' ', '.')}@example.test")
    db.session.add(user)
    db.session.flush()
    return user


def failed_while_changing(scene: Scene, remote_id: str, *, carried_out: bool = False) -> tuple[Migration, Move]:
    """A run that has failed for ada because her account took no changes, as far as is known: in the end they may have been carried out."""
    path = f"/Users/{remote_id}/Policy"
    tries = 3 if carried_out else None
    scene.target.sim.faults += [Fault("POST", path, times=tries, status=500), Fault("POST", path, times=None, status=500, effect=True)]
    run = scene.start()
    for _ in range(8):
        running.work(run.id)
        db.session.expire_all()
        if (ada := move_of(run, "ada")).status is MoveStatus.FAILED:
            break
        ada.not_before = run.wake_at = None
        db.session.commit()
    assert ada.status is MoveStatus.FAILED and ada.before, ada.detail
    scene.target.sim.faults.clear()
    return run, ada


def without(name: str) -> Bend:
    """Lists that lack this account, which stands there all the same."""

    def bend(call: Call, body: bytes) -> tuple[bytes, str] | None:
        if call.method != "GET" or not call.path.endswith(("/Users", "/Users/Query")):
            return None
        told = json.loads(body)
        rows = told["Items"] if isinstance(told, dict) else told
        kept = [row for row in rows if row["Name"] != name]
        return json.dumps({**told, "Items": kept} if isinstance(told, dict) else kept).encode(), "left out"

    return bend


#: How a list may be silent about an account that stands there.
SILENT: dict[str, Callable[[str], Bend]] = {
    "not listed": without,
    "without an id": lambda name: of_one(name, "Id", "missing"),
    "unreadable": lambda name: of_one(name, "Policy", "null"),
}


def retried(scene: Scene, run: Migration, ada: Move, seen: Bend | None = None) -> str:
    """What is said of her afterwards; `seen`: as the target's answers are bent meanwhile."""
    retry(run, ada)
    with Bender(seen).around(scene.target.sim) if seen else nullcontext():
        scene.finish(run)
    assert scene.outcome(run)["ada"] == "failed"
    return ada.detail


@pytest.fixture
def stage(scene: Scene) -> Scene:
    set_up(scene, "jellyfin", "emby", "ada")
    return scene


def test_an_undo_does_not_make_of_one_account_what_another_was(stage: Scene) -> None:
    ada = person("ada")
    stage.place(ada, stage.target, ("Films",), settings=None)
    closed = stage.target.sim.user("ada")
    closed.policy["IsDisabled"] = True
    db.session.execute(delete(Share).where(Share.server_id == stage.target.row.id))
    db.session.commit()
    run, move = failed_while_changing(stage, closed.id)
    other = somebody("ada at home")
    account(stage, other, "ada at home")
    merging.merge(ada, other)
    db.session.commit()
    told = retried(stage, run, move)
    assert told.startswith("This migration has changed “ada” on New for them, and “ada at home” is known as theirs now. Take that back")
    stage.finish(undo.start_undo(run))
    assert stage.opened("ada at home") == {"Home videos"} and stage.opened("ada") is None
    assert stage.opened("ada", stage.source) == {"Films"}


def test_who_loses_the_account_that_was_changed_for_them_is_not_given_another_beside_it(stage: Scene) -> None:
    known = account(stage, person("ada"), "living room")
    run, move = failed_while_changing(stage, known.remote_id)
    known.user_id = somebody("ben").id
    db.session.commit()
    assert "changed “living room” on New for them, and it is not known as theirs any more" in retried(stage, run, move)
    assert stage.target.sim.user("ada") is None
    stage.finish(undo.start_undo(run))
    assert stage.opened("living room") == {"Home videos"} and stage.opened("ada", stage.source) == {"Films"}


def made_and_given(scene: Scene) -> tuple[Migration, Move, User]:
    """A run that has made an account for ada and opened it, and failed since the target shows fewer libraries than were meant, however
    often they are given. Somebody else is known by an account of hers."""
    set_up(scene, "emby", "jellyfin", "ada")
    sim, other = scene.target.sim, somebody("a. lovelace")
    account(scene, other, "a. lovelace")
    run = scene.start()

    def narrow(call: Call, moment: str) -> None:
        made = sim.user("ada")
        if moment == "before" and call.method == "GET" and made and not made.policy["IsDisabled"]:
            made.policy["EnabledFolders"] = made.policy["EnabledFolders"][:1]

    sim.on_call = narrow
    scene.finish(run)
    sim.on_call = None
    ada = move_of(run, "ada")
    assert ada.status is MoveStatus.FAILED and ada.created_account and scene.opened("ada")
    return run, ada, other


def test_an_account_that_was_made_and_given_is_not_forgotten_open(scene: Scene) -> None:
    run, ada, other = made_and_given(scene)
    merging.merge(ada.user, other)
    db.session.commit()
    assert "changed “ada” on New for them, and “a. lovelace” is known as theirs now" in retried(scene, run, ada)
    scene.finish(undo.start_undo(run))
    assert scene.opened("ada") is None and scene.opened("a. lovelace") == {"Home videos"}


@pytest.mark.parametrize("silent", SILENT)
def test_nor_is_it_by_one_list_that_is_silent_about_it(scene: Scene, silent: str) -> None:
    run, ada, other = made_and_given(scene)
    merging.merge(ada.user, other)
    db.session.commit()
    retried(scene, run, ada, SILENT[silent]("ada"))
    scene.finish(undo.start_undo(run))
    assert scene.opened("ada") is None and scene.opened("a. lovelace") == {"Home videos"}


def test_nor_where_it_is_a_name_that_somebody_else_has_by_now(scene: Scene) -> None:
    run, ada, other = made_and_given(scene)
    row = db.session.scalars(db.select(Account).filter_by(name="ada", server_id=scene.target.row.id)).one()
    row.user_id = other.id
    db.session.commit()
    assert "changed “ada” on New for them, and it is not known as theirs any more" in retried(scene, run, ada)


@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize("answers", [True, False], ids=["asked for by its id", "asked for in vain"])
def test_what_was_changed_is_given_back_also_where_one_list_is_silent_about_it(stage: Scene, silent: str, answers: bool) -> None:
    ada = person("ada")
    first = account(stage, ada, "living room")
    run, move = failed_while_changing(stage, first.remote_id, carried_out=True)
    assert stage.opened("living room") == {"Films", "Shows"}
    other = somebody("ada at home")
    account(stage, other, "ada at home")
    merging.merge(ada, other)
    db.session.commit()
    refused = Fault("GET", f"/Users/{first.remote_id}$", times=None, status=400, body="no")
    if not answers:
        stage.target.sim.faults.append(refused)
    assert "changed “living room” on New for them" in retried(stage, run, move, SILENT[silent]("living room"))
    stage.target.sim.faults.clear()
    stage.finish(undo.start_undo(run))
    assert stage.opened("living room") == {"Home videos"} == stage.opened("ada at home")


def test_a_merge_loses_nothing_of_what_an_account_was(stage: Scene) -> None:
    stage.person("ben")
    known = account(stage, person("ada"), "living room")
    run, move = failed_while_changing(stage, known.remote_id)
    stage.finish(run)
    # The account is gone, and she has not paid any more.
    del stage.target.sim.users[known.remote_id]
    db.session.delete(known)
    db.session.execute(delete(Payment).where(Payment.user_id == move.user_id))
    retry(run, move)
    stage.finish(run)
    assert stage.outcome(run)["ada"] == "skipped" and move.before
    with pytest.raises(merging.NotMergeable, match="dealt with both of them"):
        merging.merge(person("ben"), person("ada"))


def test_whose_removal_was_under_way_is_not_given_somebody_elses_account(stage: Scene) -> None:
    known = account(stage, person("ada"), "living room")
    run = stage.start()
    while (ada := move_of(run, "ada")).step is not Step.TAKE:
        running.work(run.id, slice_s=0)
    # The removal is carried out and its answer lost; before the run comes back, the account is narrowed and found to be ben's.
    stage.source.sim.faults.append(Fault("POST", "/Policy", effect=True, drop=True))
    while stage.opened("ada", stage.source):
        running.work(run.id, slice_s=0)
    stage.target.sim.user("living room").policy["EnabledFolders"] = []
    known.user_id = somebody("ben").id
    run.wake_at = ada.not_before = run.looked_at = None
    db.session.commit()
    stage.finish(run)
    assert stage.outcome(run) == {"ada": "failed"} and "it is not known as theirs any more" in move_of(run, "ada").detail
    assert not stage.opened("living room")
    stage.finish(undo.start_undo(run))
    assert stage.opened("ada", stage.source) == {"Films"}


def test_one_that_was_made_and_that_no_undo_knows_of_is_closed_by_hand(stage: Scene) -> None:
    sim, other = stage.target.sim, somebody("a. lovelace")
    account(stage, other, "a. lovelace")
    run = stage.start()
    while (ada := move_of(run, "ada")).given_at is None:
        running.work(run.id, slice_s=0)
    # As it is where the account was closed after a failure, and the answer to what opened it again was lost.
    ada.status, ada.step, ada.given_at, ada.retryable, ada.claim = MoveStatus.FAILED, Step.GIVE, None, True, None
    db.session.commit()
    stage.finish(run)
    ada = move_of(run, "ada")
    assert ada.created_account and stage.opened("ada") and not ada.before
    merging.merge(ada.user, other)
    db.session.commit()
    told = retried(stage, run, ada)
    assert told.startswith("This migration has made “ada” on New for them, and “a. lovelace” is known as theirs now. Disable it on New")
    assert ada.retryable
    sim.user("ada").policy["IsDisabled"] = True
    retry(run, ada)
    stage.finish(run)
    assert stage.outcome(run) == {"ada": "moved"} and stage.opened("a. lovelace") == {"Films", "Shows"}


def test_where_the_account_that_was_changed_is_gone_the_other_is_given_back_as_it_was(stage: Scene) -> None:
    ada = person("ada")
    first = account(stage, ada, "living room")
    run, move = failed_while_changing(stage, first.remote_id)
    other = somebody("ada at home")
    account(stage, other, "ada at home")
    merging.merge(ada, other)
    del stage.target.sim.users[first.remote_id]
    db.session.commit()
    retry(run, move)
    stage.finish(run)
    assert stage.outcome(run)["ada"] == "moved" and stage.opened("ada at home") == {"Films", "Shows"}
    stage.finish(undo.start_undo(run))
    assert stage.opened("ada at home") == {"Home videos"} and stage.opened("ada", stage.source) == {"Films"}
