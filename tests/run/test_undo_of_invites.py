"""Invites of a run that is taken back: they count as withdrawn once they are, and are waited for where that comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from panel.domain.statuses import MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Email, Migration, Setting, User
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.reminders import remind_due
from panel.services.run import accept, steer, undo
from panel.services.run.accept import check_invites
from panel.simulators.http import Fault
from tests.run.test_undo import PEOPLE, set_up, undo_all
from tests.scene import Scene


def cancelled(scene: Scene, back: Migration) -> None:
    steer.cancel(back)
    db.session.commit()
    scene.finish(back)


def refused(scene: Scene, back: Migration) -> None:
    scene.source.sim.faults.append(Fault(status=401, times=None))
    scene.finish(back)
    scene.source.sim.faults.clear()


def all_accept(scene: Scene) -> None:
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)


@pytest.mark.parametrize("ends", [cancelled, refused])
def test_where_an_undo_comes_to_nothing_its_invites_are_waited_for(scene: Scene, ends: Callable[[Scene, Migration], None]) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    back = undo.start_undo(run)
    db.session.commit()
    ends(scene, back)
    assert set(scene.outcome(back).values()) <= {"cancelled", "failed"}
    db.session.expire_all()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "invited") and not any("taken back" in move.detail for move in run.moves)
    assert [server.id for server in accept.servers_awaited()] == [scene.target.row.id]
    all_accept(scene)
    assert check_invites(scene.target.row) == [run.id]
    scene.finish(run)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert [scene.opened(name, scene.source) for name in PEOPLE] == [None, None]
    assert scene.opened("ada") == {"Films", "Shows"}


def test_nobody_is_moved_on_by_accepting_while_it_is_taken_back(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    back = undo.start_undo(run)
    db.session.commit()
    all_accept(scene)
    assert accept.servers_awaited() == [] and check_invites(scene.target.row) == []
    db.session.expire_all()
    assert {(move.status, move.step) for move in run.moves} == {(MoveStatus.INVITED, Step.ACCEPT)}
    scene.finish(back)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved") and not scene.tv.shares_of(scene.target.sim)
    assert scene.opened("ada", scene.source) == {"Films"}
    assert {(move.status, move.step, move.detail) for move in run.moves} == {(MoveStatus.FAILED, Step.DONE, "The invite was taken back.")}
    assert run.id not in running.due() and accept.servers_awaited() == []


def test_a_removal_that_was_due_is_not_done_while_it_is_taken_back(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    all_accept(scene)
    assert check_invites(scene.target.row) == [run.id]
    db.session.expire_all()
    assert {move.step for move in run.moves} == {Step.TAKE}
    back = undo_all(scene, run)
    scene.finish(run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved") and not scene.tv.shares_of(scene.target.sim)
    assert scene.opened("ada", scene.source) == {"Films"}
    assert {move.step for move in run.moves} == {Step.DONE}


def test_of_some_taken_back_the_others_are_waited_for(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    undo_all(scene, run, "ada")
    assert scene.outcome(run) == {"ada": "failed", "ben": "invited"}
    all_accept(scene)
    assert check_invites(scene.target.row) == [run.id]
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved"}
    assert scene.opened("ada", scene.source) == {"Films"} and scene.opened("ben", scene.source) is None


def test_an_undo_that_is_tried_again_after_all_withdraws_what_was_waited_for(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    back = undo.start_undo(run)
    db.session.commit()
    refused(scene, back)
    scene.tv.withdraw(next(share for share in scene.tv.shares_of(scene.target.sim) if share.email == "ada@example.test"))
    check_invites(scene.target.row)
    db.session.expire_all()
    assert scene.outcome(run) == {"ada": "failed", "ben": "invited"}
    steer.retry(back)
    db.session.commit()
    ada = next(move for move in run.moves if move.name == "ada")
    with pytest.raises(steer.NotPossible, match="taken back"):
        steer.retry(run, ada.id)
    scene.finish(back)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved") and not scene.tv.shares_of(scene.target.sim)
    assert {(move.status, move.step) for move in run.moves} == {(MoveStatus.FAILED, Step.DONE)}


def test_nobody_is_reminded_of_an_invite_that_is_being_taken_back(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    setting = Setting.current()
    setting.smtp_host, setting.smtp_sender, setting.remind_after_d = "127.0.0.1", "p@example.test", 1
    run = scene.move()
    ada, ben = (next(move for move in run.moves if move.name == name) for name in PEOPLE)
    for move in (ada, ben):
        move.given_at = utc_now() - timedelta(days=3)
    db.session.query(Email).delete()
    back = undo.start_undo(run, [ada.id])
    db.session.commit()
    assert {mail.move_id for mail in remind_due()} == {ben.id}
    cancelled(scene, back)
    assert {mail.move_id for mail in remind_due()} == {ada.id}


@pytest.mark.parametrize("accepts", [False, True])
def test_an_invite_that_was_there_before_is_not_said_to_be_taken_back(scene: Scene, accepts: bool) -> None:
    set_up(scene, "jellyfin", "plex")
    ada = db.session.scalars(db.select(User).where(User.name == "ada")).one()
    scene.place(ada, scene.target, ("Films",), accepted=False)
    db.session.commit()
    run = scene.move()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "invited")
    if accepts:
        # Nobody has asked the server since: both sentences have to be true whether it was accepted or not.
        all_accept(scene)
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert [share.accepted for share in scene.tv.shares_of(scene.target.sim)] == [accepts], "ada's is still there"
    said = {move.name: (move.status, move.step, move.detail) for move in run.moves}
    stands = "The access is again what it was before the migration; an invite that was not accepted still waits."
    assert said["ada"] == (MoveStatus.FAILED, Step.DONE, stands)
    assert said["ben"] == (MoveStatus.FAILED, Step.DONE, "The invite was taken back.")


def failed_at_the_source(scene: Scene) -> Migration:
    set_up(scene, "jellyfin", "emby")
    run = scene.start(removal=Removal.WHEN_ACTIVE)
    scene.source.sim.faults.append(Fault("POST", "/Policy", status=403, times=None))
    scene.finish(run)
    scene.source.sim.faults.clear()
    assert {(move.status, move.step) for move in run.moves} == {(MoveStatus.FAILED, Step.TAKE)}
    return run


def test_who_had_failed_can_be_tried_again_where_an_undo_comes_to_nothing(scene: Scene) -> None:
    run = failed_at_the_source(scene)
    back = undo.start_undo(run)
    db.session.commit()
    assert all("taken back" in steer.why_no_retry(move) for move in run.moves)
    with pytest.raises(steer.NotPossible):
        steer.retry(run, run.moves[0].id)
    cancelled(scene, back)
    db.session.expire_all()
    assert not any(map(steer.why_no_retry, run.moves))
    for move in run.moves:
        steer.retry(run, move.id)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert [scene.opened(name, scene.source) for name in PEOPLE] == [None, None] and scene.opened("ada")


def test_who_had_failed_and_is_taken_back_keeps_what_was_said_and_is_not_tried_again(scene: Scene) -> None:
    run = failed_at_the_source(scene)
    said = [move.detail for move in run.moves]
    back = undo_all(scene, run)
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "moved")
    assert {(move.status, move.step, move.retryable) for move in run.moves} == {(MoveStatus.FAILED, Step.DONE, False)}
    assert [move.detail for move in run.moves] == said and all(map(steer.why_no_retry, run.moves))
    assert scene.opened("ada") is None and scene.opened("ada", scene.source)


def test_who_had_failed_and_has_the_source_back_by_an_undo_that_failed_keeps_both(scene: Scene) -> None:
    run = failed_at_the_source(scene)
    scene.target.sim.faults.append(Fault("POST", "/Policy", status=403, times=None))
    back = undo.start_undo(run)
    db.session.commit()
    scene.finish(back)
    scene.target.sim.faults.clear()
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "failed")
    steer.retry(run, run.moves[0].id)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "skipped" and "the access to Old was left as it was" in run.moves[0].detail
    assert scene.opened("ada") and scene.opened("ada", scene.source)
    steer.retry(back, back.moves[0].id)
    db.session.commit()
    scene.finish(back)
    assert scene.outcome(back)["ada"] == "moved" and scene.opened("ada") is None and scene.opened("ada", scene.source)
