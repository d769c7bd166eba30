"""What this run has changed for somebody can be taken back also where another account is known as theirs when they are retried."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Account, Evidence, Migration, Move, Share, User
from panel.services import merging
from panel.services import run as running
from panel.services.run import undo
from panel.simulators.http import Call, Fault
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


def failed_while_changing(scene: Scene, remote_id: str) -> tuple[Migration, Move]:
    """A run that has failed for ada because her account took no changes; whether any was carried out is not known."""
    scene.target.sim.faults.append(Fault("POST", f"/Users/{remote_id}/Policy", times=None, status=500))
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


def retried(scene: Scene, run: Migration, ada: Move) -> str:
    """What is said of her afterwards."""
    retry(run, ada)
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "failed" and not ada.retryable
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


def test_an_account_that_was_made_and_given_is_not_forgotten_open(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin", "ada")
    sim, other = scene.target.sim, somebody("a. lovelace")
    account(scene, other, "a. lovelace")
    run = scene.start()

    def narrow(call: Call, moment: str) -> None:
        """The target shows fewer libraries than were meant, however often they are given."""
        made = sim.user("ada")
        if moment == "before" and call.method == "GET" and made and not made.policy["IsDisabled"]:
            made.policy["EnabledFolders"] = made.policy["EnabledFolders"][:1]

    sim.on_call = narrow
    scene.finish(run)
    sim.on_call = None
    ada = move_of(run, "ada")
    assert ada.status is MoveStatus.FAILED and ada.created_account and scene.opened("ada")
    merging.merge(ada.user, other)
    db.session.commit()
    assert "changed “ada” on New for them, and “a. lovelace” is known as theirs now" in retried(scene, run, ada)
    scene.finish(undo.start_undo(run))
    assert scene.opened("ada") is None and scene.opened("a. lovelace") == {"Home videos"}


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
