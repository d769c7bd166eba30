"""Everything that is logged while a run is worked on says which run, in every thread."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from flask import Flask

from panel import logs
from panel.jobs import runs
from panel.simulators.http import Fault
from tests.fixtures import app, config, database_kind, scene, tv
from tests.scene import Scene

__all__ = ["app", "config", "database_kind", "scene", "tv"]


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
