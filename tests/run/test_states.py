"""Whatever a run goes through, its status and those of its users follow the tables from which the documentation is printed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from panel.domain.statuses import MIGRATION_TRANSITIONS, MOVE_TRANSITIONS, MigrationStatus, MoveStatus, Removal
from panel.extensions import db
from panel.models.types import utc_now
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.services.run.start import Schedule, start
from panel.simulators.http import Fault
from tests.run.test_steering import Press, set_up
from tests.run.test_undo import undo_all
from tests.scene import Scene

TABLES = ("moves", "migrations")


@pytest.fixture(autouse=True)
def watched(app: Flask) -> Iterator[None]:
    """Every change of a status is noted by the database itself, and compared in the end."""
    for table in TABLES:
        db.session.execute(text(f"CREATE TABLE seen_{table} (old TEXT, new TEXT)"))
        db.session.execute(
            text(
                f"CREATE TRIGGER watch_{table} AFTER UPDATE OF status ON {table} WHEN OLD.status <> NEW.status "
                f"BEGIN INSERT INTO seen_{table} VALUES (OLD.status, NEW.status); END"
            )
        )
    db.session.commit()
    yield
    db.session.rollback()
    moves, runs = ({(old, new) for old, new in db.session.execute(text(f"SELECT old, new FROM seen_{table}"))} for table in TABLES)
    assert moves and runs, "somebody was at work"
    assert [(old, new) for old, new in moves if MoveStatus(new) not in MOVE_TRANSITIONS[MoveStatus(old)]] == []
    assert [(old, new) for old, new in runs if MigrationStatus(new) not in MIGRATION_TRANSITIONS[MigrationStatus(old)]] == []


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
