"""Whoever is restricted on the source is never less restricted on the target, and where that is impossible the admin is told."""

from __future__ import annotations

from tests.scene import Scene


def test_plex_filters_travel_to_another_account(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("kid", settings={"filterMovies": "contentRating=G%2CPG"})
    run = scene.move()
    assert scene.outcome(run) == {"kid": "invited"}
    share = scene.tv.shares_of(scene.target.sim)[0]
    assert share.relation.settings["filterMovies"] == "contentRating=G%2CPG"


def test_filters_that_the_target_account_keeps_for_somebody_are_not_lifted(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    target = scene.add_server("plex", "New")
    other = scene.add_server("plex", "Den", owner=target.owner)
    kid = scene.person("kid")
    person = scene.tv.add_account("kid", kid.plex_email)
    held = scene.tv.share(other.sim, person, ["Films"], settings={"filterMovies": "contentRating=G"})
    run = scene.move()
    assert scene.outcome(run) == {"kid": "moved"}
    assert held.relation.settings["filterMovies"] == "contentRating=G"


def test_ratings_and_tags_travel_between_jellyfin_servers(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("kid", settings={"MaxParentalRating": 7, "BlockedTags": ["horror"]})
    scene.move()
    policy = scene.target.sim.user("kid").policy
    assert (policy["MaxParentalRating"], policy["BlockedTags"]) == (7, ["horror"])


def test_the_admin_is_told_where_a_restriction_has_no_equal(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("jellyfin", "New")
    scene.person("kid", settings={"filterMovies": "contentRating=G"})
    scene.person("ada")
    run = scene.move()
    remarks = {move.name: move.remark for move in run.moves}
    assert "Set the restriction on the target" in remarks["kid"]
    assert remarks["ada"] == ""


def test_downloads_follow_the_plan(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.plan("Plus", allow_downloads=True)
    scene.add_server("jellyfin", "New")
    scene.person("ada", plan="Basic")
    scene.person("ben", plan="Plus")
    scene.move()
    allowed = {name: scene.target.sim.user(name).policy["EnableContentDownloading"] for name in ("ada", "ben")}
    assert allowed == {"ada": False, "ben": True}
