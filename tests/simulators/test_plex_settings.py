"""Sharing settings in the simulated plex.tv: one set per owner and person, replaced or changed."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.simulators.plex_cast import create_v1, create_v2, ids_of, plex_world, status_text


@pytest.fixture
def world() -> Iterator[SimpleNamespace]:
    with plex_world() as cast:
        yield cast


def test_replaces_all_settings_of_the_person_when_a_create_carries_some(world):
    answer = create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.alice.id, settings={"allowChannels": True})

    assert answer.status_code == 201
    assert world.alice_den.settings["allowSync"] is False and world.alice_den.settings["filterMovies"] == ""
    assert world.alice_den.settings["allowChannels"] is True


def test_leaves_the_settings_alone_when_a_create_carries_none(world):
    create_v1(world, world.loft, ids_of(world.loft, "Films"), invited_id=world.alice.id)

    assert world.loft.share_of(world.alice).settings["filterMovies"] == "label=Kids%2CFamily"


def test_changes_only_the_named_settings_through_sharings(world):
    answer = world.api["olga"]("PUT", f"/api/v2/sharings/{world.alice.id}", params={"filterTelevision": "contentRating=G%2CPG|label!=X"})

    assert answer.status_code == 204
    assert world.alice_den.settings["filterTelevision"] == "contentRating=G%2CPG|label!=X"
    assert world.alice_den.settings["allowSync"] is True


def test_replaces_the_settings_through_sharing_settings(world):
    body = {"invitedEmail": "alice", "settings": {"allowTuners": 2, "filterAll": None}}

    assert world.api["olga"]("POST", "/api/v2/sharing_settings", json=body).status_code == 200
    assert world.alice_den.settings["allowTuners"] == 2 and world.alice_den.settings["allowSync"] is False


@pytest.mark.parametrize(
    "settings", [{"allowSync": "yes"}, {"filterMovies": {"label": ["Kids"]}}, {"allowTuners": 3}, {"allowAll": True}, [1]]
)
def test_refuses_settings_of_the_wrong_kind(world, settings):
    answer = create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.bob.id, settings=settings)

    assert answer.status_code == 422 and world.loft.share_of(world.bob) is None


def test_refuses_restrictions_without_a_plex_pass(world):
    ids = ids_of(world.barn, "Movies")

    assert create_v1(world, world.barn, ids, by="oscar", invited_email="bob", settings={"allowSync": "1"}).status_code == 400
    assert create_v1(world, world.barn, ids, by="oscar", invited_email="bob", settings={"allowSync": "0"}).status_code == 201


def test_refuses_filters_for_a_managed_user_with_an_age_profile(world):
    world.tv.share(world.den, world.kid, ["Movies"])
    answer = world.api["olga"]("PUT", f"/api/v2/sharings/{world.kid.id}?filterMovies=label%3DKids")

    assert answer.status_code == 422 and status_text(answer) == "An error occurred updating the settings for Kid."
    assert world.api["olga"]("PUT", f"/api/v2/sharings/{world.kid.id}?allowChannels=1").status_code == 204
