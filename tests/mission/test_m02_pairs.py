"""M2: every ordered pair of platforms works, and within Plex both one account and two. (The long form is tests/run/test_pairs.py.)"""

from __future__ import annotations

import pytest

from panel.domain.statuses import MigrationStatus
from tests.mission.stage import PEOPLE, changed_anything, set_up, settle
from tests.scene import PAIRS, Scene


# M2
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_judgement_takes_everyone_of_every_ordered_pair_and_changes_nothing(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    flight = scene.preflight()
    assert flight.blockers == ()
    assert [verdict.candidate.name for verdict in flight.moving] == list(PEOPLE)
    assert changed_anything(scene) == []


# M2
@pytest.mark.parametrize("same_account", [True, False], ids=["one account", "two accounts"])
def test_plex_to_plex_moves_within_one_account_and_between_two(scene: Scene, same_account: bool) -> None:
    set_up(scene, "plex", "plex", same_account=same_account)
    run = settle(scene, scene.move())
    assert run.status is MigrationStatus.FINISHED
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert all(scene.opened(name) == {"Films", "Shows"} for name in PEOPLE)
    assert all(scene.opened(name, scene.source) is None for name in PEOPLE)


# M2
def test_people_can_move_on_round_all_three_platforms(scene: Scene) -> None:
    set_up(scene, "plex", "emby")
    third = scene.add_server("jellyfin", "Newest")
    settle(scene, scene.move())
    scene.sides = [scene.target, third]
    run = scene.move()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert all(scene.opened(name) == {"Films", "Shows"} for name in PEOPLE)
    assert all(scene.opened(name, scene.source) is None for name in PEOPLE)
