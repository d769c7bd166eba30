"""What sharing a server does in the simulated plex.tv: whom, which libraries, twice, not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.simulators.plex_cast import Api, create_v1, create_v2, ids_of, plex_world, status_text, titles_of


@pytest.fixture
def world() -> Iterator[SimpleNamespace]:
    with plex_world() as cast:
        yield cast


@pytest.mark.parametrize("create", [create_v1, create_v2])
def test_opens_every_library_for_an_empty_list(world, create):
    invitee = {"invited_email": "bob"} if create is create_v1 else {"invitedEmail": "bob"}

    assert create(world, world.loft, [], **invitee).status_code == 201

    share = world.loft.share_of(world.bob)
    assert titles_of(share) == ["Films", "Series", "Music"] and share.all_libraries
    world.loft.add_section("Photos", "photo")
    assert "Photos" in titles_of(share)


def test_refuses_an_empty_list_when_told_so(world):
    world.tv.empty_list_means_all = False

    assert create_v2(world, world.loft, [], invitedId=world.bob.id).status_code == 422
    assert world.tv.shares_of(world.loft) == []


@pytest.mark.parametrize("wrong", [[1], [999_999_999], ["118020001"], [True]])
def test_refuses_ids_that_are_no_libraries_of_that_server(world, wrong):
    answers = [create_v1(world, world.loft, wrong, invited_email="bob"), create_v2(world, world.loft, wrong, invitedId=world.bob.id)]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert world.tv.shares_of(world.loft) == []


def test_refuses_ids_of_another_server_and_of_unpublished_libraries(world):
    fresh = world.loft.add_section("Brand new", "movie", published=False)

    assert create_v2(world, world.loft, ids_of(world.den, "Movies"), invitedId=world.bob.id).status_code == 422
    assert create_v2(world, world.loft, [fresh.id], invitedId=world.bob.id).status_code == 422


def test_refuses_to_share_twice_with_the_same_person(world):
    v1 = create_v1(world, world.den, ids_of(world.den, "TV Shows"), invited_id=world.alice.id)
    v2 = create_v2(world, world.den, ids_of(world.den, "TV Shows"), invitedEmail="ALICE@example.test")

    assert v1.status_code == v2.status_code == 400
    assert status_text(v1) == "You're already sharing this server with alice. Please edit your existing share."
    assert v2.json()["errors"][0]["message"] == status_text(v1)
    assert titles_of(world.alice_den) == ["Movies"]


def test_can_refuse_the_second_share_with_422_in_v2(world):
    world.tv.v2_already_sharing_status = 422

    assert create_v2(world, world.den, ids_of(world.den, "Movies"), invitedId=world.alice.id).status_code == 422
    assert create_v1(world, world.den, ids_of(world.den, "Movies"), invited_id=world.alice.id).status_code == 400


@pytest.mark.parametrize(
    ("invitee", "status"),
    [
        ({"invitedEmail": "olga@example.test"}, 400),
        ({"invitedEmail": "neither name nor address"}, 400),
        ({"invitedEmail": ""}, 422),
        ({}, 422),
        ({"invitedId": 424242}, 404),
    ],
)
def test_refuses_invitees_it_cannot_invite(world, invitee, status):
    assert create_v2(world, world.den, ids_of(world.den, "Movies"), **invitee).status_code == status
    assert len(world.tv.shares_of(world.den)) == 1


def test_refuses_bodies_it_cannot_read(world):
    path = f"/api/servers/{world.den.machine_id}/shared_servers"
    asked = world.api["olga"]

    assert asked("POST", path, data="{").status_code == 400
    assert asked("POST", path, json={"server_id": "other", "shared_server": {}}).status_code == 400
    assert asked("POST", "/api/v2/shared_servers", json=[]).status_code == 400
    assert create_v2(world, world.den, None, invitedId=world.bob.id).status_code == 400


def test_replaces_the_libraries_of_a_share_as_a_whole(world):
    v1 = f"/api/servers/{world.den.machine_id}/shared_servers/{world.alice_den.id}"
    body = {"server_id": world.den.machine_id, "shared_server": {"library_section_ids": ids_of(world.den, "TV Shows")}}

    assert world.api["olga"]("PUT", v1, json=body).status_code == 200
    assert titles_of(world.alice_den) == ["TV Shows"]
    edit = {"librarySectionIds": ids_of(world.den, "Movies", "TV Shows"), "settings": {"allowChannels": True}}
    assert world.api["olga"]("POST", f"/api/v2/shared_servers/{world.alice_den.id}", json=edit).status_code == 200
    assert titles_of(world.alice_den) == ["Movies", "TV Shows"] and world.alice_den.settings["allowChannels"] is True
    assert world.api["oscar"]("POST", f"/api/v2/shared_servers/{world.alice_den.id}", json=edit).status_code == 404


def test_changes_nothing_when_half_of_an_edit_is_wrong(world):
    edit = {"librarySectionIds": [1], "settings": {"allowSync": False}}

    assert world.api["olga"]("POST", f"/api/v2/shared_servers/{world.alice_den.id}", json=edit).status_code == 422
    assert world.alice_den.settings["allowSync"] is True


@pytest.mark.parametrize("path", ["/api/v2/shared_servers/{id}", "/api/servers/{mid}/shared_servers/{id}"])
def test_removes_one_share_and_leaves_the_others(world, path):
    loft = world.tv.share(world.loft, world.alice, ["Films"])
    path = path.format(id=world.alice_den.id, mid=world.den.machine_id)

    assert world.api["olga"]("DELETE", path).status_code in (200, 204)
    assert world.api["olga"]("DELETE", path).status_code == 404
    assert world.tv.shares_of(world.den) == [] and world.tv.shares_of(world.loft) == [loft]


def test_ends_everything_between_two_people_through_sharings(world):
    world.tv.share(world.loft, world.alice, ["Films"])
    barn = world.tv.share(world.barn, world.alice, ["Movies"])

    assert world.api["olga"]("DELETE", f"/api/v2/sharings/{world.alice.id}").status_code == 204
    assert world.api["olga"]("DELETE", f"/api/v2/sharings/{world.alice.id}").status_code == 404
    assert world.tv.shares_of(world.den) == world.tv.shares_of(world.loft) == [] and world.tv.shares_of(world.barn) == [barn]
    assert create_v2(world, world.den, ids_of(world.den, "Movies"), invitedId=world.alice.id).json()["accepted"] is False


def test_answers_a_removal_without_a_number_with_a_page(world):
    for ending in ("", "/None"):
        answer = world.api["olga"]("DELETE", f"/api/servers/{world.den.machine_id}/shared_servers{ending}")
        assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("text/html")
    assert len(world.tv.shares_of(world.den)) == 1


def test_lets_the_invited_person_leave(world):
    assert world.api["alice"]("DELETE", f"/api/v2/shared_servers/{world.alice_den.id}").status_code == 204
    assert world.tv.shares_of(world.den) == []


def test_can_go_on_listing_what_was_deleted(world):
    world.tv.lists_deleted_shares = True
    world.api["olga"]("DELETE", f"/api/v2/shared_servers/{world.alice_den.id}")

    (entry,) = world.api["olga"].json("/api/v2/shared_servers/owned/accepted")
    assert entry["deletedAt"] is not None


def test_keeps_its_books_straight_under_parallel_writes(world):
    people = [world.tv.add_account(f"user{number}", f"user{number}@example.test") for number in range(40)]

    def invite(part: list) -> None:
        api = Api(world.tv.url, world.olga.token)
        for person in part:
            body = {"machineIdentifier": world.loft.machine_id, "librarySectionIds": ids_of(world.loft, "Films"), "invitedId": person.id}
            api("POST", "/api/v2/shared_servers", json=body)
        api.session.close()

    threads = [threading.Thread(target=invite, args=(people[start::4] * 2,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    rows = world.tv.shares_of(world.loft)
    assert sorted(share.person.id for share in rows) == [person.id for person in people]
    assert len({share.id for share in rows}) == len({share.token for share in rows}) == 40
