"""Everything that is logged while a run is worked on says which run, in every thread."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from panel import logs
from panel.config import Config
from panel.extensions import db
from panel.jobs import runs
from panel.models import Migration
from panel.simulators.http import Fault
from tests.fixtures import app, config, database_kind, scene, tv
from tests.flask_up import Up, flask_up
from tests.processes import wait_until
from tests.scene import Scene

__all__ = ["app", "config", "database_kind", "scene", "tv"]

#: For everything that takes a few seconds on a machine with nothing else to do.
PATIENCE_S = 180.0


@pytest.fixture
def lines() -> Iterator[list[dict[str, object]]]:
    """The log as JSON, from DEBUG up."""
    written: list[dict[str, object]] = []

    class Output(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    output = Output()
    output.addFilter(logs.mark_run)
    output.setFormatter(logs.JsonLine())
    root = logging.getLogger()
    before = root.level
    root.addHandler(output)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(output)
    root.setLevel(before)


def test_every_record_of_a_run_carries_its_number_and_none_a_secret(app: Flask, scene: Scene, lines: list[dict[str, object]]) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("Alice", "Bob", "Carol"):
        scene.person(name)
    run = scene.start()
    scene.target.sim.faults.append(Fault(method="POST", times=1, status=500))
    lines.clear()
    for _ in range(20):
        runs.work_on(run.id)
    ours = [line for line in lines if str(line["logger"]).startswith(("panel.services", "panel.platforms"))]
    assert len(ours) > 10
    assert [line for line in ours if line.get("run") != run.id] == []
    people = {move.user_id: move.name for move in run.moves}
    of_users = [line for line in ours if "user" in line]
    assert {line["user"] for line in of_users} == people.keys()
    for line in ours:
        named = {user_id for user_id, name in people.items() if name in str(line["message"])}
        assert named <= {line.get("user")}, f"what is said of one user carries their number: {line}"
    tokens = [side.row.token for side in scene.sides]
    assert not any(token in json.dumps(line) for token in tokens for line in lines)


def part(up: Up, mark: str, but: int = 0) -> int:
    """The process id of a program of the tree, once there is one other than `but`."""
    found: list[int] = []
    wait_until(lambda: found.extend(pid for pid in up.parts(mark) if pid != but) or found, PATIENCE_S)
    return min(found)


def ended(run_id: int) -> bool:
    db.session.rollback()
    return db.session.get_one(Migration, run_id, populate_existing=True).ended_at is not None


def test_every_line_of_a_whole_installation_is_json_and_those_about_a_run_say_which_and_whom(
    app: Flask, config: Config, scene: Scene, tmp_path: Path
) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in ("Alice", "Bob"):
        scene.person(name)
    run = scene.start()
    people = {move.user_id for move in run.moves}
    scene.target.sim.faults.append(Fault(method="POST", times=1, status=500))
    json_of_one_worker = {"PANEL_LOG_JSON": "1", "PANEL_WORKERS": "1"}
    with flask_up(config, tmp_path / "out", errors=tmp_path / "err", **json_of_one_worker) as up:
        wait_until(lambda: ended(run.id), PATIENCE_S)
        wait_until(lambda: "ready at" in up.said, PATIENCE_S)
        for mark in ("valkey-server", "panel.jobs.worker", "panel.serve"):
            first = part(up, mark)
            os.kill(first, signal.SIGKILL)
            part(up, mark, but=first)
    written = [line for name in ("out", "err") for line in (tmp_path / name).read_text().splitlines()]
    lines = [json.loads(line) for line in written]
    assert all({"at", "level", "logger", "message", "pid"} <= line.keys() for line in lines)
    for said in ("Streamferry is ready at http://", "Create the first admin", "starts again in"):
        assert any(said in line["message"] for line in lines), said
    assert {line["level"] for line in lines if "is ready at" in line["message"]} == {"INFO"}
    assert any(line["logger"] == "redis" for line in lines), "what the embedded Redis says is there"
    ours = [line for line in lines if line["logger"].startswith(("panel.services.run", "panel.platforms", "panel.jobs.runs"))]
    assert [line for line in ours if line.get("run") != run.id] == []
    of_users = [(line["user"], line["message"]) for line in ours if "user" in line]
    for side in ("target", "source"):
        assert {user for user, said in of_users if said.startswith(f"The {side} is done")} == people
    assert [said for _, said in of_users if said.startswith("A step failed: ") and "500" in said], "whoever failed is named too"


def test_a_mistake_of_ours_says_whom_it_is_about(
    app: Flask, scene: Scene, lines: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("Alice")
    run = scene.start()
    monkeypatch.setattr("panel.platforms.emby.EmbyRemote.give", fall)
    for _ in range(20):
        runs.work_on(run.id)
    told = [line for line in lines if "ZeroDivisionError" in str(line.get("error"))]
    assert told and {(line["level"], line["run"], line.get("user")) for line in told} == {("ERROR", run.id, run.moves[0].user_id)}


def test_what_no_program_of_ours_has_written_becomes_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    raw = logging.StreamHandler(sys.stdout)
    raw.setFormatter(logs.JsonLine())
    logging.getLogger("redis").addHandler(raw)
    ready = json.dumps({"at": "now", "level": "INFO", "message": "as it is"})
    try:
        for line in (ready, "", "  ", "123:M # Out of memory \x1b[31m", '{"half": ', '["a list"]', "17"):
            logs.pass_on("redis", line)
    finally:
        logging.getLogger("redis").removeHandler(raw)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == ready
    assert [json.loads(line)["message"] for line in others] == ["123:M # Out of memory \x1b[31m", '{"half": ', '["a list"]', "17"]
    assert {json.loads(line)["logger"] for line in others} == {"redis"}


def test_what_is_nested_deeper_than_can_be_read_is_no_record(caplog: pytest.LogCaptureFixture) -> None:
    line = '{"a":' * 100_000
    logs.pass_on("redis", line)
    assert [record.message for record in caplog.records] == [line]
