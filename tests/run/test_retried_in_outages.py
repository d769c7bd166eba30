"""A retry while a server is away: it gives that server up no sooner, and spares nobody else the removal for good."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, MoveStatus, Removal
from panel.extensions import db
from panel.jobs import invites
from panel.models import Migration, User
from panel.services import run as running
from panel.services.run import steer
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.invited import two_invited
from tests.run.buttons import before, pressed
from tests.run.outages import waiting_for
from tests.run.test_judged_again import move_of, one_given_one_failed, put_off, retry, work_minutes
from tests.run.test_steering import work_until
from tests.run.test_taken_late import refuse_removal, set_up
from tests.run.working import work_until_it_ends
from tests.scene import Scene, Side

__all__ = ["clock"]

MANY = "ada", "ben", "cleo", "dora", "emil", "finn", "gus"
AWAY = Fault("", "", drop=True, times=None)


def work_through_an_outage(run: Migration, side: Side, clock: Clock) -> None:
    """One of the servers is away until the run gives up; then it is back."""
    side.sim.faults.append(AWAY)
    work_until_it_ends(run, clock, pause=timedelta(seconds=400), times=40)
    side.sim.faults.remove(AWAY)
    assert run.ended_at is not None


@pytest.mark.parametrize("everybody", [False, True])
def test_retries_during_one_outage_give_the_server_up_no_sooner(app: Flask, scene: Scene, everybody: bool) -> None:
    set_up(scene, "emby", "jellyfin", *MANY, "hana")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=len(MANY), status=400, body="No."))
    run = scene.start()
    put_off(run, "hana")
    work_until(run, lambda: all(move_of(run, name).status is MoveStatus.FAILED for name in MANY))
    assert run.status is MigrationStatus.RUNNING
    waiting_for(app, 100.0, 100.0, 100.0, 100.0, 100.0)
    scene.target.sim.faults[:] = [AWAY]
    for name in MANY:
        if everybody or name == MANY[0]:
            retry(run, move_of(run, name))
        running.work(run.id)
        db.session.expire_all()
        assert run.status is MigrationStatus.RUNNING and run.wake_at is not None, run.problem


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_a_retry_right_before_everybody_is_judged_without_the_source_gives_it_up_no_sooner(
    app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    set_up(scene, "jellyfin", "emby", "ada", "ben")
    refuse_removal(scene, "ben", 400)
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    run = scene.move()
    assert scene.outcome(run) == {"ada": "failed", "ben": "failed"}
    waiting_for(app, 100.0, 100.0, 100.0, 100.0, 100.0)
    scene.source.sim.faults[:] = [AWAY]
    retry(run, move_of(run, "ada"))
    running.work(run.id)
    clock.ahead += timedelta(seconds=101)
    ben_id, refusals = move_of(run, "ben").id, []
    # On SQLite nobody can press anything from here until everybody is judged.
    hits = before(
        monkeypatch,
        sys.modules["panel.services.run.prepare"],
        "require_epoch",
        lambda: refusals.append(pressed(app, run, lambda fresh: steer.retry(fresh, ben_id))),
    )
    running.work(run.id)
    db.session.expire_all()
    assert hits.is_set() and refusals == [""]
    assert (run.status, run.outages) == (MigrationStatus.RUNNING, 1), run.problem
    scene.source.sim.faults.clear()
    work_until_it_ends(run, clock, pause=timedelta(seconds=400), times=40)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"} and scene.opened("ben", scene.source) is None


def withdraw(scene: Scene, run: Migration, name: str) -> None:
    """An invite is gone, and asked about: its person has failed."""
    scene.tv.withdraw(scene.target.sim.share_of(f"{name}@example.test"))
    invites.check(scene.target.row.id)
    assert move_of(run, name).status is MoveStatus.FAILED


@pytest.mark.parametrize("retried", [False, True])
def test_who_waits_to_accept_is_still_taken_where_another_was_retried_while_the_source_was_away(
    scene: Scene, clock: Clock, retried: bool
) -> None:
    run = two_invited(scene)
    withdraw(scene, run, "ada")
    if retried:
        retry(run, move_of(run, "ada"))
        work_through_an_outage(run, scene.source, clock)
        assert scene.outcome(run) == {"ada": "failed", "ben": "invited"} and move_of(run, "ada").retryable
        assert run.source_reached and "Old" in run.problem
    scene.tv.accept(scene.target.sim.share_of("ben@example.test"))
    invites.check(scene.target.row.id)
    work_minutes(run, clock, 6)
    assert scene.outcome(run)["ben"] == "moved" and scene.opened("ben", scene.source) is None


@pytest.mark.parametrize("retried", [False, True])
def test_who_is_read_back_is_still_taken_where_another_was_retried_while_the_source_was_away(
    scene: Scene, clock: Clock, retried: bool
) -> None:
    run, given, failed = one_given_one_failed(scene)
    name = given.name
    if retried:
        retry(run, failed)
    work_through_an_outage(run, scene.source, clock)
    retry(run)
    scene.finish(run)
    assert scene.outcome(run)[name] == "moved" and scene.opened(name, scene.source) is None


def test_whose_access_was_there_before_the_run_is_still_taken_once_the_source_is_back(scene: Scene, clock: Clock) -> None:
    """Nothing was given to ben: what he has on the target stood there before."""
    set_up(scene, "jellyfin", "emby")
    scene.place(db.session.scalars(db.select(User).filter_by(name="ben")).one(), scene.target, ("Films", "Shows"))
    db.session.commit()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    run = scene.start()
    work_until(run, lambda: move_of(run, "ada").status is MoveStatus.FAILED)
    retry(run, move_of(run, "ada"))
    work_through_an_outage(run, scene.source, clock)
    assert scene.opened("ben", scene.source)
    retry(run)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"} and scene.opened("ben", scene.source) is None


@pytest.mark.parametrize("removal", [Removal.KEEP, Removal.AT_ONCE])
def test_where_nobody_is_to_lose_anything_the_source_is_not_waited_for(scene: Scene, clock: Clock, removal: Removal) -> None:
    """With the one nobody ever loses anything there, with the other everybody who was invited has lost it already."""
    run = two_invited(scene, removal=removal)
    withdraw(scene, run, "ada")
    retry(run, move_of(run, "ada"))
    work_through_an_outage(run, scene.source, clock)
    assert "nothing is removed there" in run.note and not run.problem
