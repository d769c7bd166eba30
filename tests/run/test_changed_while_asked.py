"""Whom a button has changed while a server was asked about them is not judged by what was known before; of whom alone a server says nothing
fails, and the others do not."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, Removal
from panel.extensions import config as installed
from panel.extensions import db
from panel.models import Migration
from panel.services import run as running
from panel.services.run import steer, undo
from panel.simulators.http import Call, Fault
from tests.databases import BOTH
from tests.run.buttons import pressed
from tests.run.test_steering import PEOPLE, set_up, work_until
from tests.scene import Scene


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both: each locks in its own way."""
    return str(request.param)


@pytest.fixture
def back(scene: Scene) -> Migration:
    """An undo about to read back, whose patience with an outage is at its end; of one of its users the list says nothing, and nor does the
    server when it is asked by id."""
    set_up(scene, "jellyfin", "emby")
    back = undo.start_undo(scene.move(removal=Removal.KEEP))
    db.session.commit()
    work_until(back, lambda: back.prepared_at)
    sim, first = scene.source.sim, back.moves[0]
    back.outages = len(installed().outage_waits_s)
    db.session.commit()
    del sim.users[sim.user(first.name).id]
    sim.faults.append(Fault("GET", f"/Users/{first.target_member_id}", times=None, status=503))
    return back


@pytest.mark.parametrize("slice_s", [0, 20.0])
def test_about_whom_alone_a_server_says_nothing_fails_also_where_its_answer_takes_longer_than_a_stretch_of_work(
    scene: Scene, back: Migration, slice_s: float
) -> None:
    for _ in range(20):
        running.work(back.id, slice_s=slice_s)
        db.session.expire_all()
    assert back.ended_at is not None
    assert scene.outcome(back) == {name: "failed" if name == back.moves[0].name else "moved" for name in PEOPLE}


@pytest.mark.parametrize("asked_for", ["by their id", "everybody"])
@pytest.mark.parametrize(("verb", "left"), [(steer.cancel, "cancelled"), (steer.pause, "pending")])
def test_who_was_cancelled_or_is_to_rest_by_then_does_not_fail(
    app: Flask, scene: Scene, back: Migration, verb: Any, left: str, asked_for: str
) -> None:
    first, refusals = back.moves[0], []
    asked: list[str] = []

    def on_call(call: Call, moment: str) -> None:
        if moment != "before":
            return
        by_id = first.target_member_id in call.path
        last_of_all = any(first.target_member_id in path for path in asked) and not by_id
        asked.append(call.path)
        if not refusals and (by_id if asked_for == "by their id" else last_of_all):
            refusals.append(pressed(app, back, verb))

    scene.source.sim.on_call = on_call
    for _ in range(4):
        running.work(back.id)
        db.session.expire_all()
    assert refusals == [""] and scene.outcome(back)[first.name] == left
    assert back.status is (MigrationStatus.CANCELLED if verb is steer.cancel else MigrationStatus.PAUSED)
