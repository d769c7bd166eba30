"""On PostgreSQL a worker and somebody who presses a button never wait for each other in a circle, or the button is pressed once more."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.services import run as running
from panel.services.run import steer, undo
from panel.simulators.http import Call, Fault
from tests.databases import BOTH
from tests.run.buttons import Button, before, press_and_see, pressed
from tests.run.test_steering import set_up, work_until
from tests.scene import Scene

look_again, secure, take, undoing = (sys.modules[f"panel.services.run.{name}"] for name in ("look_again", "secure", "take", "undo"))
importlib.import_module("panel.services.run.undo")


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both: each locks in its own way."""
    return str(request.param)


def all_at_take(scene: Scene) -> Migration:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    work_until(run, lambda: all(move.step is Step.TAKE for move in run.moves))
    return run


def foresaw(run: Migration, button: Button) -> bool:
    """Whether neither of the two was ended for the other's sake."""
    button.wait()
    db.session.rollback()
    db.session.refresh(run)
    return (button.refusal, run.outages) == ("", 0)


class TestNeitherWaitsForTheOther:
    """In a circle."""

    def test_a_resume_and_a_look(self, app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        run = all_at_take(scene)
        db.session.execute(db.update(Move).values(needs_look=True))
        db.session.commit()
        button, noted = Button(app, run, steer.resume), look_again.note_list
        paused: list[str] = []

        def note_list(*look: Any) -> None:
            noted(*look)
            if paused == [""]:
                paused.append("and resumed")
                press_and_see(button)

        def asked(_call: Call, moment: str) -> None:
            if moment == "before" and not paused:
                paused.append(pressed(app, run, steer.pause))

        monkeypatch.setattr(look_again, "note_list", note_list)
        scene.target.sim.on_call = asked
        running.work(run.id)
        assert paused == ["", "and resumed"] and foresaw(run, button)

    def test_a_retry_and_the_closing_of_an_account(self, app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        set_up(scene, "jellyfin", "emby")
        run = scene.start()
        running.work(run.id, slice_s=0)
        db.session.expire_all()
        move = run.moves[-1]
        move.status, move.step, move.needs_look, move.attempts, move.retryable = MoveStatus.FAILED, Step.GIVE, True, 1, True
        move.created_account, move.target_member_id, move.claim = True, "", None
        db.session.commit()
        scene.target.sim.add_user(move.account_name, "", libraries=["Films"])
        button = Button(app, run, lambda fresh: steer.retry(fresh, move.id))
        hits = before(monkeypatch, secure, "record_account", lambda: press_and_see(button))
        running.work(run.id, slice_s=0)
        assert hits.is_set() and foresaw(run, button)
        assert not scene.target.sim.can_sign_in(move.account_name, "")

    def test_a_resume_and_a_removal_that_ends_an_outage(self, app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        run = all_at_take(scene)
        run.outages = 1
        db.session.commit()
        button, recorded = Button(app, run, steer.resume), take.record
        paused: list[str] = []
        first = iter(("the first change",))

        def asked(call: Call, moment: str) -> None:
            if moment == "before" and call.method != "GET" and next(first, ""):
                paused.append(pressed(app, run, steer.pause))

        def record(*move: Any, **values: Any) -> bool:
            done = bool(recorded(*move, **values))
            if paused == [""]:
                paused.append("and resumed")
                press_and_see(button)
            return done

        monkeypatch.setattr(take, "record", record)
        scene.source.sim.on_call = asked
        running.work(run.id)
        button.wait()
        assert paused == ["", "and resumed"] and button.refusal == ""
        assert set(scene.outcome(scene.finish(run)).values()) == {"moved"}

    def test_a_retry_and_the_start_of_an_undo(self, app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        set_up(scene, "jellyfin", "emby")
        scene.source.sim.faults.append(Fault("POST", "/Policy", times=1, status=400, body="no"))
        run = scene.move()
        (failed,) = [move.id for move in run.moves if move.status is MoveStatus.FAILED]
        button = Button(app, run, lambda fresh: steer.retry(fresh, failed))
        hits = before(monkeypatch, undoing, "_let_go", lambda: press_and_see(button))
        undo.start_undo(run)
        db.session.commit()
        button.wait()
        assert hits.is_set() and "NotPossible" in button.refusal
