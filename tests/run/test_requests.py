"""How many requests a move costs: the minimum per user, whatever is fixed per run on top."""

from __future__ import annotations

import pytest

from panel.domain.statuses import Removal
from tests.scene import Scene


def calls_of_a_run(scene: Scene, source: str, target: str, people: int, *, removal: Removal, same_account: bool = False) -> tuple[int, int]:
    """(changing, reading) requests that a run of so many people sends to all servers together."""
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner if same_account else None)
    for number in range(people):
        scene.person(f"person{number}", emby_email="" if source == target else f"person{number}@example.test")
    run = scene.start(removal=removal)
    sims = [scene.tv, scene.source.sim, scene.target.sim]
    for sim in sims:
        sim.journal.clear()
    scene.finish(run)
    assert not {"failed", "pending", "moving"} & set(scene.outcome(run).values())
    entries = [entry for sim in sims for entry in sim.journal]
    changing = sum(entry.changes for entry in entries)
    return changing, len(entries) - changing


@pytest.mark.parametrize(
    ("source", "target", "removal", "each"),
    [
        ("jellyfin", "jellyfin", Removal.KEEP, 2),
        ("jellyfin", "jellyfin", Removal.WHEN_ACTIVE, 3),
        ("emby", "emby", Removal.KEEP, 3),
        ("jellyfin", "emby", Removal.KEEP, 4),
        ("jellyfin", "emby", Removal.WHEN_ACTIVE, 5),
        ("plex", "plex", Removal.KEEP, 1),
        ("plex", "plex", Removal.WHEN_ACTIVE, 2),
        ("plex", "jellyfin", Removal.WHEN_ACTIVE, 3),
    ],
)
def test_sends_the_least_per_user(scene: Scene, source: str, target: str, removal: Removal, each: int) -> None:
    changing, _ = calls_of_a_run(scene, source, target, 6, removal=removal, same_account=True)
    assert changing == 6 * each


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), ("plex", "plex"), ("emby", "jellyfin")])
def test_reads_a_fixed_number_of_times_per_run(scene: Scene, source: str, target: str) -> None:
    _, reading = calls_of_a_run(scene, source, target, 12, removal=Removal.WHEN_ACTIVE, same_account=True)
    assert reading <= 18, "asking both servers once, one read-back, and one list of the source; nothing per user"
