"""A run that has killed one worker after another, each at the same place: paused or ended, it is left for a while and keeps nothing from
others, and nobody in it fails who could have waited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.services.run.deaths import MOST_DEATHS, MOST_FALLS, where_it_stands
from panel.services.run.holder import process_name
from panel.services.run.lease import acquire
from panel.services.run.trouble import ASK_AGAIN_S
from tests.clock import Clock, clock
from tests.run.test_taken_late import go, set_up, work_until_taking
from tests.scene import Scene

__all__ = ["clock"]


def leave_dead(run: Migration) -> None:
    """As the last of many workers leaves it that have died at the same place."""
    db.session.flush()
    run.lease_holder, run.lease_until = "", None
    db.session.flush()
    run.lease_holder, run.deaths, run.stood = "a host/a boot/1/2/3", MOST_DEATHS - 1, where_it_stands(run.id)
    run.lease_until = utc_now() - timedelta(seconds=1)
    db.session.commit()


def test_one_that_takes_its_machine_down_each_time_ends_too(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben")
    run = scene.start()
    running.work(run.id, slice_s=0)
    machine, _, namespace, pid, started = process_name().split("/")
    for falls in range(MOST_FALLS):
        lease = acquire(run.id, 60.0)
        assert lease is not None and (lease.deaths, lease.falls) == (0, falls)
        db.session.execute(update(Migration).values(lease_holder=f"{machine}/start {falls}/{namespace}/{pid}/{started}"))
        db.session.commit()
    running.work(run.id)
    db.session.expire_all()
    assert run.status is MigrationStatus.FAILED and run.ended_at is not None and "died again and again" in run.problem
    assert (run.deaths, run.falls) == (0, 0)


@pytest.mark.parametrize("again", [steer.resume, steer.retry])
def test_one_that_is_taken_up_again_at_that_moment_goes_on(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, again: Callable[[Migration], object]
) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben")
    run = scene.start()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    if again is steer.resume:
        steer.pause(run)
    leave_dead(run)
    stop_all = running.stop_all

    def taken_up_again(stopped: Migration, *what: Any) -> None:
        stop_all(stopped, *what)
        again(stopped)
        db.session.commit()

    monkeypatch.setattr(running, "stop_all", taken_up_again)
    verdict = running.work(run.id)
    db.session.expire_all()
    assert run.status is MigrationStatus.RUNNING and run.wake_at is None and verdict.more and run.id in running.due()
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}


def test_a_paused_one_with_an_account_in_doubt_is_left_for_a_while(scene: Scene, clock: Clock) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben")
    run = scene.start()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    move = run.moves[0]
    move.status, move.step, move.needs_look, move.attempts = MoveStatus.PENDING, Step.GIVE, True, 1
    move.created_account, move.target_member_id, move.claim = True, "", None
    move.not_before = utc_now() + timedelta(seconds=1)
    steer.pause(run)
    leave_dead(run)
    assert run.id in running.due()
    verdict = running.work(run.id)
    db.session.expire_all()
    assert run.status is MigrationStatus.PAUSED and "died again and again" in run.problem
    assert verdict.wake_at is not None and run.id not in running.due()
    clock.ahead += timedelta(seconds=ASK_AGAIN_S + 1)
    assert run.id in running.due(), "what may stand open is closed all the same"


def test_an_ended_one_holds_no_server_and_nobody(scene: Scene, clock: Clock) -> None:
    set_up(scene, "jellyfin", "plex", "ada", "ben")
    run = go(scene, *scene.sides)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)
    run.moves[0].claim = run.epoch
    scene.source.row.migration_id = run.id
    assert run.ended_at is not None
    leave_dead(run)
    running.work(run.id)
    db.session.expire_all()
    assert scene.source.row.migration_id is None and not any(move.claim for move in run.moves)
    assert run.id not in running.due()
    clock.ahead += timedelta(seconds=ASK_AGAIN_S + 1)
    assert run.id in running.due()
    running.work(run.id)
    db.session.expire_all()
    assert set(scene.outcome(run).values()) == {"moved"}


@pytest.mark.parametrize("step", [Step.TAKE, Step.GIVE])
def test_in_a_paused_one_whoever_is_in_hand_waits_for_it_to_be_resumed(scene: Scene, step: Step) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben")
    run = scene.start()
    if step is Step.TAKE:
        work_until_taking(scene, run)
    else:
        running.work(run.id, slice_s=0)
    db.session.expire_all()
    move = run.moves[1]
    move.claim, move.status, move.step = run.epoch, MoveStatus.MOVING, step
    steer.pause(run)
    leave_dead(run)
    running.work(run.id)
    db.session.expire_all()
    assert run.status is MigrationStatus.PAUSED and "died again and again" in run.problem
    assert "failed" not in scene.outcome(run).values() and move.claim is None and move.needs_look
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}


def test_a_cancel_keeps_no_sentence_about_what_had_stopped_it(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben")
    run = scene.start()
    running.work(run.id, slice_s=0)
    steer.pause(run)
    leave_dead(run)
    running.work(run.id)
    db.session.expire_all()
    assert run.problem
    steer.cancel(run)
    db.session.commit()
    assert run.problem == ""
