"""Pause, resume, cancel, retry and start, pressed at the worst moments: while a user is in hand, twice at once, with no worker running."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, MoveStatus, Removal, Step
from panel.extensions import db
from panel.models import Migration, Move, Server, Setting
from panel.services import run as running
from panel.services.preflight import assess
from panel.services.run import rows, steer
from panel.services.run.start import Blocked, start
from panel.simulators.http import Call, Fault
from tests.databases import BOTH, ON_BOTH
from tests.scene import Scene
from tests.watched import by_hand

PEOPLE = ("ada", "ben", "cleo", "dora")
#: Each database locks in its own way.


def set_up(scene: Scene, source: str, target: str) -> None:
    """Two servers (Plex ones of one account) and four people on the source."""
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner)
    for name in PEOPLE:
        scene.person(name)


class Press:
    """A button, pressed by somebody else at the moment a changing request for a user reaches the target."""

    def __init__(self, app: Flask, scene: Scene, run: Migration, act: Callable[[Migration], object]) -> None:
        self.app, self.run_id, self.act = app, run.id, act
        self.pressed = threading.Event()
        self.in_hand: set[str] = set()
        "Who was in hand when it took effect."
        self.begun: set[str] = set()
        "Who was in hand or had been given access then."
        for sim in (scene.tv, scene.target.sim):
            sim.on_call = self.on_call

    def on_call(self, call: Call, moment: str) -> None:
        """Hooked into the simulators, whose threads are other people to the worker."""
        if call.method == "GET" or moment != "before" or self.pressed.is_set():
            return
        self.pressed.set()
        with self.app.app_context():
            self.act(db.session.get_one(Migration, self.run_id))
            db.session.commit()
            moves = db.session.scalars(db.select(Move).where(Move.migration_id == self.run_id)).all()
            self.in_hand = {move.name for move in moves if move.claim is not None}
            self.begun = self.in_hand | {move.name for move in moves if move.given_at is not None}
            db.session.commit()


def held(scene: Scene) -> list[str]:
    """Names of the servers that some run holds."""
    db.session.expire_all()
    return sorted(side.row.name for side in scene.sides if side.row.migration_id is not None)


@ON_BOTH
@pytest.mark.parametrize(("source", "target", "in_hand"), [("plex", "plex", 1), ("jellyfin", "emby", 2)])
def test_a_pause_lets_whoever_is_in_hand_be_finished_and_begins_nobody_else(
    app: Flask, scene: Scene, source: str, target: str, in_hand: int
) -> None:
    set_up(scene, source, target)
    run = scene.start()
    press = Press(app, scene, run, steer.pause)
    scene.finish(run)
    assert press.pressed.is_set()
    assert run.status is MigrationStatus.PAUSED and run.ended_at is None
    given = [move.name for move in run.moves if move.given_at is not None]
    assert len(press.in_hand) <= in_hand, "side by side two may be in hand where no pace applies"
    assert given and set(given) <= press.begun
    assert all(scene.opened(name) == {"Films", "Shows"} for name in given)
    waiting = [move for move in run.moves if move.name not in given]
    assert all(move.status is MoveStatus.PENDING and move.step is Step.GIVE and move.claim is None for move in waiting)
    assert all(scene.opened(move.name) is None for move in waiting)
    sent = len(scene.changes(scene.target)), len(scene.changes(scene.source))
    scene.finish(run)
    assert (len(scene.changes(scene.target)), len(scene.changes(scene.source))) == sent, "a paused run does nothing more"
    assert running.due() == []
    assert held(scene) == ["New", "Old"], "a paused run keeps its servers"


@ON_BOTH
@pytest.mark.parametrize(("source", "target"), [("plex", "plex"), ("jellyfin", "emby")])
def test_a_resumed_run_goes_on_where_it_stopped_and_repeats_nothing(app: Flask, scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    run = scene.start()
    Press(app, scene, run, steer.pause)
    scene.finish(run)
    steer.resume(run)
    db.session.commit()
    assert running.due() == [run.id]
    scene.finish(run)
    assert run.status is MigrationStatus.FINISHED
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    if target == "plex":
        assert len(scene.tv.calls("POST", "shared_servers")) == len(PEOPLE)
    else:
        assert len(scene.target.sim.calls("POST", "/Users/New")) == len(PEOPLE)
    assert held(scene) == []


@ON_BOTH
@pytest.mark.parametrize(("source", "target", "in_hand"), [("plex", "plex", 1), ("jellyfin", "emby", 2)])
def test_a_cancel_finishes_who_is_in_hand_settles_the_given_cancels_the_rest_and_frees_the_servers(
    app: Flask, scene: Scene, source: str, target: str, in_hand: int
) -> None:
    set_up(scene, source, target)
    run = scene.start()
    press = Press(app, scene, run, steer.cancel)
    scene.finish(run)
    assert press.pressed.is_set()
    assert run.status is MigrationStatus.CANCELLED and run.ended_at is not None
    outcome = scene.outcome(run)
    moved = [name for name, status in outcome.items() if status == "moved"]
    assert len(press.in_hand) <= in_hand and moved and set(moved) <= press.begun
    assert all(status == "cancelled" for name, status in outcome.items() if name not in moved)
    for name in PEOPLE:
        assert scene.opened(name) == ({"Films", "Shows"} if name in moved else None)
        assert scene.opened(name, scene.source) == (None if name in moved else {"Films"})
    assert held(scene) == []


@ON_BOTH
def test_a_cancel_settles_those_given_access_before_the_pause(app: Flask, scene: Scene) -> None:
    set_up(scene, "plex", "plex")
    run = scene.start()
    Press(app, scene, run, steer.pause)
    scene.finish(run)
    assert [move.step for move in run.moves].count(Step.CHECK) == 1
    steer.cancel(run)
    db.session.commit()
    scene.finish(run)
    assert sorted(scene.outcome(run).values()) == ["cancelled", "cancelled", "cancelled", "moved"]
    assert run.ended_at is not None and held(scene) == []


def fail_everyone(scene: Scene, status: int) -> Migration:
    """A run in which the target takes no new account."""
    set_up(scene, "jellyfin", "emby")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=None, status=status, body="Not now."))
    run = scene.start()
    for _ in range(50):
        scene.finish(run)
        if run.ended_at is not None:
            break
        run.wake_at = None
        db.session.commit()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "failed")
    scene.target.sim.faults.clear()
    return run


def test_a_retry_of_all_takes_everyone_whose_failure_may_pass(scene: Scene) -> None:
    run = fail_everyone(scene, status=500)
    assert all(move.retryable for move in run.moves)
    assert steer.retry(run) == len(PEOPLE)
    db.session.commit()
    assert run.status is MigrationStatus.RUNNING and held(scene) == ["New", "Old"]
    scene.finish(run)
    assert run.status is MigrationStatus.FINISHED
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert len(scene.target.sim.users) == 1 + len(PEOPLE)


def test_a_retry_of_one_takes_that_one_even_where_the_server_had_said_no(scene: Scene) -> None:
    run = fail_everyone(scene, status=400)
    assert not any(move.retryable for move in run.moves)
    with pytest.raises(steer.NotPossible):
        steer.retry(run)
    ben = next(move for move in run.moves if move.name == "ben")
    assert steer.retry(run, ben.id) == 1
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {**dict.fromkeys(PEOPLE, "failed"), "ben": "moved"}
    assert held(scene) == []


def test_a_retry_is_refused_while_another_run_uses_a_server(scene: Scene) -> None:
    run = fail_everyone(scene, status=500)
    other = scene.start()
    with pytest.raises(steer.NotPossible, match="using one of the two servers"):
        steer.retry(run)
    db.session.expire_all()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "failed"), "a refused retry changes nothing"
    assert other.status is MigrationStatus.QUEUED


def test_a_retry_is_dated_only_where_the_run_had_ended(scene: Scene) -> None:
    set_up(scene, "jellyfin", "jellyfin")
    run = scene.start()
    run.moves[0].status, run.moves[0].retryable = MoveStatus.FAILED, True
    db.session.commit()
    steer.retry(run)
    db.session.commit()
    assert run.retried_at is None, "there is no idle time between its start and its end"
    scene.finish(run)
    ended_at = run.ended_at
    with by_hand():
        run.moves[0].status, run.moves[0].step, run.moves[0].retryable = MoveStatus.FAILED, Step.CHECK, True
    steer.retry(run, run.moves[0].id)
    db.session.commit()
    assert ended_at and run.ended_at is None and run.retried_at and run.retried_at >= ended_at


def test_a_retry_of_somebody_who_did_not_fail_is_refused(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.move()
    for move_id in (None, run.moves[0].id, 12345):
        with pytest.raises(steer.NotPossible, match="Nobody|has not failed"):
            steer.retry(run, move_id)


@pytest.mark.parametrize("direction", ["same pair", "back again"])
def test_a_start_is_refused_while_a_run_uses_one_of_the_servers(scene: Scene, direction: str) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    pair = (scene.source.row, scene.target.row) if direction == "same pair" else (scene.target.row, scene.source.row)
    db.session.expire_all()
    flight = assess(*pair)
    assert "migration_running" in [refusal.code.value for refusal in flight.blockers]
    with pytest.raises(Blocked):
        start(flight)
    scene.finish(run)
    assert run.status is MigrationStatus.FINISHED
    db.session.expire_all()
    assert "migration_running" not in [refusal.code.value for refusal in assess(*pair).blockers]


class TestTwoClicks:
    """On both databases: each locks in its own way."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    @pytest.mark.parametrize("direction", ["same pair", "back again"])
    def test_of_two_starts_at_the_same_time_one_is_refused_and_one_run_exists(self, app: Flask, scene: Scene, direction: str) -> None:
        set_up(scene, "jellyfin", "emby")
        pair = (scene.source.row.id, scene.target.row.id)
        Setting.current()
        db.session.commit()
        both_judged = threading.Barrier(2)
        answers: list[str] = []

        def click(source_id: int, target_id: int) -> None:
            with app.app_context():
                flight = assess(db.session.get_one(Server, source_id), db.session.get_one(Server, target_id))
                both_judged.wait(60)
                try:
                    start(flight)
                    db.session.commit()
                    answers.append("started")
                except Blocked as blocked:
                    answers.extend(refusal.code.value for refusal in blocked.refusals)

        second = pair if direction == "same pair" else pair[::-1]
        clicks = [threading.Thread(target=click, args=ids) for ids in (pair, second)]
        for thread in clicks:
            thread.start()
        for thread in clicks:
            thread.join(90)
        assert sorted(answers) == ["migration_running", "started"]
        run = db.session.scalars(db.select(Migration)).one()
        assert {side.row.migration_id for side in scene.sides if db.session.refresh(side.row) is None} == {run.id}
        assert len(run.moves) == len(PEOPLE)


def test_without_a_worker_a_pause_holds_the_queue_and_a_resume_lets_go(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    steer.pause(run)
    db.session.commit()
    assert running.due() == []
    scene.finish(run)
    assert run.status is MigrationStatus.PAUSED
    assert scene.changes(scene.target) == []
    steer.resume(run)
    db.session.commit()
    assert running.due() == [run.id]
    scene.finish(run)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")


def test_without_a_worker_a_cancel_counts_at_once_and_the_next_worker_ends_the_run(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    steer.cancel(run)
    db.session.commit()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "cancelled")
    assert running.due() == [run.id] or run.ended_at is not None
    scene.finish(run)
    assert run.status is MigrationStatus.CANCELLED and run.ended_at is not None
    assert scene.changes(scene.target) == [] and scene.changes(scene.source) == []
    assert held(scene) == []


def test_what_makes_no_sense_is_refused_with_the_state_and_changes_nothing(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start(removal=Removal.KEEP)
    with pytest.raises(steer.NotPossible, match="queued"):
        steer.resume(run)
    steer.pause(run)
    db.session.commit()
    with pytest.raises(steer.NotPossible, match="paused"):
        steer.pause(run)
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    for act in (steer.pause, steer.resume, steer.cancel):
        with pytest.raises(steer.NotPossible, match="finished"):
            act(run)
    assert run.status is MigrationStatus.FINISHED


@ON_BOTH
@pytest.mark.parametrize(("source", "target"), [("plex", "plex"), ("jellyfin", "emby")])
@pytest.mark.parametrize("status", [500, 429])
def test_a_cancel_while_the_server_has_a_bad_moment_ends_the_run_all_the_same(
    app: Flask, scene: Scene, source: str, target: str, status: int
) -> None:
    set_up(scene, source, target)
    run = scene.start()
    press = Press(app, scene, run, steer.cancel)
    sim = scene.tv if target == "plex" else scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New|/shared_servers", times=1, status=status, headers={"Retry-After": "1"}))
    for _ in range(50):
        scene.finish(run)
        if run.ended_at is not None:
            break
        run.wake_at = None
        db.session.commit()
    assert press.pressed.is_set()
    assert run.status is MigrationStatus.CANCELLED and run.ended_at is not None
    assert set(scene.outcome(run).values()) <= {"moved", "failed", "cancelled"}
    for name, outcome in scene.outcome(run).items():
        assert scene.opened(name) == ({"Films", "Shows"} if outcome == "moved" else None)
    assert held(scene) == []


def one_with_access_on_both(scene: Scene, source: str, target: str) -> Migration:
    """A queued run for somebody who has access to the target already, but not what is meant for them."""
    scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    user = scene.person("ada")
    scene.place(user, scene.target, ("Home videos",))
    db.session.commit()
    return scene.start()


def work_until(run: Migration, reached: Callable[[], object]) -> None:
    """Bit by bit, until it is so."""
    for _ in range(20):
        db.session.expire_all()
        if reached():
            return
        running.work(run.id, slice_s=0)
    raise AssertionError([(move.name, move.step, move.status) for move in run.moves])


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}])
def test_a_cancel_finishes_whose_edit_may_have_landed(scene: Scene, fault: dict[str, Any]) -> None:
    run = one_with_access_on_both(scene, "jellyfin", "emby")
    scene.target.sim.faults.append(Fault("POST", "/Policy", effect=True, **fault))
    work_until(run, lambda: scene.target.sim.calls("POST", "/Policy"))
    assert run.moves[0].status is MoveStatus.PENDING
    steer.cancel(run)
    db.session.commit()
    scene.finish(run)
    assert (run.status, scene.outcome(run)) == (MigrationStatus.CANCELLED, {"ada": "moved"})
    assert run.ended_at is not None and held(scene) == []
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == ({"Films", "Shows"}, None)


class TestBegun:
    """What was begun is seen by both databases."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    def test_a_cancel_cancels_only_whom_nothing_was_sent_for(self, scene: Scene) -> None:
        run = one_with_access_on_both(scene, "jellyfin", "emby")
        work_until(run, lambda: run.prepared_at)
        (ada,) = run.moves
        ada.needs_look, ada.before = True, {"libraries": [], "all_libraries": False, "settings": {}}
        run.status = MigrationStatus.CANCELLED
        db.session.commit()
        rows.drop_untouched(run.id)
        db.session.refresh(ada)
        assert ada.status is MoveStatus.PENDING
        ada.before, ada.taken = {}, {"libraries": [], "all_libraries": False, "settings": {}}
        db.session.commit()
        rows.drop_untouched(run.id)
        db.session.refresh(ada)
        assert ada.status is MoveStatus.PENDING
        ada.taken = {}
        db.session.commit()
        rows.drop_untouched(run.id)
        db.session.refresh(ada)
        assert ada.status is MoveStatus.CANCELLED


def test_a_cancel_finishes_who_was_given_access_that_somebody_changes_meanwhile(scene: Scene) -> None:
    run = one_with_access_on_both(scene, "jellyfin", "emby")
    work_until(run, lambda: run.moves[0].step is Step.CHECK)
    policy = scene.target.sim.user("ada").policy
    policy["EnabledFolders"] = policy["EnabledFolders"][:1]
    steer.cancel(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and run.ended_at is not None
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == ({"Films", "Shows"}, None)


def test_a_cancel_before_anything_was_sent_leaves_an_access_that_was_there_as_it_was(scene: Scene) -> None:
    run = one_with_access_on_both(scene, "jellyfin", "emby")
    work_until(run, lambda: run.prepared_at)
    steer.cancel(run)
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "cancelled"} and run.ended_at is not None
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == ({"Home videos"}, {"Films"})


def test_a_plex_share_removed_by_hand_in_a_pause_is_made_anew(scene: Scene) -> None:
    run = one_with_access_on_both(scene, "plex", "plex")
    work_until(run, lambda: run.prepared_at)
    steer.pause(run)
    db.session.commit()
    scene.tv.remove(scene.target.sim.share_of("ada@example.test"))
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert (scene.outcome(run), scene.opened("ada")) == ({"ada": "moved"}, {"Films", "Shows"}), [move.detail for move in run.moves]


def taking_and_paused(scene: Scene) -> Migration:
    """A run that is paused when everybody has been read back and nobody has been taken."""
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    work_until(run, lambda: all(move.step is Step.TAKE for move in run.moves))
    steer.pause(run)
    db.session.commit()
    return run


def test_a_source_that_misses_two_answers_after_a_pause_is_waited_for(scene: Scene) -> None:
    run = taking_and_paused(scene)
    scene.source.sim.faults.append(Fault("GET", "/System/Info/Public", drop=True, times=2))
    steer.resume(run)
    db.session.commit()
    scene.finish(run)
    assert run.note == "" and set(scene.outcome(run).values()) == {"moved"}
    assert all(scene.opened(name, scene.source) is None for name in PEOPLE)


def test_a_source_that_stays_away_after_a_pause_fails_the_run_and_a_retry_goes_on(scene: Scene) -> None:
    run = taking_and_paused(scene)
    down = Fault("GET", "/System/Info/Public", drop=True, times=None)
    scene.source.sim.faults.append(down)
    steer.resume(run)
    db.session.commit()
    work_until(run, lambda: run.ended_at)
    scene.source.sim.faults.remove(down)
    assert run.status is MigrationStatus.FAILED and "Old" in run.problem and run.source_reached
    assert all(scene.opened(name, scene.source) == {"Films"} for name in PEOPLE)
    assert set(scene.outcome(run).values()) == {"failed"}
    assert all(run.problem in move.detail and move.retryable for move in run.moves)
    steer.retry(run)
    db.session.commit()
    scene.finish(run)
    assert run.note == "" and set(scene.outcome(run).values()) == {"moved"}
    assert all(scene.opened(name, scene.source) is None for name in PEOPLE)


def test_nothing_is_removed_where_the_page_says_so(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    down = Fault("GET", "/System/Info/Public", drop=True, times=None)
    scene.source.sim.faults.append(down)
    work_until(run, lambda: run.prepared_at)
    scene.source.sim.faults.remove(down)
    scene.finish(run)
    assert "nothing is removed there" in run.note and set(scene.outcome(run).values()) == {"moved"}
    assert all(scene.opened(name, scene.source) == {"Films"} for name in PEOPLE)
