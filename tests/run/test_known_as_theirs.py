"""An account in doubt, and another one that turns out to be the same person's: that one is theirs, and the other is closed."""

from __future__ import annotations

from datetime import timedelta

from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import db
from panel.models import Account, Evidence, Migration, Move
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import steer, undo
from tests.clock import Clock, clock
from tests.run.doubts import in_doubt, paused
from tests.scene import Scene

__all__ = ["clock"]


def known_as_theirs(scene: Scene, run: Migration) -> tuple[Move, str]:
    """Nobody knows whether an account was made for ada; meanwhile another one is known as hers. Answers her row and the other's id."""
    (ada,) = [move for move in run.moves if move.name == "ada"]
    theirs = scene.target.sim.add_user("ada at home", "her own", libraries=["Home videos"])
    known = Account(user_id=ada.user_id, server_id=run.target_id, remote_id=theirs.id, name=theirs.name, known_by=Evidence.FOUND)
    db.session.add(known)
    paused(run)
    steer.resume(run)
    db.session.commit()
    return ada, theirs.id


def test_an_older_account_that_turns_out_to_be_theirs_is_given_back_by_an_undo(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    ada, theirs = known_as_theirs(scene, run)
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "failed" and "“ada at home” is known as theirs now" in ada.detail
    assert scene.opened("ada", scene.source)
    for _ in range(2):
        clock.ahead += timedelta(seconds=61)
        running.work(run.id)
    db.session.expire_all()
    steer.retry(run, ada.id)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "moved" and ada.target_account_id == theirs and not ada.created_account
    scene.finish(undo.start_undo(run))
    assert scene.opened("ada at home") == {"Home videos"}


def test_one_that_arrives_after_another_has_turned_out_to_be_theirs_is_closed(scene: Scene, clock: Clock) -> None:
    run, sim = in_doubt(scene, "ada"), scene.target.sim
    _ada, theirs = known_as_theirs(scene, run)
    scene.finish(run)
    sim.add_user("ada", "", libraries=["Films"])
    assert sim.can_sign_in("ada", ""), "the trap is set"
    clock.ahead += timedelta(seconds=61)
    running.work(run.id)
    assert not sim.can_sign_in("ada", "") and scene.opened("ada") is None
    assert not sim.users[theirs].policy["IsDisabled"]


def test_a_retry_while_the_run_is_at_work_makes_no_second_account(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, "ada")
    (ben,) = [move for move in run.moves if move.name == "ben"]
    ben.not_before = utc_now() + timedelta(hours=1)
    ada, theirs = known_as_theirs(scene, run)
    for _ in range(3):
        running.work(run.id)
        clock.ahead += timedelta(seconds=61)
    db.session.expire_all()
    assert ada.status is MoveStatus.FAILED and not ada.created_account and run.status is MigrationStatus.RUNNING
    steer.retry(run, ada.id)
    db.session.commit()
    running.work(run.id)
    db.session.expire_all()
    assert ada.target_account_id == theirs and scene.target.sim.user("ada") is None


def test_the_account_that_is_theirs_keeps_its_password_where_the_other_was_made_and_closed(scene: Scene, clock: Clock) -> None:
    run, sim = in_doubt(scene, "ada"), scene.target.sim
    ada, theirs = known_as_theirs(scene, run)
    scene.finish(run)
    sim.add_user("ada", "", libraries=["Films"])
    clock.ahead += timedelta(seconds=61)
    running.work(run.id)
    db.session.expire_all()
    assert ada.target_account_id and ada.target_account_id != theirs, "that one was closed and is known"
    steer.retry(run, ada.id)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "moved" and (ada.target_account_id, ada.created_account) == (theirs, False)
    assert sim.can_sign_in("ada at home", "her own") and not sim.can_sign_in("ada", "")
