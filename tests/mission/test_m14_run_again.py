"""M14: another run of the same pair takes exactly those who are left, and repeats nothing."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.domain.statuses import MigrationStatus, Removal
from panel.extensions import db
from panel.models import User
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.mission.stage import PEOPLE, changed_anything, cli, document, forget_calls, set_up, settle
from tests.scene import KINDS, Scene

PAIRS = [("plex", "plex"), ("plex", "emby"), ("emby", "jellyfin"), ("jellyfin", "plex")]


def reasons_of(scene: Scene, run: object) -> dict[str, list[str]]:
    """Name → reasons."""
    return {move.name: [reason.value for reason in move.reasons] for move in run.moves}  # type: ignore[attr-defined]


class TestLimits:
    """On both databases."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    # M14
    @pytest.mark.parametrize("target", KINDS)
    def test_a_second_run_takes_exactly_those_the_limit_of_the_target_had_left(self, scene: Scene, target: str) -> None:
        set_up(scene, "jellyfin", target)
        scene.target.row.max_users = 2
        db.session.commit()
        first = settle(scene, scene.move())
        assert scene.outcome(first) == {"ada": "moved", "ben": "moved", "cleo": "skipped"}
        assert reasons_of(scene, first)["cleo"] == ["target_full"]
        scene.target.row.max_users = 3
        db.session.commit()
        forget_calls(scene)
        second = scene.move()
        assert scene.outcome(second) == {"cleo": "invited" if target == "plex" else "moved", "ada": "skipped", "ben": "skipped"}
        assert reasons_of(scene, second) == {"cleo": [], "ada": ["not_shared"], "ben": ["not_shared"]}
        sent = b" ".join(entry.call.body for entry in scene.changes(scene.target))
        assert b"ada" not in sent and b"ben" not in sent


# M14
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_second_run_after_everyone_moved_sends_nothing(scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    settle(scene, scene.move())
    forget_calls(scene)
    again = scene.move()
    assert again.status is MigrationStatus.FINISHED
    assert set(scene.outcome(again).values()) == {"skipped"}
    assert changed_anything(scene) == []


# M14
def test_an_error_leaves_one_and_the_next_run_takes_that_one(app: Flask, scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=1, status=400, body="Not now."))
    first = document(cli(app, "migrate-users", "Old", "New", "--wait", "--json"))
    left = [move["user"] for move in first["moves"] if move["status"] == "failed"]
    assert len(left) == 1 and first["counts"]["moved"] == 2
    forget_calls(scene)
    second = document(cli(app, "migrate-users", "Old", "New", "--wait", "--json"))
    assert second["counts"] == {**dict.fromkeys(second["counts"], 0), "total": 3, "moved": 1, "skipped": 2}
    assert [move["user"] for move in second["moves"] if move["status"] == "moved"] == left
    assert len(scene.target.sim.calls("POST", "/Users/New")) == 1
    assert len(scene.target.sim.users) == 1 + len(PEOPLE)


# M14
def test_those_who_kept_their_source_access_are_not_given_a_second_time(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.move(removal=Removal.KEEP)
    forget_calls(scene)
    again = scene.move(removal=Removal.KEEP)
    assert scene.outcome(again) == dict.fromkeys(PEOPLE, "moved")
    assert reasons_of(scene, again) == {name: ["already_there"] for name in PEOPLE}
    assert changed_anything(scene) == []


# M14
@pytest.mark.parametrize("accepted", [False, True], ids=["still waiting", "accepted by now"])
def test_those_who_were_invited_are_not_invited_again(scene: Scene, accepted: bool) -> None:
    set_up(scene, "jellyfin", "plex")
    scene.move()
    forget_calls(scene)
    if accepted:
        for share in scene.tv.shares_of(scene.target.sim):
            scene.tv.accept(share)
    again = scene.move()
    assert scene.outcome(again) == dict.fromkeys(PEOPLE, "moved" if accepted else "invited")
    assert scene.tv.calls(changes=True) == []
    assert all((scene.opened(name, scene.source) is None) is accepted for name in PEOPLE)


# M14
def test_who_had_a_reason_to_stay_moves_with_the_next_run_once_it_is_gone(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    ben = db.session.scalars(db.select(User).where(User.name == "ben")).one()
    ben.emby_email = ""
    db.session.commit()
    scene.move()
    ben.emby_email = "ben@example.test"
    db.session.commit()
    assert scene.outcome(scene.move()) == {"ben": "moved", "ada": "skipped", "cleo": "skipped"}
