"""Every ordered pair of platforms, and Plex within one account, from start to finish over real sockets."""

import pytest

from panel.domain.statuses import MigrationStatus, Removal
from tests.databases import BOTH
from tests.scene import PAIRS, Scene


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    return str(request.param)


def set_up(scene: Scene, source: str, target: str, *, same_account: bool = False) -> None:
    """Two servers and three people on the source."""
    first = scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New", owner=first.owner if same_account else None)
    for name in ("ada", "ben", "cleo"):
        scene.person(name)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_moves_everyone_of_any_platform_to_any_other(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    run = scene.move()
    assert run.status is MigrationStatus.FINISHED, run.problem
    if target == "plex":
        assert set(scene.outcome(run).values()) == {"invited"}
        assert scene.opened("ada", scene.source) == {"Films"}, "the source stays until the invite is accepted"
        for share in scene.tv.shares_of(scene.target.sim):
            scene.tv.accept(share)
        from panel.services.run.accept import check_invites

        check_invites(scene.target.row)
        scene.finish(run)
    assert set(scene.outcome(run).values()) == {"moved"}
    for name in ("ada", "ben", "cleo"):
        assert scene.opened(name) == {"Films", "Shows"}, "exactly the libraries of the plan's groups"
        assert scene.opened(name, scene.source) is None


def test_moves_within_one_plex_account_at_once(scene: Scene) -> None:
    set_up(scene, "plex", "plex", same_account=True)
    run = scene.move()
    assert set(scene.outcome(run).values()) == {"moved"}
    assert scene.opened("ada") == {"Films", "Shows"}
    assert scene.opened("ada", scene.source) is None


@pytest.mark.parametrize(("removal", "stays"), [(Removal.WHEN_ACTIVE, True), (Removal.AT_ONCE, False), (Removal.KEEP, True)])
def test_removes_the_source_share_of_an_invited_person_only_when_asked_to(scene: Scene, removal: Removal, stays: bool) -> None:
    set_up(scene, "plex", "plex")
    run = scene.move(removal=removal)
    assert set(scene.outcome(run).values()) == {"invited"}
    assert (scene.opened("ada", scene.source) is not None) is stays
