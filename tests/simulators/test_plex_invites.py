"""Who has to accept in the simulated plex.tv, who may, and what is left of an invite taken back."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.simulators.plex_cast import Api, create_v1, create_v2, ids_of, plex_world


@pytest.fixture
def world() -> Iterator[SimpleNamespace]:
    with plex_world() as cast:
        yield cast


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("alice", True), ("kid", True), ("bob", False), ("oscar", True)],
    ids=["shared elsewhere", "home member", "stranger", "friend"],
)
def test_accepts_at_once_whom_the_owner_is_connected_to(world, name, accepted):
    world.tv.befriend(world.olga, world.oscar)
    person = getattr(world, name)

    answer = create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=person.id)

    assert answer.json()["accepted"] is accepted is world.loft.share_of(person).accepted


def test_can_ask_friends_too_but_never_the_home(world):
    world.tv.instant_for_friends = False

    assert create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.alice.id).json()["accepted"] is False
    assert create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.kid.id).json()["accepted"] is True


def test_asks_somebody_of_another_owner(world):
    assert create_v2(world, world.barn, ids_of(world.barn, "Movies"), by="oscar", invitedId=world.alice.id).json()["accepted"] is False


def test_waits_for_the_invited_person_and_lets_nobody_else_accept(world):
    share_id = create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedEmail="bob").json()["id"]
    path = f"/api/v2/shared_servers/{share_id}/accept"

    (invite,) = world.api["bob"].json("/api/v2/shared_servers/invites/received/pending")
    assert invite["owner"]["username"] == "olga" and [s["id"] for s in invite["sharedServers"]] == [share_id]
    assert world.api["bob"].json("/api/v2/resources") == []
    assert [world.api[name]("POST", path).status_code for name in ("alice", "olga", "bob")] == [404, 404, 200]
    assert [entry["id"] for entry in world.api["olga"].json("/api/v2/shared_servers/owned/pending")] == []
    (resource,) = world.api["bob"].json("/api/v2/resources")
    assert resource["accessToken"] == world.loft.share_of(world.bob).token and resource["owned"] is False


def test_shows_a_pending_share_to_the_owner_in_both_generations(world):
    create_v1(world, world.loft, ids_of(world.loft, "Films"), invited_email="new@example.test")

    (row,) = world.api["olga"].xml(f"/api/servers/{world.loft.machine_id}/shared_servers")
    assert (row.get("email"), row.get("username"), row.get("userID"), row.get("acceptedAt")) == ("new@example.test", "", "", "")
    (entry,) = world.api["olga"].json("/api/v2/shared_servers/owned/pending")
    assert (entry["invitedEmail"], entry["invitedId"], entry["accepted"]) == ("new@example.test", None, False)
    (invite,) = world.api["olga"].json("/api/v2/shared_servers/invites/owned/pending")
    assert [s["id"] for s in invite["sharedServers"]] == [entry["id"]]
    assert [i.get("email") for i in world.api["olga"].xml("/api/invites/requested")] == ["new@example.test"]


def test_hands_an_invite_to_the_account_made_later_for_its_address(world):
    share = world.tv.share(world.loft, "New@example.test", ["Films"], accepted=False)
    new = world.tv.add_account("newcomer", "new@example.test")

    api = Api(world.tv.url, new.token)
    assert api("POST", f"/api/v2/shared_servers/{share.id}/accept").status_code == 200
    assert world.loft.share_of(new) is share and share.accepted
    assert "newcomer" in {user.get("title") for user in world.api["olga"].xml("/api/users/")}


def test_lets_no_unconfirmed_account_accept(world):
    share = world.tv.share(world.loft, world.bob, ["Films"], accepted=False)
    world.bob.confirmed = False

    assert world.api["bob"]("POST", f"/api/v2/shared_servers/{share.id}/accept").status_code == 422
    assert not share.accepted


def test_makes_friends_on_acceptance_unless_told_not_to(world):
    for server, name in ((world.loft, "bob"), (world.den, "oscar")):
        create_v2(world, server, ids_of(server, "Films", "Movies"), invitedEmail=name, skipFriendship=name == "bob")
        world.tv.accept(server.share_of(getattr(world, name)))

    assert world.tv.are_friends(world.olga, world.oscar) and not world.tv.are_friends(world.olga, world.bob)
    world.tv.remove(world.loft.share_of(world.bob))
    assert create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.bob.id).json()["accepted"] is False


def test_leaves_an_orphan_in_the_way_after_a_withdrawal_when_told_so(world):
    world.tv.orphan_after_withdrawal = True
    ids = ids_of(world.loft, "Films")
    share_id = create_v2(world, world.loft, ids, invitedEmail="bob").json()["id"]
    (invite,) = world.api["olga"].xml("/api/invites/requested")

    assert world.api["olga"]("DELETE", f"/api/invites/requested/{invite.get('id')}?friend=1&home=0&server=1").status_code == 200
    assert len(world.api["olga"].xml("/api/invites/requested")) == 0
    assert world.api["bob"].json("/api/v2/shared_servers/invites/received/pending") == []
    assert create_v2(world, world.loft, ids, invitedEmail="bob").status_code == 400
    assert world.api["olga"]("DELETE", f"/api/v2/shared_servers/{share_id}").status_code == 204
    assert create_v2(world, world.loft, ids, invitedEmail="bob").status_code == 201


def test_accepts_a_v1_invite_for_all_its_servers(world):
    for server in (world.den, world.loft):
        world.tv.share(server, world.bob, ["Movies"] if server is world.den else ["Films"], accepted=False)
    (invite,) = world.api["bob"].xml("/api/invites/requests")

    assert [s.get("name") for s in invite] == ["Den", "Loft"]
    assert world.api["bob"]("PUT", f"/api/invites/requests/{invite.get('id')}?friend=1&home=0&server=1").content == b""
    assert world.den.share_of(world.bob).accepted and world.loft.share_of(world.bob).accepted


def test_refuses_more_people_than_an_account_may_have(world):
    world.tv.user_limit = 3

    assert create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedEmail="new@example.test").status_code == 201
    refused = create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.bob.id)
    assert refused.status_code == 422 and "limit of 3 users" in refused.json()["errors"][0]["message"]
    assert create_v2(world, world.loft, ids_of(world.loft, "Films"), invitedId=world.alice.id).status_code == 201
