"""Access that is there already counts as right only with the restrictions and the downloads it is to have; else it is edited once."""

from __future__ import annotations

from typing import Any

import pytest

from panel.domain.reasons import Reason
from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import Migration
from tests.scene import Scene

#: A policy as a run of a plan without downloads leaves it.
SETTLED = {"EnableContentDownloading": False}


def beside(scene: Scene, kind: str, target: str, here: dict[str, Any], there: dict[str, Any]) -> tuple[Migration, int]:
    """A run for somebody who has the right libraries on the target already, and how many changes the target was sent."""
    scene.add_server(kind, "Old")
    scene.plan("Basic")
    new = scene.add_server(target, "New")
    ada = scene.person("ada", settings=here)
    scene.place(ada, new, ("Films", "Shows"), settings=there)
    db.session.commit()
    before = len(scene.changes(new))
    run = scene.move()
    return run, len(scene.changes(new)) - before


@pytest.mark.parametrize("source", ["emby", "jellyfin"])
@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_a_rating_is_carried_to_an_account_with_the_right_libraries(scene: Scene, source: str, target: str) -> None:
    run, sent = beside(scene, source, target, {"MaxParentalRating": 7}, SETTLED)
    assert scene.outcome(run) == {"ada": "moved"} and run.moves[0].reasons == ()
    assert scene.target.sim.user("ada").policy["MaxParentalRating"] is not None
    assert sent == 1


def test_a_stricter_restriction_of_the_target_stays(scene: Scene) -> None:
    run, sent = beside(scene, "jellyfin", "jellyfin", {"MaxParentalRating": 12}, {**SETTLED, "MaxParentalRating": 6})
    assert run.moves[0].reasons == (Reason.ALREADY_THERE,)
    assert scene.target.sim.user("ada").policy["MaxParentalRating"] == 6
    assert sent == 0


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "jellyfin"), ("plex", "emby"), ("plex", "jellyfin")])
def test_downloads_that_the_plan_does_not_allow_are_withdrawn(scene: Scene, source: str, target: str) -> None:
    run, sent = beside(scene, source, target, {}, {"EnableContentDownloading": True})
    assert scene.outcome(run) == {"ada": "moved"} and run.moves[0].reasons == ()
    assert scene.target.sim.user("ada").policy["EnableContentDownloading"] is False
    assert sent == 1


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"MaxParentalRating": 7, "BlockedTags": ["horror", "b", "a"], "BlockUnratedItems": ["Series", "Movie"]},
        {"AccessSchedules": [{"Id": 3, "UserId": "0" * 32, "DayOfWeek": "Monday", "StartHour": 8.0, "EndHour": 20.0}]},
        {"EnableAllDevices": False, "EnabledDevices": ["tv", "phone"]},
    ],
    ids=str,
)
def test_nothing_is_sent_where_all_of_it_holds_already(scene: Scene, limits: dict[str, Any]) -> None:
    there = {**limits, **SETTLED}
    if "AccessSchedules" in there:
        there["AccessSchedules"] = [{**row, "Id": 9, "UserId": "1" * 32} for row in there["AccessSchedules"]]
    run, sent = beside(scene, "jellyfin", "jellyfin", limits, there)
    assert run.moves[0].reasons == (Reason.ALREADY_THERE,)
    assert sent == 0


def test_a_filter_is_carried_to_a_plex_share_with_the_right_libraries(scene: Scene) -> None:
    run, _ = beside(scene, "plex", "plex", {"filterMovies": "contentRating=G"}, {"allowSync": False})
    assert run.moves[0].reasons == ()
    assert scene.target.sim.share_of("ada@example.test").relation.settings["filterMovies"] == "contentRating=G"


def test_a_plex_share_that_is_right_in_everything_is_left_alone(scene: Scene) -> None:
    same = {"filterMovies": "contentRating=G", "allowSync": False}
    run, _ = beside(scene, "plex", "plex", same, same)
    assert run.moves[0].reasons == (Reason.ALREADY_THERE,)
    assert not [entry for entry in scene.changes(scene.target) if entry.call.method != "DELETE"]


def test_a_second_run_finds_everybody_right_whom_the_first_has_restricted(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    limits = {"MaxParentalRating": 10, "BlockedTags": ["horror"], "BlockUnratedItems": ["Movie"], "MaxActiveSessions": 2}
    scene.person("ada", settings={**limits, "EnableVideoPlaybackTranscoding": False})
    assert scene.outcome(scene.move(removal=Removal.KEEP)) == {"ada": "moved"}
    before = len(scene.changes(scene.target))
    again = scene.move(removal=Removal.KEEP)
    assert again.moves[0].reasons == (Reason.ALREADY_THERE,)
    assert len(scene.changes(scene.target)) == before


def hours(day: str, start: float, end: float) -> dict[str, Any]:
    return {"DayOfWeek": day, "StartHour": start, "EndHour": end}


@pytest.mark.parametrize(
    ("here", "there", "after"),
    [
        ([hours("Everyday", 8.0, 20.0)], [hours("Monday", 9.0, 10.0)], [hours("Monday", 9.0, 10.0)]),
        ([hours("Monday", 9.0, 10.0)], [hours("Everyday", 8.0, 20.0)], [hours("Monday", 9.0, 10.0)]),
        ([hours("Weekend", 8.0, 12.0)], [hours("Saturday", 10.0, 20.0)], [hours("Saturday", 10.0, 12.0)]),
        ([hours("Monday", 8.0, 9.0)], [hours("Sunday", 8.0, 9.0)], [hours("Monday", 8.0, 9.0)]),
    ],
    ids=str,
)
def test_hours_are_never_widened(scene: Scene, here: Any, there: Any, after: Any) -> None:
    beside(scene, "jellyfin", "jellyfin", {"AccessSchedules": here}, {"AccessSchedules": there})
    rows = scene.target.sim.user("ada").policy["AccessSchedules"]
    assert [{key: row[key] for key in ("DayOfWeek", "StartHour", "EndHour")} for row in rows] == after


def test_a_permission_the_plex_share_does_not_have_is_not_added(scene: Scene) -> None:
    there = {"allowSync": True, "allowCameraUpload": False, "allowTuners": 0}
    run, _ = beside(scene, "plex", "plex", {"allowCameraUpload": True, "allowTuners": 2}, there)
    assert run.moves[0].reasons == ()
    settings = scene.target.sim.share_of("ada@example.test").relation.settings
    assert (settings["allowSync"], settings["allowCameraUpload"], settings["allowTuners"]) == (False, False, 0)
