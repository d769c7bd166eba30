"""`flask undo`: whom it takes back what was done for, and with which code it ends."""

from __future__ import annotations

from flask import Flask

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration, User
from panel.simulators.http import Fault
from tests.run.test_contract import flask
from tests.run.test_taken_late import set_up
from tests.scene import Scene


def taken_back(run: Migration) -> set[str]:
    """The account names for which what the run did is taken back."""
    backs = db.session.scalars(db.select(Migration).where(Migration.undoes_id == run.id))
    return {move.account_name for back in backs for move in back.moves}


def test_of_two_people_of_one_name_it_takes_neither_before_it_knows_which(app: Flask, scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin", "anna one", "anna two")
    for user in db.session.scalars(db.select(User)):
        user.jellyfin_name, user.name = user.name, "anna"
    db.session.commit()
    run = scene.move()
    assert [move.status for move in run.moves] == [MoveStatus.MOVED] * 2
    result = flask(app, "undo", str(run.id), "--user", "anna")
    assert result.exit_code == 1 and not taken_back(run)
    assert "has 2 users named “anna”. Name the account, “anna one” or “anna two”, or use the run’s page." in result.stderr
    assert flask(app, "undo", str(run.id), "--user", "anna two").exit_code == 0
    assert len(taken_back(run)) == 1 and scene.outcome(run) == {"anna": "moved"}
    (back,) = db.session.scalars(db.select(Migration).where(Migration.undoes_id == run.id))
    assert [move.user.jellyfin_name for move in back.moves] == ["anna two"]


def test_it_ends_with_1_where_something_could_not_be_taken_back(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby", "ada")
    run = scene.move()
    scene.source.sim.faults.append(Fault("POST", "/Policy", status=400, times=None, body="no"))
    result = flask(app, "undo", str(run.id), "--wait")
    assert "1 failed" in result.stdout and result.exit_code == 1
    scene.source.sim.faults.clear()
    assert flask(app, "undo", str(run.id), "--wait").exit_code == 0


def test_it_says_that_nobody_works(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby", "ada")
    result = flask(app, "undo", str(scene.move().id))
    assert result.exit_code == 0 and "No worker is running" in result.stderr
