"""M6: a plan in use that allows downloads needs Plex Pass on each Plex account and Emby Premiere on each Emby server of the pair."""

from __future__ import annotations

import pytest

from panel.extensions import db
from panel.models import Plan, Share
from tests.mission.stage import codes, licence, set_up
from tests.scene import Scene

NEEDED = {"plex": "plex_pass_missing", "emby": "emby_premiere_missing"}


def set_up_downloads(scene: Scene, source: str, target: str, *, same_account: bool = False) -> None:
    """Everyone is on a plan with downloads."""
    set_up(scene, source, target, same_account=same_account)
    scene.plans["Basic"].allow_downloads = True
    db.session.commit()


# M6
@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
@pytest.mark.parametrize(("source", "target"), [("plex", "plex"), ("emby", "emby"), ("plex", "emby"), ("emby", "plex")])
def test_a_missing_licence_on_either_side_blocks_and_names_plan_and_server(scene: Scene, source: str, target: str, side: int) -> None:
    set_up_downloads(scene, source, target)
    assert codes(scene.preflight()) == []
    with licence(scene.sides[side], has_it=False):
        flight = scene.preflight()
    assert codes(flight) == [NEEDED[(source, target)[side]]]
    assert "“Basic”" in flight.blockers[0].message
    assert scene.sides[side].row.name in flight.blockers[0].message
    assert codes(scene.preflight()) == []


# M6
def test_both_licences_missing_are_both_named(scene: Scene) -> None:
    set_up_downloads(scene, "plex", "emby")
    with licence(scene.source, has_it=False), licence(scene.target, has_it=False):
        assert codes(scene.preflight()) == ["plex_pass_missing", "emby_premiere_missing"]


# M6
@pytest.mark.parametrize(("source", "target"), [("plex", "jellyfin"), ("jellyfin", "emby")])
def test_jellyfin_needs_no_licence_and_its_partner_does(scene: Scene, source: str, target: str) -> None:
    set_up_downloads(scene, source, target)
    assert codes(scene.preflight()) == []
    licensed = scene.source if source == "plex" else scene.target
    with licence(licensed, has_it=False):
        assert codes(scene.preflight()) == [NEEDED[licensed.kind.value]]


# M6
def test_jellyfin_pairs_need_none(scene: Scene) -> None:
    set_up_downloads(scene, "jellyfin", "jellyfin")
    assert codes(scene.preflight()) == []


# M6
def test_a_plan_with_downloads_that_is_not_in_use_needs_none(scene: Scene) -> None:
    set_up(scene, "plex", "emby")
    scene.plan("Offline", allow_downloads=True)
    scene.person("dora", plan="Offline", days=(-60, -30))
    elsewhere = scene.person("emil", plan="Offline")
    db.session.query(Share).filter(Share.user_id == elsewhere.id).delete()
    scene.tv.remove(scene.source.sim.share_of("emil@example.test"))
    db.session.commit()
    with licence(scene.source, has_it=False), licence(scene.target, has_it=False):
        assert codes(scene.preflight()) == []


# M6
def test_downloads_are_given_exactly_to_those_whose_plan_allows_them(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.plan("Offline", allow_downloads=True)
    scene.person("dora", plan="Offline")
    scene.move()
    allowed = {name: scene.target.sim.user(name).policy["EnableContentDownloading"] for name in ("ada", "dora")}
    assert allowed == {"ada": False, "dora": True}
    assert db.session.query(Plan).count() == 2


# M6
@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_who_has_no_plan_may_download_elsewhere_only_if_they_might_on_plex(scene: Scene, target: str) -> None:
    scene.add_server("plex", "Old")
    scene.add_server(target, "New")
    for name, allowed in {"ada": False, "ben": True}.items():
        scene.person(name, plan=None, permanent=True, settings={"allowSync": allowed})
    assert set(scene.outcome(scene.move()).values()) == {"moved"}
    may = {account.name: account.policy["EnableContentDownloading"] for account in scene.target.sim.users.values()}
    assert (may["ada"], may["ben"]) == (False, True)
