"""Whatever goes wrong beside it, a run ends, its servers are free again, and what is tried again is judged again."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from panel.config import Config
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import EmailTemplate, Migration, Move, Pacemaker, Setting, User
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.preflight import ask_both
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.services.run.deaths import MOST_DEATHS
from panel.services.run.give import Giving
from panel.services.run.lease import acquire
from panel.services.run.take import Taking
from panel.services.run.trouble import MOST_ALONE
from panel.simulators.http import Call, Fault
from tests.run.one_worker import OneWorker
from tests.run.test_faults import set_up, work_off
from tests.scene import Scene

lease_module = sys.modules["panel.services.run.lease"]


class AdasAccount(Fault):
    """Nothing about one account can be changed."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(status=500, times=None)
        self.sim = scene.target.sim

    def strikes(self, call: Call) -> bool:
        """Every changing request about it."""
        ada = self.sim.user("ada")
        return bool(ada and call.method == "POST" and ada.id in call.path)


def test_an_account_that_cannot_be_closed_holds_up_nobody_else(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(AdasAccount(scene))
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert "may stand open" in next(move.remark for move in run.moves if move.name == "ada")
    assert scene.source.row.migration_id is None


def test_a_template_that_cannot_be_rendered_keeps_no_run_from_ending(scene: Scene) -> None:
    set_up(scene, "jellyfin", "jellyfin")
    setting = Setting.current()
    setting.admin_email, setting.smtp_host = "admin@example.test", "127.0.0.1"
    db.session.add(EmailTemplate(event="system_message", subject="{{ '{x}'.format() }}"))
    db.session.commit()
    run = scene.move()
    assert run.ended_at is not None and set(scene.outcome(run).values()) == {"moved"}


def test_a_refused_key_ends_the_run_as_failed_and_a_retry_takes_it_up(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", status=401, times=None))
    work_off(scene, run)
    assert run.status == "failed" and "refused the key" in run.problem
    scene.target.sim.faults.clear()
    steer.retry(run)
    db.session.commit()
    assert scene.source.row.migration_id == run.id, "the retry holds the servers again"
    work_off(scene, run)
    assert run.status == "finished" and set(scene.outcome(run).values()) == {"moved"}


def test_a_run_that_kills_each_of_its_workers_ends(config: Config, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    kills = kill_at_each_list(config, scene, run, MOST_DEATHS + 3)
    assert kills == MOST_DEATHS + 1, "the first of them had at least begun the run"
    assert run.status == "failed" and run.ended_at is not None and "died again and again" in run.problem
    assert not any(move.claim for move in run.moves) and scene.source.row.migration_id is None
    scene.target.sim.on_call = None
    steer.retry(run)
    db.session.commit()
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"}


def kill_at_each_list(config: Config, scene: Scene, run: Migration, times: int) -> int:
    """Let so many workers come one after the other, each of which dies as it asks for the list; answers how many did."""
    for killed in range(times):
        worker = OneWorker(config, run)

        def at_list(call: Call, moment: str, worker: OneWorker = worker) -> None:
            if call.path.rstrip("/").endswith("/Users") and moment == "before":
                worker.kill()

        scene.target.sim.on_call = at_list
        worker.wait()
        db.session.expire_all()
        if run.ended_at is not None:
            return killed
    return times


def test_a_death_counts_only_where_nothing_came_of_the_work_before_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    found = []
    for moment in range(6):
        # Each dies with the run in its hands, the fourth of them after somebody was given access.
        monkeypatch.setattr(lease_module, "is_dead", lambda _name: True)
        monkeypatch.setattr(lease_module, "is_to_blame", lambda _name: True)
        lease = acquire(run.id, 5)
        assert lease is not None
        db.session.refresh(run)
        assert run.deaths == lease.deaths and run.falls == lease.falls == lease.deaths
        found.append(lease.deaths)
        if moment == 3:
            db.session.execute(update(Move).where(Move.name == "ada").values(step=Step.CHECK, given_at=utc_now()))
        db.session.execute(update(Move).where(Move.name == "ben").values(claim=lease.epoch, status=MoveStatus.MOVING))
        db.session.commit()
    assert found == [0, 1, 2, 3, 0, 1]


def test_a_hold_that_was_not_taken_counts_no_death(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    assert acquire(run.id, 60) is not None
    db.session.refresh(run)
    before = run.epoch, run.deaths, run.stood, run.lease_holder
    assert acquire(run.id, 60) is None
    db.session.refresh(run)
    assert (run.epoch, run.deaths, run.stood, run.lease_holder) == before and run.stood
    # One that was given back is no death, however little has come of it.
    db.session.execute(update(Migration).values(lease_until=None, lease_holder=""))
    db.session.commit()
    again = acquire(run.id, 60)
    assert again is not None and again.deaths == 0


def test_a_retry_is_judged_by_what_holds_now(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", status=500, times=None))
    work_off(scene, run)
    scene.target.sim.faults.clear()
    films = next(library for library in scene.target.row.libraries if library.name == "Films")
    films.group_id = scene.group("Private").id
    db.session.commit()
    steer.retry(run)
    db.session.commit()
    work_off(scene, run)
    assert scene.opened("ada") == {"Shows"}


def test_refusals_in_a_row_make_the_wait_longer(scene: Scene) -> None:
    set_up(scene, "plex", "plex")
    run = scene.start()
    scene.tv.faults.append(Fault("POST", "/api/v2/shared_servers$", status=429, times=None))
    waits = []
    for _ in range(3):
        running.work(run.id)
        db.session.expire_all()
        row = db.session.scalars(db.select(Pacemaker).where(Pacemaker.cool_until.is_not(None))).one()
        assert row.cool_until is not None
        waits.append(round((row.cool_until - utc_now()).total_seconds()))
        row.cool_until, run.wake_at = None, None
        db.session.commit()
    assert waits == sorted(set(waits)) and waits[-1] > 100


def lock_watch(scene: Scene) -> list[str]:
    """Notes every request during which somebody else could not write to the database."""
    path, blocked = str(db.engine.url.database), list[str]()

    def on_call(call: Call, moment: str) -> None:
        if moment == "before":
            with sqlite3.connect(path, timeout=5) as connection:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    blocked.append(f"{call.method} {call.path}")

    for sim in (scene.tv, scene.source.sim, scene.target.sim):
        sim.on_call = on_call
    return blocked


def a_run_with_a_lost_answer(scene: Scene) -> None:
    """Everything a run asks its servers, lists in mid-run as well."""
    run = scene.start(pace_s=0.01)
    for sim, path in ((scene.target.sim, "/Users/New"), (scene.tv, "/shared_servers")):
        sim.faults.append(Fault("POST", path, drop=True))
    work_off(scene, run)


def a_question_from_the_shell(scene: Scene) -> None:
    """What `flask preflight` asks."""
    ask_both(scene.source.row, scene.target.row)


@pytest.mark.parametrize("what", [a_run_with_a_lost_answer, a_question_from_the_shell])
@pytest.mark.parametrize(("source", "target"), [("jellyfin", "jellyfin"), ("emby", "plex"), ("plex", "emby")])
def test_nothing_is_locked_while_a_server_is_asked(scene: Scene, what: Callable[[Scene], None], source: str, target: str) -> None:
    set_up(scene, source, target)
    blocked = lock_watch(scene)
    what(scene)
    assert blocked == []


@pytest.mark.parametrize("stage", [Giving, Taking])
def test_a_mistake_that_comes_again_and_again_ends_the_run_and_keeps_nobody_in_hand(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stage: type
) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()

    def note(*what: object) -> None:
        raise RuntimeError("nobody foresaw this")

    with monkeypatch.context() as patched:
        patched.setattr(stage, "note", note)
        for _ in range(10):
            running.work(run.id)
            db.session.expire_all()
            if run.ended_at is not None:
                break
            run.wake_at = None
            db.session.commit()
    assert run.status == "failed" and run.ended_at is not None
    assert not any(move.claim for move in run.moves) and scene.source.row.migration_id is None
    assert all(move.status == "failed" and move.retryable and move.detail for move in run.moves)
    scene.finish(run)
    assert run.id not in running.due()
    assert not any(scene.target.sim.can_sign_in(name, "") for name in ("ada", "ben", "cleo"))
    steer.retry(run)
    db.session.commit()
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"}
    assert [scene.opened(name, scene.source) for name in ("ada", "ben", "cleo")] == [None] * 3
    assert len(scene.target.sim.users) == 4


def test_a_mistake_about_somebody_who_accepted_later_is_not_repeated_at_every_tick(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)

    def note(*what: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(Taking, "note", note)
    for _ in range(4):
        running.work(run.id)
        db.session.expire_all()
        if any(move.status == "failed" for move in run.moves):
            break
        run.wake_at = None
        db.session.commit()
    assert any(move.status == "failed" for move in run.moves) and not any(move.claim for move in run.moves)
    assert run.wake_at is not None and (run.wake_at - utc_now()).total_seconds() > 60 and run.id not in running.due()
    assert scene.source.row.migration_id is None


@pytest.mark.parametrize("body", ['{"message": "bad \\ud800 name"}', '"bad \\udfff name"', '{"errors": [{"message": "bad \\ud800 name"}]}'])
@pytest.mark.parametrize(("target", "path"), [("emby", "/Users/New"), ("jellyfin", "/Policy"), ("plex", "shared_servers")])
def test_half_a_character_in_a_refusal_fails_its_user_with_a_sentence(scene: Scene, target: str, path: str, body: str) -> None:
    set_up(scene, "jellyfin", target)
    run = scene.start()
    (scene.tv if target == "plex" else scene.target.sim).faults.append(Fault("POST", path, status=400, body=body, times=None))
    work_off(scene, run)
    assert run.status == "finished" and set(scene.outcome(run).values()) == {"failed"}
    assert all("bad \ufffd name" in move.detail for move in run.moves)


@pytest.mark.parametrize("fault", [{"status": 503}, {"html": True}], ids=str)
def test_a_share_that_cannot_be_removed_holds_up_nobody_behind_it(scene: Scene, fault: Any) -> None:
    set_up(scene, "plex", "jellyfin")
    run = scene.start(pace_s=0.01)
    share = scene.source.sim.share_of("ada@example.test")
    scene.tv.faults.append(Fault("DELETE", f"/{share.id}$", times=None, **fault))
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert [scene.opened(name, scene.source) for name in ("ben", "cleo")] == [None, None]


def test_a_server_that_lists_everybody_but_changes_nobody_is_given_up_after_a_few(scene: Scene) -> None:
    set_up(scene, "plex", "jellyfin")
    for name in ("dora", "emil", "fay"):
        scene.person(name)
    run = scene.start(pace_s=0.01)
    scene.tv.faults.append(Fault("DELETE", status=503, times=None))
    work_off(scene, run)
    tried = [entry.call.path for entry in scene.tv.calls("DELETE")]
    assert run.status == "failed" and len(set(tried)) == 1 + MOST_ALONE, "not everybody is tried in vain"
    assert set(scene.outcome(run).values()) == {"failed"} and all(move.retryable for move in run.moves)
    scene.tv.faults.clear()
    steer.retry(run)
    db.session.commit()
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"}


@pytest.mark.parametrize("fault", [{"status": 503}, {"html": True}], ids=str)
def test_a_share_that_cannot_be_changed_holds_up_nobody_behind_it(scene: Scene, fault: Any) -> None:
    set_up(scene, "jellyfin", "plex")
    for user in db.session.scalars(db.select(User)).all():
        scene.place(user, scene.target, ("Home videos",))
    db.session.commit()
    run = scene.start(pace_s=0.01)
    share = scene.target.sim.share_of("ada@example.test")
    scene.tv.faults += [Fault(method, f"/{share.id}$", times=None, **fault) for method in ("PUT", "POST")]
    work_off(scene, run)
    assert scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert (scene.opened("ada"), scene.opened("ada", scene.source)) == ({"Home videos"}, {"Films"})


@pytest.mark.parametrize("width", [2, 8])
@pytest.mark.parametrize("side", ["source", "target"])
def test_one_outage_counts_once_however_many_requests_it_meets(app: Flask, scene: Scene, side: str, width: int) -> None:
    settings = app.extensions["panel_config"]
    app.extensions["panel_config"] = replace(settings, side_by_side=width, outage_waits_s=(0.0, 0.0, 0.0, 0.0))
    set_up(scene, "jellyfin", "emby")
    for number in range(9):
        scene.person(f"p{number}")
    run = scene.start()
    getattr(scene, side).sim.faults.append(Fault("POST", "/Users/[^/]+/Policy", times=2 * width, status=503))
    work_off(scene, run)
    assert run.status == "finished" and set(scene.outcome(run).values()) == {"moved"}


def test_nobody_fails_alone_beside_somebody_for_whom_the_run_waits(app: Flask, scene: Scene) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], side_by_side=8, outage_waits_s=(0.0,))
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=3, status=503))
    scene.target.sim.faults.append(Fault("POST", "/Users/[^/]+/Policy", times=3, status=503))
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"}


@pytest.mark.parametrize("broken", ["proof.note_left_behind", "run.rounds.follow_up", "run.mishaps.stop_all"])
def test_a_mistake_in_ending_it_does_not_bring_the_run_straight_back(
    app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()

    def mistaken(*what: object) -> None:
        raise RuntimeError("nobody foresaw this")

    with monkeypatch.context() as patched:
        patched.setattr("panel.services.run.prepare", mistaken)
        patched.setattr(f"panel.services.{broken}", mistaken)
        for _ in range(10):
            left = running.work(run.id)
            db.session.expire_all()
            if run.outages > len(app.extensions["panel_config"].outage_waits_s) or run.ended_at is not None:
                break
            run.wake_at = None
            db.session.commit()
        if run.ended_at is None:
            assert run.wake_at is not None and left.wake_at == run.wake_at and (run.wake_at - utc_now()).total_seconds() > 60
            assert run.id not in running.due()
    run.wake_at = None
    db.session.commit()
    work_off(scene, run)
    assert run.ended_at is not None and scene.source.row.migration_id is None


def test_a_server_that_says_when_it_is_back_is_waited_for_until_then_and_nobody_fails(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    fault = Fault("POST", "/Users/New", times=None, status=503, headers={"Retry-After": "7200"}, effect=True)
    scene.target.sim.faults.append(fault)
    left = running.work(run.id)
    seen = fault.seen
    running.work(run.id)
    db.session.expire_all()
    assert fault.seen == seen, "nothing more is begun"
    row = db.session.scalars(db.select(Pacemaker).where(Pacemaker.cool_until.is_not(None))).one()
    assert row.cool_until is not None and run.wake_at is not None and left.wake_at is not None
    assert min(row.cool_until, run.wake_at, left.wake_at) - utc_now() > timedelta(seconds=7100)
    assert run.ended_at is None and "failed" not in scene.outcome(run).values()
    row.cool_until = run.wake_at = None
    db.session.execute(update(Move).values(secure_after=None, not_before=None))
    db.session.commit()
    scene.target.sim.faults.clear()
    work_off(scene, run)
    assert set(scene.outcome(run).values()) == {"moved"} and len(scene.target.sim.users) == 1 + len(run.moves), "nobody is there twice"
