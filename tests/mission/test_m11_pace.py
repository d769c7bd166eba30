"""M11: one user per interval where Plex is on either side, shared by all workers and runs of one Plex account; no pause elsewhere."""

from __future__ import annotations

import itertools

import pytest
from flask import Flask

from panel.config import Config
from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import Migration, Setting
from panel.services.preflight import ask_both, assess
from panel.services.run.start import start
from panel.simulators.http import Simulator
from tests.databases import BOTH
from tests.mission.stage import cli, set_up
from tests.run.one_worker import OneWorker
from tests.scene import Scene, Side

PACE_S = 0.4
#: For two processes that start at the same moment: while one of them writes the other waits with its request, for less than this.
BESIDE_S = 1.5


def gaps(sim: Simulator, path: str = "") -> list[float]:
    """Seconds between the changing requests a simulator was sent."""
    times = sorted(entry.at for entry in sim.calls(path=path, changes=True))
    return [later - earlier for earlier, later in itertools.pairwise(times)]


# M11
@pytest.mark.parametrize("same_account", [True, False], ids=["one account", "two accounts"])
def test_no_two_changes_at_plex_are_closer_than_the_pace(scene: Scene, same_account: bool) -> None:
    set_up(scene, "plex", "plex", same_account=same_account)
    run = scene.move(pace_s=PACE_S)
    assert run.ended_at is not None
    found = gaps(scene.tv)
    # On one account each user is given and taken: 6 requests. On two, everyone is invited only: 3.
    assert len(found) == (5 if same_account else 2)
    assert min(found) >= PACE_S


# M11
@pytest.mark.parametrize(("source", "target"), [("plex", "emby"), ("jellyfin", "plex")])
def test_the_pace_holds_with_plex_on_one_side_only(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    scene.move(pace_s=PACE_S)
    found = gaps(scene.tv)
    assert len(found) == 2
    assert min(found) >= PACE_S


class TestTwoRunsOfOneAccount:
    """The same on both databases: the turn is a row."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    # M11
    def test_two_workers_with_a_run_each_share_the_pace_of_the_account(self, config: Config, scene: Scene) -> None:
        set_up(scene, "plex", "plex", same_account=True, people=("ada", "ben"))
        third = scene.add_server("plex", "Older", owner=scene.source.owner)
        fourth = scene.add_server("plex", "Newer", owner=scene.source.owner)
        for name in ("dora", "emil"):
            scene.person(name, on=third)
        first = scene.start(removal=Removal.KEEP, pace_s=BESIDE_S)
        second = self.begin(third, fourth)
        workers = [OneWorker(config, run) for run in (first, second)]
        assert [worker.wait() for worker in workers] == [0, 0]
        db.session.expire_all()
        for run in (first, second):
            assert sorted(scene.outcome(run).values()) == ["moved"] * 2 + ["skipped"] * 2
        found = gaps(scene.tv)
        assert len(found) == 3, "four people given access by two workers"
        assert min(found) >= BESIDE_S

    def begin(self, source: Side, target: Side) -> Migration:
        """A run between two further servers."""
        flight = assess(source.row, target.row, removal=Removal.KEEP, pace_s=BESIDE_S, looks=ask_both(source.row, target.row))
        run = start(flight)
        db.session.commit()
        return run


# M11
def test_pairs_without_plex_run_without_pause(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    assert cli(app, "migrate-users", "Old", "New", "--wait").exit_code == 0
    run = db.session.scalars(db.select(Migration)).one()
    assert run.pace_s == 0.0
    assert run.ended_at is not None and run.started_at is not None
    assert max(gaps(scene.target.sim)) < 2.0, "as fast as the servers answer"


# M11
def test_pairs_without_plex_pause_when_asked_to(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.move(pace_s=PACE_S)
    found = gaps(scene.target.sim, "/Users/New")
    assert len(found) == 2
    assert min(found) >= PACE_S


# M11
@pytest.mark.parametrize(("source", "target"), [("plex", "plex"), ("plex", "emby"), ("jellyfin", "plex")])
def test_the_pace_is_30_s_by_default_then_as_set_and_first_of_all_as_asked_for(app: Flask, scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target, people=("ada",))
    expected = []
    for set_s, options, pace_s in ((None, (), 30.0), (20.0, (), 20.0), (20.0, ("--pace", "45"), 45.0), (20.0, ("--pace", "0"), 0.0)):
        Setting.current().pace_s = set_s
        assert cli(app, "migrate-users", "Old", "New", *options).exit_code == 0
        run = db.session.scalars(db.select(Migration).order_by(Migration.id.desc())).first()
        assert run is not None
        assert cli(app, "cancel", str(run.id)).exit_code == 0
        scene.finish(run)
        expected.append((run.pace_s, pace_s))
    assert [stored for stored, _ in expected] == [wanted for _, wanted in expected]


# M11
def test_a_pace_that_is_no_number_of_seconds_is_refused(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex", people=("ada",))
    for pace in ("-1", "slow"):
        assert cli(app, "migrate-users", "Old", "New", "--pace", pace).exit_code == 2
    assert db.session.query(Migration).count() == 0
