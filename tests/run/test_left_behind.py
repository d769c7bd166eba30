"""What a dead worker left half done is finished first, whatever has become of the run in the meantime."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import pytest
from flask import Flask

from panel.config import Config
from panel.extensions import db
from panel.models import Account, Evidence, Migration, Move
from panel.services import run as running
from panel.services.run import steer
from panel.simulators.http import Call, Fault
from tests.clock import Clock, clock
from tests.run.one_worker import OneWorker
from tests.run.test_kills import Killer
from tests.scene import Scene

__all__ = ["clock"]


def killed_after_the_first_account(scene: Scene, config: Config) -> Migration:
    """A run whose worker died right after its first account was made on Emby: open, and without a password."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("ada", "ben"):
        scene.person(name)
    run = scene.start()
    killer = Killer(1, "after")
    scene.target.sim.on_call = killer.on_call
    killer.worker = OneWorker(config, run)
    killer.wait()
    assert killer.struck.is_set()
    scene.target.sim.on_call = None
    made = [account for account in scene.target.sim.users.values() if account.name in ("ada", "ben")]
    assert made and all(scene.target.sim.can_sign_in(account.name, "") for account in made), "the trap is set"
    db.session.expire_all()
    return run


@pytest.mark.parametrize("what", [None, steer.pause, steer.cancel])
def test_an_open_account_is_closed_first(app: Flask, config: Config, scene: Scene, what: object) -> None:
    run = killed_after_the_first_account(scene, config)
    if callable(what):
        what(run)
        db.session.commit()
    scene.target.sim.journal.clear()
    assert run.id in running.due(), "the periodic check finds it at once: its holder is dead"
    running.work(run.id)
    changing = scene.target.sim.calls(changes=True)
    assert changing[0].call.path.endswith("/Password"), "the first thing that is changed"
    assert not scene.target.sim.exposure.still_open()
    assert not any(moment[1] > 1 for moment in scene.target.sim.exposed_moments())


def test_a_paused_run_stays_paused_and_begins_nobody_else(app: Flask, config: Config, scene: Scene) -> None:
    run = killed_after_the_first_account(scene, config)
    begun = {"admin", *db.session.scalars(db.select(Move.name).where(Move.claim.is_not(None)))}
    steer.pause(run)
    db.session.commit()
    running.work(run.id)
    db.session.refresh(run)
    assert run.status == "paused"
    assert {account.name for account in scene.target.sim.users.values()} == begun
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}


def test_a_cancelled_run_settles_what_it_has_begun_and_frees_the_servers(app: Flask, config: Config, scene: Scene) -> None:
    run = killed_after_the_first_account(scene, config)
    begun = set(db.session.scalars(db.select(Move.name).where(Move.claim.is_not(None))))
    steer.cancel(run)
    db.session.commit()
    scene.finish(run)
    assert run.status == "cancelled" and run.ended_at is not None
    expected = {name: "moved" if name in begun else "cancelled" for name in ("ada", "ben")}
    assert scene.outcome(run) == expected
    assert scene.source.row.migration_id is None
    assert not db.session.scalars(db.select(Move).where(Move.claim.is_not(None))).all()


def test_an_account_that_may_stand_open_on_a_server_that_went_away_is_closed_when_it_comes_back(
    app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["panel.services.run.secure"], "LOOK_AGAIN_S", 0.01)
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    run = scene.start()
    sim = scene.target.sim

    def vanish(call: object, moment: str) -> None:
        if moment == "after" and sim.user("ada") is not None:
            sim.on_call = None
            sim.stop()

    sim.on_call = vanish
    for _ in range(20):
        scene.finish(run)
        if run.ended_at is not None:
            break
        run.wake_at = None
        db.session.commit()
    assert run.status == "failed" and sim.can_sign_in("ada", ""), "the run has given up, and the account is open"
    sim.start()
    run.wake_at = None
    db.session.commit()
    assert run.id in running.due()
    running.work(run.id)
    assert not sim.can_sign_in("ada", "") and sim.user("ada").policy["IsDisabled"]
    assert run.id not in running.due()
    db.session.expire_all()
    steer.retry(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}
    assert scene.opened("ada") == {"Films", "Shows"} and len(sim.users) == 2


def test_nobody_is_warned_of_an_account_that_was_closed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["panel.services.run.secure"], "LOOK_AGAIN_S", 0.0)
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    run = scene.start()
    sim = scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New", drop=True, effect=True))
    while not sim.calls("POST", "/Users/New"):
        running.work(run.id, slice_s=0)
    steer.pause(run)
    run.moves[0].remark = "What was said before."
    db.session.commit()
    sim.faults.append(Fault("GET", "/Users$", status=500))
    running.work(run.id)
    db.session.expire_all()
    (ada,) = run.moves
    assert ada.remark.startswith("What was said before. An account may stand open") and not sim.user("ada").policy["IsDisabled"]
    running.work(run.id)
    db.session.expire_all()
    assert sim.user("ada").policy["IsDisabled"] and ada.remark == "What was said before."
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and not ada.remark.count("stand open")


@pytest.mark.parametrize("skip", [0, 1])
def test_an_account_that_was_closed_meanwhile_is_finished_whole(scene: Scene, skip: int) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    run, sim = scene.start(), scene.target.sim
    sim.faults.append(Fault("POST", "/(Password|Policy)$", skip=skip, drop=True, effect=True))
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}
    assert scene.opened("ada") == {"Films", "Shows"} and not sim.can_sign_in("ada", "")
    assert sim.user("ada").connect_name, "it is linked as well"
    (ada,) = run.moves
    assert ada.created_account and not ada.before, "it was not there before"


def failed_with_a_lost_request(scene: Scene, target: str, *, effect: bool) -> Migration:
    """A run that has ended, whose requests for an account were all lost; what came of them is to be looked up in a minute."""
    scene.add_server("jellyfin" if target == "emby" else "emby", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    scene.person("ada")
    sim = scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New", times=None, drop=True, effect=effect))

    def stay_away(call: Call, moment: str) -> None:
        if call.path.endswith("/Users/New"):
            sim.faults.append(Fault("", "", times=None, status=503))

    sim.on_call = stay_away if effect else None
    run = scene.start()
    for _ in range(40):
        running.work(run.id)
        db.session.expire_all()
        if run.ended_at:
            break
        run.wake_at = None
        db.session.commit()
    assert run.ended_at and run.moves[0].status == "failed" and run.moves[0].created_account
    sim.faults.clear()
    sim.on_call = None
    return run


def a_minute_later(scene: Scene, clock: Clock) -> None:
    """Whatever is due is worked off."""
    clock.ahead += timedelta(seconds=61)
    for run_id in running.due():
        running.work(run_id)
    db.session.expire_all()


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_the_account_that_the_next_run_has_made_is_left_alone(scene: Scene, clock: Clock, target: str) -> None:
    run = failed_with_a_lost_request(scene, target, effect=False)
    again = scene.move()
    assert scene.outcome(again) == {"ada": "moved"}
    password = scene.target.sim.user("ada").password
    a_minute_later(scene, clock)
    assert scene.opened("ada") == {"Films", "Shows"} and scene.target.sim.user("ada").password == password
    assert run.id not in running.due() and not run.moves[0].created_account


def test_one_that_the_next_run_is_making_at_this_moment_too(app: Flask, scene: Scene, clock: Clock) -> None:
    run, sim = failed_with_a_lost_request(scene, "jellyfin", effect=False), scene.target.sim
    run_id, changes = run.id, []

    def work_beside() -> None:
        with app.app_context():
            assert run_id in running.due()
            running.work(run_id)

    def on_call(call: Call, moment: str) -> None:
        if moment == "after" and call.method == "POST" and call.path.endswith("/Users/New"):
            sim.on_call = None
            clock.ahead += timedelta(seconds=61)
            before = len(sim.calls(changes=True))
            beside = threading.Thread(target=work_beside)
            beside.start()
            beside.join(30)
            changes.append(len(sim.calls(changes=True)) - before)

    sim.on_call = on_call
    again = scene.move()
    assert changes == [0]
    assert scene.outcome(again) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}
    a_minute_later(scene, clock)
    assert scene.opened("ada") == {"Films", "Shows"} and run.id not in running.due()


def test_one_that_a_sync_has_found_in_the_meantime_is_closed_all_the_same(scene: Scene, clock: Clock) -> None:
    run, sim = failed_with_a_lost_request(scene, "emby", effect=True), scene.target.sim
    account, ada = sim.user("ada"), run.moves[0]
    assert sim.can_sign_in("ada", ""), "the trap is set"
    found = Account(server_id=run.target_id, user_id=ada.user_id, remote_id=account.id, name="ada", known_by=Evidence.FOUND)
    db.session.add(found)
    db.session.commit()
    a_minute_later(scene, clock)
    assert account.policy["IsDisabled"] and not sim.can_sign_in("ada", "")
    assert ada.target_account_id == account.id
