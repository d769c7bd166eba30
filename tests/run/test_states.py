"""Whatever a run goes through, its status and those of its users follow the tables from which the documentation is printed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from panel.domain.statuses import MoveStatus, Removal
from panel.extensions import db
from panel.models.types import utc_now
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.services.run.start import Schedule, start
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.run.test_steering import Press, set_up
from tests.run.test_undo import undo_all
from tests.scene import Scene
from tests.watched import seen, violations


@pytest.fixture(autouse=True)
def at_work(watched: None) -> Iterator[None]:
    """What is watched here has happened: that the rules are kept is looked at in every test of a run (`watched`)."""
    yield
    db.session.rollback()
    assert seen("moves") and seen("migrations"), "somebody was at work"


@pytest.mark.parametrize("database_kind", BOTH)
def test_a_status_that_may_not_follow_is_seen(scene: Scene, watched: None) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    for table, row, wrong, right in (("moves", run.moves[0], "pending", "moved"), ("migrations", run, "queued", "finished")):
        db.session.execute(text(f"UPDATE {table} SET status = :status WHERE id = :id"), {"status": wrong, "id": row.id})
        db.session.commit()
        assert violations() == [f"{table}: {right} -> {wrong}"]
        db.session.execute(text(f"DELETE FROM seen_{table} WHERE new = :status"), {"status": wrong})
        db.session.commit()


def test_who_has_the_right_access_already(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.move(removal=Removal.KEEP)
    assert set(scene.outcome(scene.move(removal=Removal.KEEP)).values()) == {"moved"}


def test_an_invite_that_waits_and_is_accepted(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    scene.move()
    run = scene.move()
    assert set(scene.outcome(run).values()) == {"invited"}
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}


@pytest.mark.parametrize("removal", list(Removal))
@pytest.mark.parametrize("target", ["emby", "plex"])
def test_a_run_and_its_way_back(scene: Scene, target: str, removal: Removal) -> None:
    set_up(scene, "jellyfin", target)
    undo_all(scene, scene.move(removal=removal))


def test_a_pause_a_cancel_and_a_resume_before_the_time(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    later = start(scene.preflight(), Schedule(start_at=utc_now() + timedelta(hours=5)))
    for press in (steer.pause, steer.resume, steer.cancel):
        press(later)
        db.session.commit()
    scene.finish(later)
    run = scene.start()
    Press(app, scene, run, steer.pause)
    scene.finish(run)
    steer.cancel(run)
    db.session.commit()
    assert scene.finish(run).ended_at is not None


def test_failures_and_a_retry(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=2, status=500))
    scene.target.sim.faults.append(Fault("POST", "/Policy", times=3, status=400))
    run = scene.move()
    failed = [move for move in run.moves if move.status is MoveStatus.FAILED]
    assert failed
    for move in failed:
        steer.retry(run, move.id)
        db.session.commit()
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}
