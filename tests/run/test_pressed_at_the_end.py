"""Pause, retry and cancel at the moment at which a worker ends, stops or judges the run: who comes second sees what the first has done."""

from __future__ import annotations

import importlib
import threading

import pytest
from flask import Flask

from panel.domain.statuses import OPEN, MigrationStatus, MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Migration, Move, Payment
from panel.services import run as running
from panel.services.run import steer, undo
from panel.services.run.lease import acquire
from panel.services.run.rounds import next_round_of
from panel.services.run.start import Schedule, start
from panel.simulators.http import Call, Fault
from tests.databases import BOTH
from tests.run.buttons import Button, before, hold, let_go_once_the_worker_waits, press_and_see, pressed
from tests.run.test_steering import PEOPLE, held, set_up, taking_and_paused
from tests.scene import Scene

# By these names the package has functions.
finish, write_out = (importlib.import_module(f"panel.services.run.{name}") for name in ("finish", "write_out"))


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both: each locks in its own way."""
    return str(request.param)


def retry_of_one(run: Migration) -> int:
    failed = db.session.scalars(db.select(Move).where(Move.migration_id == run.id, Move.status == MoveStatus.FAILED)).one()
    return steer.retry(run, failed.id)


def with_one_who_fails(scene: Scene) -> Migration:
    """A queued run of which the target refuses one user, whoever comes first."""
    set_up(scene, "jellyfin", "emby")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
    return scene.start()


def work_until_one_has_failed(scene: Scene, run: Migration) -> str:
    """Answers who."""
    for _ in range(50):
        running.work(run.id, slice_s=0)
        db.session.expire_all()
        if found := [name for name, status in scene.outcome(run).items() if status == "failed"]:
            return found[0]
    raise AssertionError(scene.outcome(run))


def is_lost(run: Migration) -> bool:
    """Whether somebody is to be moved whom no worker will ever come to."""
    db.session.rollback()
    db.session.refresh(run)
    moves = db.session.scalars(db.select(Move).where(Move.migration_id == run.id).execution_options(populate_existing=True)).all()
    return any(move.status in OPEN for move in moves) and run.id not in running.due()


def all_moved(scene: Scene, run: Migration) -> bool:
    scene.finish(run)
    return (run.status, held(scene), scene.outcome(run)) == (MigrationStatus.FINISHED, [], dict.fromkeys(PEOPLE, "moved"))


class TestPauseAtTheEnd:
    """While the worker finds that nobody is left."""

    @pytest.fixture
    def run(self, scene: Scene) -> Migration:
        """A queued run after which another round would come, for one who fails."""
        set_up(scene, "jellyfin", "emby")
        scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="No."))
        run = start(scene.preflight(), Schedule(repeat_every_h=1.0, rounds=3))
        db.session.commit()
        return run

    def test_one_that_comes_right_before_keeps_the_run_from_ending(
        self, app: Flask, scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusals: list[str] = []
        hits = before(monkeypatch, running, "finish", lambda: refusals.append(pressed(app, run, steer.pause)))
        running.work(run.id)
        assert (hits.is_set(), refusals) == (True, [""])
        self.assert_stays_paused(scene, run)

    def test_one_that_is_not_committed_yet_keeps_the_run_from_ending(
        self, app: Flask, scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        button = Button(app, run, steer.pause)
        hits = before(monkeypatch, running, "finish", lambda: hold(button))
        with let_go_once_the_worker_waits(button):
            running.work(run.id)
        button.wait()
        assert (hits.is_set(), button.refusal) == (True, "")
        self.assert_stays_paused(scene, run)

    def test_one_that_comes_while_the_end_is_not_committed_is_refused(
        self, app: Flask, scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        button = Button(app, run, steer.pause)
        hits = before(monkeypatch, finish, "free_servers", lambda: press_and_see(button))
        running.work(run.id)
        button.wait()
        assert hits.is_set() and f"Migration {run.id} is finished; only one at work can be paused." in button.refusal
        db.session.expire_all()
        assert run.status is MigrationStatus.FINISHED and run.ended_at is not None and next_round_of(run) is not None

    def assert_stays_paused(self, scene: Scene, run: Migration) -> None:
        """Whatever comes, until somebody resumes it; then it ends as it would have."""
        for _ in range(2):
            db.session.rollback()
            db.session.refresh(run)
            assert (run.status, run.ended_at, held(scene)) == (MigrationStatus.PAUSED, None, ["New", "Old"])
            assert next_round_of(run) is None and running.due() == []
            scene.finish(run)
        steer.resume(run)
        db.session.commit()
        scene.finish(run)
        assert (run.status, held(scene)) == (MigrationStatus.FINISHED, []) and run.ended_at is not None
        assert next_round_of(run) is not None


class TestRetryAtTheEnd:
    """Of the last one who had failed, while the worker finds that nobody is left."""

    def test_one_that_is_not_committed_yet_keeps_the_run_from_ending(
        self, app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = with_one_who_fails(scene)
        button = Button(app, run, retry_of_one)
        hits = before(monkeypatch, running, "finish", lambda: hold(button))
        with let_go_once_the_worker_waits(button):
            running.work(run.id)
        button.wait()
        assert (hits.is_set(), button.refusal) == (True, "")
        assert not is_lost(run)
        assert all_moved(scene, run)

    def test_one_that_comes_while_the_end_is_not_committed_takes_the_run_up_again(
        self, app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = with_one_who_fails(scene)
        button = Button(app, run, retry_of_one)
        hits = before(monkeypatch, finish, "free_servers", lambda: press_and_see(button))
        running.work(run.id)
        button.wait()
        assert (hits.is_set(), button.refusal) == (True, "")
        assert not is_lost(run)
        assert all_moved(scene, run)


class TestRetryWhileTheRunIsStopped:
    """Of one who had failed, while everybody else fails because the target refuses the key."""

    @pytest.fixture
    def run(self, scene: Scene) -> Migration:
        """A run that the target refuses once it has begun, with somebody who has failed before."""
        run = with_one_who_fails(scene)
        work_until_one_has_failed(scene, run)
        scene.target.sim.faults.append(Fault(times=None, status=401))
        return run

    def test_one_that_is_not_committed_yet_fails_with_the_others(
        self, app: Flask, scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        button = Button(app, run, retry_of_one)
        hits = before(monkeypatch, running, "stop", lambda: hold(button))
        with let_go_once_the_worker_waits(button):
            running.work(run.id)
        button.wait()
        assert (hits.is_set(), button.refusal) == (True, "")
        assert not is_lost(run)
        scene.target.sim.faults.clear()
        assert run.status is MigrationStatus.FAILED and set(scene.outcome(run).values()) <= {"moved", "failed"}
        retry_everyone(run)
        assert all_moved(scene, run)

    def test_one_that_comes_while_the_stop_is_not_committed_takes_the_run_up_again(
        self, app: Flask, scene: Scene, run: Migration, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        button = Button(app, run, retry_of_one)
        hits = before(monkeypatch, finish, "with_what_stands", lambda: press_and_see(button))
        running.work(run.id)
        button.wait()
        scene.target.sim.faults.clear()
        assert (hits.is_set(), button.refusal) == (True, "")
        assert not is_lost(run)
        scene.finish(run)
        retry_everyone(run)
        assert all_moved(scene, run)


def retry_everyone(run: Migration) -> None:
    db.session.expire_all()
    for move in run.moves:
        if move.status is MoveStatus.FAILED:
            steer.retry(run, move.id)
            db.session.commit()


def test_a_retry_in_a_cancelled_run_that_is_still_finishing_is_not_cancelled_unasked(
    app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_one_who_fails(scene)
    failed = work_until_one_has_failed(scene, run)
    steer.cancel(run)
    db.session.commit()
    button = Button(app, run, retry_of_one)

    def retry() -> None:
        button.press()
        button.wait()

    hits = before(monkeypatch, running, "drop_untouched", retry)
    running.work(run.id)
    assert (hits.is_set(), button.refusal) == (True, "")
    scene.finish(run)
    assert run.status is MigrationStatus.FINISHED and scene.outcome(run)[failed] == "moved"


def test_who_was_cancelled_while_the_source_of_an_undo_is_looked_at_is_left_alone(
    app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(scene, "jellyfin", "emby")
    back = undo.start_undo(scene.move(removal=Removal.KEEP))
    db.session.commit()
    while not back.prepared_at:
        running.work(back.id, slice_s=0)
        db.session.expire_all()
    assert {(move.status, move.step) for move in back.moves} == {(MoveStatus.PENDING, Step.CHECK)}
    hit = threading.Event()

    def on_call(call: Call, moment: str) -> None:
        if moment == "before" and not hit.is_set():
            hit.set()
            with app.app_context():
                steer.cancel(db.session.get_one(Migration, back.id))
                db.session.commit()

    scene.source.sim.on_call = on_call
    running.work(back.id)
    scene.finish(back)
    assert hit.is_set() and back.status is MigrationStatus.CANCELLED
    assert scene.outcome(back) == dict.fromkeys(PEOPLE, "cancelled")
    assert all(scene.opened(name) == {"Films", "Shows"} for name in PEOPLE), "nothing was withdrawn from somebody who counts as cancelled"


def test_who_was_cancelled_while_everyone_is_judged_stays_so(app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    # By now nobody has paid, and nobody is to be moved.
    db.session.query(Payment).delete()
    db.session.commit()
    button = Button(app, run, steer.cancel)
    hits = before(monkeypatch, write_out, "awaits_judgement", lambda: press_and_see(button))
    # SQLite lets whoever waits go on at a moment of its own, which may be after the end.
    before(monkeypatch, running, "give", button.wait)
    running.work(run.id)
    button.wait()
    assert (hits.is_set(), button.refusal) == (True, "")
    scene.finish(run)
    assert run.status is MigrationStatus.CANCELLED and run.ended_at is not None


def test_a_resume_while_a_paused_run_lets_go_of_whom_it_has_in_hand_waits_for_that(
    app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = taking_and_paused(scene)
    lease = acquire(run.id, 5)
    assert lease is not None
    run.moves[0].claim = lease.epoch
    db.session.commit()
    button = Button(app, run, steer.resume)
    hits = before(monkeypatch, finish, "_let_go", lambda: press_and_see(button))
    with lease:
        finish.stop(run, lease, "Somebody has to look.")
    button.wait()
    assert (hits.is_set(), button.refusal) == (True, "")
    db.session.expire_all()
    assert run.status is MigrationStatus.RUNNING and all(move.needs_look and move.claim is None for move in run.moves)
