"""Whose next try comes due while the stages are asked one after another, perhaps right after their own, is not left for a later worker."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from panel.domain.statuses import MigrationStatus, Step
from panel.extensions import config, db
from panel.models import Move
from panel.models.types import utc_now
from panel.services import run as running
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.run.test_taken_late import set_up
from tests.scene import Scene

__all__ = ["clock"]


@pytest.mark.parametrize(
    ("stage", "side", "fault"),
    [
        ("give", 1, Fault("POST", "/Policy", status=500)),
        ("take", 0, Fault("POST", "/Policy", status=500)),
    ],
    ids=["a second try on the target", "a second try on the source"],
)
def test_one_stretch_of_work_does_it_all(
    scene: Scene, clock: Clock, monkeypatch: pytest.MonkeyPatch, stage: str, side: int, fault: Fault
) -> None:
    set_up(scene, "jellyfin", "emby", "ada")
    run = scene.start()
    # No machine is so slow that it is over before the stage is asked.
    patient = replace(config(), retry_waits_s=(60.0, 60.0, 60.0))
    monkeypatch.setattr(sys.modules["panel.services.run.trouble"], "config", lambda: patient)
    place = sys.modules[f"panel.services.run.{stage}"]
    asked: Callable[[int, Step], datetime | None] = place.next_retry_at
    met: list[datetime] = []

    def next_retry_at(*of: Any) -> datetime | None:
        """The machine stands still after the stage has found nobody due, until somebody is."""
        due_at = asked(*of)
        if due_at is not None:
            met.append(due_at)
            clock.ahead += max(due_at - utc_now(), timedelta()) + timedelta(seconds=1)
        return due_at

    monkeypatch.setattr(place, "next_retry_at", next_retry_at)
    scene.sides[side].sim.faults.append(fault)
    running.work(run.id)
    db.session.expire_all()
    assert met, "somebody was put off"
    assert run.status is MigrationStatus.FINISHED and scene.outcome(run) == {"ada": "moved"}
    assert db.session.scalar(db.select(db.func.max(Move.attempts)).where(Move.migration_id == run.id)) == 1
