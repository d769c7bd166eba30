"""Which server a run waits for stands in its row: from the first try that failed, over all further ones, until something has succeeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from panel.domain.platform import Platform
from panel.domain.statuses import MigrationStatus, Step
from panel.extensions import db
from panel.models import Migration, Server
from panel.models.types import utc_now
from panel.services import pace, server_removal, waiting
from panel.services import run as running
from panel.services.run import steer
from panel.services.run.rows import Wait
from panel.services.run.trouble import write_wait
from panel.simulators.http import Call, Fault
from tests.databases import BOTH
from tests.run.test_faults import set_up, work_off
from tests.run.test_looked_at_first import later
from tests.run.test_taken_late import set_up as taking_set_up
from tests.run.test_taken_late import work_until_taking
from tests.scene import Scene


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


@pytest.fixture(autouse=True)
def patient(app: Flask) -> None:
    """Outages are waited out by somebody else than the worker."""
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(30.0, 30.0))


def silent() -> Fault:
    return Fault(drop=True, times=None)


def try_again(run: Migration) -> None:
    """The next try, at once."""
    run.wake_at = None
    db.session.commit()
    running.work(run.id)
    db.session.expire_all()


@pytest.fixture
def stuck(scene: Scene) -> Migration:
    """A run whose target has not answered once."""
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.sim.faults.append(silent())
    try_again(run)
    return run


def test_is_named_until_something_succeeds_also_while_it_is_tried(scene: Scene, stuck: Migration) -> None:
    target_id, said, seen = scene.target.row.id, stuck.wake_reason, list[tuple[str, object]]()
    assert (stuck.awaited_id, waiting.awaited(stuck)) == (target_id, scene.target.row)
    assert waiting.why_held_up(stuck).startswith("New does not answer (")
    engine = db.engine

    def on_call(call: Call, moment: str) -> None:
        with engine.connect() as connection:
            row = connection.execute(select(Migration.awaited_id, Migration.wake_reason).where(Migration.id == run_id)).one()
            seen.append((call.method, tuple(row)))

    run_id, scene.target.sim.on_call = stuck.id, on_call
    try_again(stuck)
    assert seen and set(seen) == {("GET", (target_id, said))}
    assert (stuck.awaited_id, stuck.outages) == (target_id, 2)
    scene.target.sim.faults.clear()
    seen.clear()
    try_again(stuck)
    scene.target.sim.on_call = None
    assert seen[0] == ("GET", (target_id, said)), "nothing has succeeded yet"
    assert {row for method, row in seen if method == "POST"} == {(None, "")}, "everybody is known by now"


def test_is_the_one_of_the_two_that_is_away(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin")
    run = scene.start()
    scene.source.sim.faults.append(silent())
    try_again(run)
    assert run.awaited_id == scene.source.row.id
    scene.source.sim.faults.clear()
    scene.target.sim.faults.append(silent())
    try_again(run)
    assert run.awaited_id == scene.target.row.id


@pytest.mark.parametrize("away", ["plex.tv", "the server"])
def test_is_no_server_where_plex_tv_is_the_trouble(scene: Scene, away: str) -> None:
    set_up(scene, "plex", "plex")
    run = scene.start()
    (scene.tv if away == "plex.tv" else scene.target.sim).faults.append(silent())
    try_again(run)
    assert waiting.is_held_up(run) and run.outages == 1
    assert run.awaited_id == (None if away == "plex.tv" else scene.target.row.id)


def test_is_no_server_where_the_mistake_is_ours(stuck: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistake(_self: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(running.Working, "go_on", mistake)
    try_again(stuck)
    assert waiting.is_held_up(stuck) and stuck.awaited_id is None


def test_stays_over_a_wait_for_a_turn_and_gives_way_to_another_reason(stuck: Migration) -> None:
    awaited, said, until = stuck.awaited_id, stuck.wake_reason, utc_now() + timedelta(minutes=1)
    for wait, briefly in ((Wait(until), False), (Wait(until), True), (Wait(until, "In use."), True)):
        write_wait(stuck, wait, briefly=briefly)
        assert (stuck.awaited_id, stuck.wake_reason, stuck.wake_at) == (awaited, said, None if briefly else until)
    write_wait(stuck, Wait(until, "In use."))
    assert (stuck.awaited_id, stuck.wake_reason) == (None, "In use.") and not waiting.is_held_up(stuck)


def test_is_over_once_it_has_answered_however_long_the_source_makes_the_run_wait(scene: Scene) -> None:
    taking_set_up(scene, "plex", "jellyfin", "ada", "ben")
    run = scene.start(pace_s=0.01)
    work_until_taking(scene, run)
    run.pace_s = 3600.0
    db.session.commit()
    pace.take_turn(pace.name_of(scene.source.row), 0.0)
    later(hours=2)
    scene.target.sim.faults.append(Fault(drop=True, times=1))
    try_again(run)
    assert run.awaited_id == scene.target.row.id and waiting.is_held_up(run)
    scene.target.sim.journal.clear()
    try_again(run)
    assert {entry.status for entry in scene.target.sim.journal} == {200}
    assert (run.awaited_id, run.wake_reason, waiting.is_held_up(run)) == (None, "", False)
    assert run.outages == 1, "nothing has been done yet"
    assert {move.step for move in run.moves} == {Step.TAKE} and run.wake_at is not None and run.wake_at > utc_now()


def test_stays_where_a_worker_looks_in_before_the_wait_is_over(stuck: Migration) -> None:
    running.work(stuck.id)
    db.session.expire_all()
    assert stuck.awaited_id == stuck.target_id and waiting.is_held_up(stuck)


@pytest.mark.parametrize("verb", [steer.pause, steer.cancel])
def test_is_over_once_the_run_is_paused_or_cancelled(stuck: Migration, verb: Callable[[Migration], None]) -> None:
    verb(stuck)
    db.session.commit()
    assert stuck.awaited_id is None and (stuck.status is MigrationStatus.PAUSED) is (verb is steer.pause)


def test_is_over_once_the_run_has_ended(scene: Scene, stuck: Migration) -> None:
    work_off(scene, stuck)
    assert (stuck.status, stuck.awaited_id) == (MigrationStatus.FAILED, None)


def test_keeps_no_server_from_being_removed(stuck: Migration) -> None:
    spare = Server(name="Spare", platform=Platform.EMBY, url="http://127.0.0.1:9")
    db.session.add(spare)
    db.session.flush()
    stuck.awaited_id = spare.id
    db.session.commit()
    server_removal.remove(spare)
    db.session.commit()
    db.session.expire_all()
    assert stuck.awaited_id is None
