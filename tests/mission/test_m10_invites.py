"""M10: on one Plex account access is effective at once; otherwise an invite waits, and is shown so, until plex.tv says it is accepted."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.extensions import db
from panel.jobs import housekeeping, invites
from panel.models import Migration, Share
from panel.services.run.accept import check_invites, servers_awaited
from tests.mission.stage import PEOPLE, accept_all, cli, document, set_up
from tests.scene import KINDS, Scene


def accepted_on_target(scene: Scene) -> dict[str, bool]:
    """As the panel has it stored: name → whether the invite is accepted."""
    shares = db.session.scalars(db.select(Share).where(Share.server_id == scene.target.row.id))
    return {share.user.name: share.accepted_at is not None for share in shares}


# M10
def test_on_one_plex_account_everyone_is_in_at_once(scene: Scene) -> None:
    set_up(scene, "plex", "plex", same_account=True)
    run = scene.move()
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert accepted_on_target(scene) == dict.fromkeys(PEOPLE, True)
    assert all(scene.opened(name) == {"Films", "Shows"} for name in PEOPLE)


# M10
@pytest.mark.parametrize("source", KINDS)
def test_otherwise_each_gets_an_invite_and_is_shown_as_waiting_until_it_is_accepted(app: Flask, scene: Scene, source: str) -> None:
    set_up(scene, source, "plex")
    run = scene.move()
    shown = document(cli(app, "migrations", str(run.id), "--json"))
    assert {move["user"]: move["status"] for move in shown["moves"]} == dict.fromkeys(PEOPLE, "invited")
    assert shown["counts"]["invited"] == 3 and shown["counts"]["moved"] == 0
    assert accepted_on_target(scene) == dict.fromkeys(PEOPLE, False)
    assert [share.accepted for share in scene.tv.shares_of(scene.target.sim)] == [False] * 3
    check_invites(scene.target.row)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "invited"), "nobody has accepted, nothing changes"
    assert all(scene.opened(name, scene.source) == {"Films"} for name in PEOPLE)


# M10
def test_who_accepts_is_moved_and_the_others_go_on_waiting(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex")
    run = scene.move()
    scene.tv.accept(scene.target.sim.share_of("ben@example.test"))
    assert check_invites(scene.target.row) == [run.id]
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "invited", "ben": "moved", "cleo": "invited"}
    assert accepted_on_target(scene) == {"ada": False, "ben": True, "cleo": False}
    assert scene.opened("ben") == {"Films", "Shows"} and scene.opened("ben", scene.source) is None
    assert scene.opened("ada", scene.source) == {"Films"}


# M10
def test_an_invite_refused_or_withdrawn_leaves_the_source_access(scene: Scene) -> None:
    set_up(scene, "jellyfin", "plex", people=("ada",))
    run = scene.move()
    scene.tv.remove(scene.target.sim.share_of("ada@example.test"))
    assert check_invites(scene.target.row) == []
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed"}, "there is nothing left to wait for; a retry invites again"
    assert scene.opened("ada", scene.source) == {"Films"}


# M10
def test_the_periodic_check_finds_out_by_itself_and_then_asks_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "plex")
    run_id = scene.move().id
    asked: list[int] = []
    monkeypatch.setattr(housekeeping, "wake_invites", asked.append)
    housekeeping.tick()
    housekeeping.tick()
    assert asked == [scene.target.row.id], "once, then not again for five minutes"
    accept_all(scene)
    invites.check(asked[0])
    scene.finish(db.session.get_one(Migration, run_id))
    assert scene.outcome(db.session.get_one(Migration, run_id)) == dict.fromkeys(PEOPLE, "moved")
    assert servers_awaited() == []
