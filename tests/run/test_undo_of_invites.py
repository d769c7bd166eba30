"""Invites of a run that is taken back: they count as withdrawn once they are, and are waited for where that comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Email, Migration, Setting
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
