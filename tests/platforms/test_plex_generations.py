"""Both generations of plex.tv's sharing API: v2 while it is there, v1 where it is not, and what either hides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from panel.platforms.base import Access, AlreadyThere, NotAllowed, NotAvailable, NotThere, Person, Refused, ServerFault, UnexpectedAnswer
from tests.platforms.plex_world import KIDS_ONLY, PlexWorld, plex_world


@pytest.fixture
def world() -> Iterator[PlexWorld]:
    with plex_world() as world:
        yield world


@pytest.fixture(params=["v2", "v1 (404)", "v1 (410)"])
def either(request: pytest.FixtureRequest, world: PlexWorld) -> PlexWorld:
    world.tv.v2_shares_gone = {"v2": False, "v1 (404)": True, "v1 (410)": 410}[request.param]
    world.tv.v1_shares_gone = request.param == "v2"
    return world


def test_both_list_the_same_members(either: PlexWorld) -> None:
    either.tv.share(either.den, "new@example.test", ["Movies"], accepted=False)
    either.tv.share(either.den, either.tv.add_managed_user(either.olga, "Kid"), ["Movies"], settings={"filterMovies": KIDS_ONLY})
    members = {member.name: member for member in either.remote().members()}
    assert {name: (m.accepted, m.is_managed, m.library_ids) for name, m in members.items()} == {
        "alice": (True, False, either.ids("Movies", "TV Shows")),
        "carl": (False, False, either.ids("Music")),
        "new@example.test": (False, False, either.ids("Movies")),
        "Kid": (True, True, either.ids("Movies")),
    }
    assert members["new@example.test"].account_id == ""
    assert (members["Kid"].settings["filterMovies"], members["Kid"].settings["allowTuners"]) == (KIDS_ONLY, 0)
    assert members["alice"].settings["allowSync"] is False


def test_both_give_edit_and_take(either: PlexWorld) -> None:
    remote = either.remote(either.attic)
    access = Access(either.ids("Movies", server=either.attic), True, {"filterMovies": KIDS_ONLY})
    given = remote.give(Person("dora", "dora@example.test"), access)
    dora = either.member("dora", remote)
    assert (given.member_id, given.account_id, given.accepted) == (dora.id, dora.account_id, False)
    assert (dora.settings["filterMovies"], dora.settings["allowSync"]) == (KIDS_ONLY, True)
    remote.give(Person("dora", "dora@example.test"), Access(either.ids("Music", server=either.attic), False), dora)
    dora = either.member("dora", remote)
    assert dora.library_ids == either.ids("Music", server=either.attic)
    assert (dora.settings["filterMovies"], dora.settings["allowSync"]) == (KIDS_ONLY, False)
    remote.take(dora)
    assert either.tv.shares_of(either.attic) == []


def test_both_say_when_somebody_already_has_access(either: PlexWorld) -> None:
    with pytest.raises(AlreadyThere, match="already sharing"):
        either.remote().give(Person("alice", "alice@example.test"), Access(either.ids("Movies")))


def test_both_find_what_is_gone(either: PlexWorld) -> None:
    remote = either.remote()
    alice = either.member("alice", remote)
    either.tv.remove(either.tv.shares_of(either.den)[0])
    for client in (remote, either.remote()):
        client.take(alice)
        with pytest.raises(NotThere):
            client.give(Person("alice"), Access(either.ids("Movies")), alice)


def test_both_keep_a_restricted_person_restricted_without_knowing_the_restrictions(either: PlexWorld) -> None:
    either.tv.share(either.den, either.dora, ["Movies"], settings={"filterMovies": KIDS_ONLY})
    remote = either.remote(either.attic)
    remote.members()
    remote.give(Person("dora", "dora@example.test", str(either.dora.id)), Access(either.ids("Movies", server=either.attic)))
    assert either.den.share_of(either.dora).settings["filterMovies"] == KIDS_ONLY  # type: ignore[union-attr]


def test_the_generation_that_answers_is_remembered(world: PlexWorld) -> None:
    world.tv.v2_shares_gone = True
    remote = world.remote()
    remote.members()
    world.forget_calls()
    remote.members()
    remote.give(Person("dora", "dora@example.test"), Access(world.ids("Movies")))
    shares = f"/api/servers/{world.den.machine_id}/shared_servers"
    assert world.sent() == [f"GET {shares}", "GET /api/users", f"POST {shares}"]


def test_v1_edits_libraries_alone_in_one_request_and_settings_in_one_more(world: PlexWorld) -> None:
    world.tv.v2_shares_gone = True
    remote = world.remote()
    alice = world.member("alice", remote)
    world.forget_calls()
    remote.give(Person("alice"), Access(world.ids("Music")), alice)
    share = f"PUT /api/servers/{world.den.machine_id}/shared_servers/{alice.id}"
    assert world.sent() == [share]
    world.forget_calls()
    remote.give(Person("alice"), Access(world.ids("Music"), True), alice)
    assert world.sent() == [f"PUT /api/v2/sharings/{alice.account_id}", share]


def test_a_filter_survives_the_query_of_v1_to_the_letter(world: PlexWorld) -> None:
    world.tv.v2_shares_gone = True
    remote = world.remote()
    remote.give(Person("alice"), Access(world.ids("Music"), settings={"filterMovies": KIDS_ONLY}), world.member("alice", remote))
    assert world.den.share_of(world.alice).settings["filterMovies"] == KIDS_ONLY  # type: ignore[union-attr]


def test_restrictions_v1_refuses_leave_the_libraries_as_they_were(world: PlexWorld) -> None:
    kid = world.tv.add_managed_user(world.olga, "Kid", "little_kid")
    world.tv.share(world.den, kid, ["Movies"])
    world.tv.v2_shares_gone = True
    remote = world.remote()
    with pytest.raises(Refused, match="settings for Kid"):
        remote.give(Person("Kid"), Access(world.ids("Music"), settings={"filterMovies": KIDS_ONLY}), world.member("Kid", remote))
    assert world.member("Kid", remote).library_ids == world.ids("Movies")


def test_a_v2_that_lists_but_does_not_create_is_helped_out_by_v1_once(world: PlexWorld) -> None:
    body = '{"errors":[{"code":1002,"message":"Resource not found","status":404}]}'
    world.fail("^/api/v2/shared_servers$", status=404, body=body, content_type="application/json")
    remote = world.remote(world.attic)
    remote.members()
    world.forget_calls()
    movies = Access(world.ids("Movies", server=world.attic))
    remote.give(Person("dora", "dora@example.test"), movies)
    remote.give(Person("carl", "carl@example.test"), movies)
    v1 = f"POST /api/servers/{world.attic.machine_id}/shared_servers"
    assert world.sent() == ["POST /api/v2/shared_servers", v1, v1]


@pytest.mark.parametrize("gone", [True, 410], ids=["404", "410"])
def test_a_v2_that_vanishes_in_the_middle_is_replaced_by_v1(world: PlexWorld, gone: bool | int) -> None:
    remote = world.remote()
    alice = world.member("alice", remote)
    world.tv.v2_shares_gone = gone
    remote.take(alice)
    assert world.den.share_of(world.alice) is None
    assert [member.name for member in remote.members()] == ["carl"]


def test_no_generation_left_is_an_error_and_no_empty_list(world: PlexWorld) -> None:
    world.tv.v2_shares_gone = world.tv.v1_shares_gone = True
    remote = world.remote()
    with pytest.raises(NotAvailable):
        remote.members()
    with pytest.raises(NotAvailable):
        remote.give(Person("dora", "dora@example.test"), Access(world.ids("Movies")))


def test_a_server_of_somebody_else_has_no_empty_list_in_v1(world: PlexWorld) -> None:
    world.tv.v2_shares_gone = True
    with pytest.raises(NotAllowed):
        world.remote(token=world.bert.token).members()


def test_an_empty_v2_list_is_believed_once_v1_agrees(world: PlexWorld) -> None:
    assert world.remote(world.barn).members() == []
    assert len(world.tv.journal) == 3
    world.tv.v1_shares_gone = True
    assert world.remote(world.barn).members() == []


def test_an_empty_v2_list_that_v1_contradicts_is_not_believed(world: PlexWorld) -> None:
    world.fail("^/api/v2/shared_servers/owned/", status=200, body="[]", content_type="application/json")
    with pytest.raises(UnexpectedAnswer, match="different lists"):
        world.remote().members()


def test_half_a_v1_list_is_not_believed(world: PlexWorld) -> None:
    world.tv.v2_shares_gone = True
    world.fail("^/api/servers/.*/shared_servers$", status=200, body='<MediaContainer size="2"/>', content_type="text/xml")
    with pytest.raises(ServerFault, match="part of a list"):
        world.remote().members()


def test_pending_is_read_before_accepted_so_that_nobody_falls_between(world: PlexWorld) -> None:
    world.remote().members()
    assert [path.rsplit("/", 1)[1] for path in world.sent()] == ["pending", "accepted"]


def test_a_422_about_a_share_that_exists_means_already_there(world: PlexWorld) -> None:
    world.fail(
        "^/api/v2/shared_servers$", method="POST", status=422, body='{"errors":[{"code":1999,"message":"Unprocessable","status":422}]}'
    )
    remote = world.remote()
    with pytest.raises(AlreadyThere):
        remote.give(Person("alice", "ALICE@example.test"), Access(world.ids("Movies")))
    with pytest.raises(Refused) as refused:
        remote.give(Person("dora", "dora@example.test"), Access(world.ids("Movies")))
    assert not isinstance(refused.value, AlreadyThere)


def test_the_limit_of_an_account_is_told_in_plex_tvs_words(world: PlexWorld) -> None:
    world.tv.user_limit = 2
    with pytest.raises(Refused, match="limit of 2 users"):
        world.remote(world.attic).give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.attic)))


def test_an_answer_about_somebody_else_is_an_error_to_report(either: PlexWorld) -> None:
    either.tv.rename(either.dora, username="someone", email="someone@example.test")
    either.tv.rename(either.bert, username="dora", email="dora@example.test")
    share = either.tv.share(either.attic, either.bert, ["Movies"])
    remote = either.remote(either.attic)
    remote.members()
    shares = f"/api/servers/{either.attic.machine_id}/shared_servers$"
    body = f'<MediaContainer><SharedServer id="{share.id}" userID="{either.bert.id}" email="other@example.test"/></MediaContainer>'
    either.fail(shares, method="POST", status=200, body=body, content_type="text/xml")
    row = f'{{"id": {share.id}, "invitedId": {either.bert.id}, "invitedEmail": "other@example.test", "accepted": true}}'
    either.fail("^/api/v2/shared_servers$", method="POST", status=201, body=row)
    access = Access(either.ids("Movies", server=either.attic))
    if either.tv.v2_shares_gone:
        either.tv.faults.pop()
    for person in (Person("dora", account_id=str(either.dora.id)), Person("dora", "dora@example.test")):
        with pytest.raises(UnexpectedAnswer, match="somebody else"):
            remote.give(person, access)


def test_a_row_left_over_from_a_withdrawn_invite_is_replaced_by_a_new_invite(either: PlexWorld) -> None:
    either.tv.orphan_after_withdrawal = True
    either.tv.withdraw(either.tv.shares_of(either.den)[1])
    remote = either.remote()
    orphan = either.member("carl", remote)
    given = remote.give(Person("carl", "carl@example.test", str(either.carl.id)), Access(either.ids("Movies")), orphan)
    assert (given.member_id != orphan.id, given.accepted) == (True, False)
    assert [share.id for relation in either.tv.sent(either.olga) for share in relation.invited] == [int(given.member_id)]


def test_a_pending_invite_is_edited_and_not_sent_again(either: PlexWorld) -> None:
    remote = either.remote()
    carl = either.member("carl", remote)
    given = remote.give(Person("carl", "carl@example.test"), Access(either.ids("Movies")), carl)
    assert (given.member_id, given.accepted) == (carl.id, False)
    assert either.member("carl", remote).library_ids == either.ids("Movies")


def test_an_invite_that_cannot_be_looked_up_is_taken_to_stand(world: PlexWorld) -> None:
    world.fail("/invites/", status=410)
    for gone in (False, True):
        world.tv.v2_shares_gone = gone
        remote = world.remote()
        carl = world.member("carl", remote)
        assert remote.give(Person("carl"), Access(world.ids("Movies")), carl).member_id == carl.id


def test_an_account_nobody_knows_is_refused_in_plex_tvs_words(either: PlexWorld) -> None:
    with pytest.raises(Refused, match="User not found"):
        either.remote().give(Person("ghost", account_id="4711"), Access(either.ids("Movies")))
    assert len(either.sent("POST")) <= 2
