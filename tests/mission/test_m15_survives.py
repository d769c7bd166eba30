"""M15: closing the browser, restarting the web process, the worker or Redis loses nothing and repeats nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from flask import Flask
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from panel import create_app, embedded_redis, jobs
from panel.config import Config
from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.jobs import housekeeping
from panel.models import Migration
from panel.models.types import utc_now
from panel.services.run import turn
from panel.simulators.http import Call
from tests.databases import BOTH
from tests.mission.stage import PEOPLE, cli, document, set_up
from tests.mission.visitor import Visitor, token_in, words
from tests.processes import wait_until
from tests.run.one_worker import OneWorker
from tests.scene import Scene


@pytest.fixture
def running_redis(app: Flask) -> Iterator[redis.Redis]:
    """The installation's own Redis, running."""
    with embedded_redis.running(app.extensions["panel_config"]):
        yield jobs.connection()


def queued() -> list[str]:
    """The jobs that wait."""
    return [job_id for name in jobs.QUEUES for job_id in jobs.queue(name).job_ids]


def work_off_queue() -> None:
    """What a worker does, in this process: every job that is due, and those they put into the queue."""
    queues = [jobs.queue(name) for name in jobs.QUEUES]
    SimpleWorker(queues, connection=jobs.connection(), serializer=JSONSerializer).work(burst=True, logging_level="ERROR")
    db.session.expire_all()


def run_of(run_id: int = 1) -> Migration:
    """As stored."""
    return db.session.get_one(Migration, run_id, populate_existing=True)


def assert_all_moved_once(scene: Scene, run: Migration) -> None:
    """Everybody, with one account each."""
    db.session.expire_all()
    assert run.status is MigrationStatus.FINISHED
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    made = [entry for entry in scene.target.sim.calls("POST", "/Users/New") if entry.status == 200]
    assert len(made) == len(PEOPLE)
    assert len(scene.target.sim.users) == 1 + len(PEOPLE)


class TestKilledWorker:
    """On both databases."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    # M15
    def test_a_run_goes_on_after_its_worker_was_killed(self, config: Config, scene: Scene) -> None:
        set_up(scene, "jellyfin", "emby")
        run = scene.start()
        made = threading.Event()

        def kill(call: Call, moment: str) -> None:
            if moment == "after" and call.path.endswith("/Users/New") and not made.is_set():
                made.set()
                first.kill()

        scene.target.sim.on_call = kill
        first = OneWorker(config, run)
        assert first.wait() == -signal.SIGKILL
        assert OneWorker(config, run).wait() == 0
        assert_all_moved_once(scene, run)


# M15
def test_without_redis_a_run_starts_and_waits_and_the_periodic_check_finds_it_later(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    result = cli(app, "migrate-users", "Old", "New")
    assert result.exit_code == 0
    assert run_of().status is MigrationStatus.QUEUED
    with embedded_redis.running(app.extensions["panel_config"]):
        assert queued() == []
        housekeeping.tick()
        housekeeping.tick()
        assert [job_id.rpartition("-")[0] for job_id in queued()] == ["run-1"], "once, however often it is looked"
        work_off_queue()
    assert_all_moved_once(scene, run_of())


def test_a_job_that_comes_after_a_wait_may_last_as_long_as_one_that_comes_at_once(scene: Scene, running_redis: redis.Redis) -> None:
    waiting = jobs.queue(jobs.RUNS)
    assert jobs.wake(1) and jobs.wake(2, utc_now() + timedelta(hours=1))
    lasts = [waiting.fetch_job(job_id).timeout for job_id in (*waiting.job_ids, *waiting.scheduled_job_registry.get_job_ids())]
    assert lasts == [3600, 3600] and max(lasts) > turn.LONGEST_S, "a second turn of the pace is waited for in hand"


# M15
def test_a_redis_that_lost_everything_loses_no_run(scene: Scene, running_redis: redis.Redis) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    assert jobs.wake(run.id)
    running_redis.flushall()
    assert queued() == []
    housekeeping.tick()
    work_off_queue()
    assert_all_moved_once(scene, run_of())


# M15
def test_a_redis_that_loses_everything_in_the_middle_loses_no_run(scene: Scene, running_redis: redis.Redis) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start(pace_s=0.2)

    def flush(call: Call, moment: str) -> None:
        if moment == "after" and call.method != "GET":
            running_redis.flushall()

    scene.target.sim.on_call = flush
    jobs.wake(run.id)
    work_off_queue()
    scene.target.sim.on_call = None

    def ended() -> bool:
        housekeeping.tick()
        work_off_queue()
        return run_of().ended_at is not None

    wait_until(ended)
    assert_all_moved_once(scene, run_of())


# M15
def test_jobs_that_come_twice_or_late_repeat_nothing(scene: Scene, running_redis: redis.Redis) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    for _ in range(3):
        jobs.queue(jobs.RUNS).enqueue(jobs.RUN_JOB, run.id)
    work_off_queue()
    jobs.queue(jobs.RUNS).enqueue(jobs.RUN_JOB, run.id)
    work_off_queue()
    assert_all_moved_once(scene, run_of())


# M15
def test_nobody_has_to_watch_and_a_restarted_web_process_shows_the_same_run(app: Flask, config: Config, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    visitor = Visitor(app)
    modal = visitor.get(f"/migrations/new?source={scene.source.row.id}&target={scene.target.row.id}")
    fields = {"csrf_token": token_in(modal.text), "source": scene.source.row.id, "target": scene.target.row.id}
    visitor.post("/migrations", fields, modal)
    del visitor
    scene.finish(run_of())
    assert_all_moved_once(scene, run_of())
    fresh = Visitor(create_app(config))
    text = words(fresh.get("/migrations/1"))
    assert all(name in text for name in PEOPLE) and "Finished" in text


# M15
def test_a_run_that_has_not_begun_is_as_safe_as_one_under_way(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    cli(app, "migrate-users", "Old", "New")
    shown = document(cli(app, "migrations", "1", "--json"))
    assert shown["status"] == "queued"
    assert shown["counts"]["pending"] == len(PEOPLE)
    assert {move["user"]: move["status"] for move in shown["moves"]} == dict.fromkeys(PEOPLE, "pending")
