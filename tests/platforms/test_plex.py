"""A Plex server seen through its client: identity, libraries, members, giving and taking access."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from panel.platforms.base import (
    Access,
    CredentialsRefused,
    LibraryGone,
    Member,
    NotAllowed,
    Person,
    Refused,
    ServerFault,
    UnexpectedAnswer,
    Unreachable,
    WrongServer,
)
from panel.simulators.http import Fault, Simulator
from tests.platforms.plex_world import KIDS_ONLY, PlexWorld, plex_world


@pytest.fixture
def world() -> Iterator[PlexWorld]:
    with plex_world() as world:
        yield world


def test_identity_needs_no_token_and_asks_the_server_alone(world: PlexWorld) -> None:
    identity = world.remote(token="").identity()
    assert (identity.machine_id, len(world.den.journal), world.tv.journal) == (world.den.machine_id, 1, [])
    assert "x-plex-token" not in world.den.journal[0].call.headers


def test_check_says_whose_server_it_is_in_two_requests(world: PlexWorld) -> None:
    identity = world.remote().check()
    assert (identity.machine_id, identity.name) == (world.den.machine_id, "Den")
    assert (len(world.den.journal), world.sent()) == (1, [f"GET /api/servers/{world.den.machine_id}"])


def test_every_request_names_the_product_and_the_installation(world: PlexWorld) -> None:
    world.remote().check()
    for entry in [*world.tv.journal, *world.den.journal]:
        assert entry.call.headers["x-plex-product"] == "Streamferry"
        assert entry.call.headers["x-plex-client-identifier"] == "streamferry-tests"


def test_check_refuses_a_revoked_token(world: PlexWorld) -> None:
    world.tv.revoke_token(world.olga)
    with pytest.raises(CredentialsRefused):
        world.remote().check()


@pytest.mark.parametrize("token", ["", "  ", "a token", "tökén", "line\nbreak"])
def test_a_token_no_header_can_carry_is_refused_before_anything_is_sent(world: PlexWorld, token: str) -> None:
    with pytest.raises(CredentialsRefused):
        world.remote(token=token).members()
    assert world.tv.journal == []


def test_check_refuses_an_account_that_does_not_own_the_server(world: PlexWorld) -> None:
    with pytest.raises(NotAllowed, match="does not own"):
        world.remote(token=world.alice.token).check()


def test_another_machine_at_the_address_is_told_no_token(world: PlexWorld) -> None:
    remote = world.remote(url=world.barn.url)
    for ask in (remote.check, remote.libraries):
        with pytest.raises(WrongServer):
            ask()
    assert all("x-plex-token" not in entry.call.headers for entry in world.barn.journal)
    assert world.tv.journal == []


def test_a_server_in_maintenance_or_gone_is_unreachable(world: PlexWorld) -> None:
    world.den.maintenance = True
    with pytest.raises(Unreachable):
        world.remote().check()
    world.den.stop()
    with pytest.raises(Unreachable):
        world.remote().identity()


@pytest.mark.parametrize("how", [{"html": True}, {"status": 302, "headers": {"Location": "/web"}}, {"status": 401}, {"status": 404}])
def test_something_else_at_the_address_is_an_unexpected_answer(world: PlexWorld, how: dict[str, object]) -> None:
    world.den.faults.append(Fault(times=None, **how))  # type: ignore[arg-type]
    with pytest.raises(UnexpectedAnswer):
        world.remote().identity()


def test_libraries_carry_the_ids_of_plex_tv_and_our_kinds(world: PlexWorld) -> None:
    libraries = world.remote().libraries()
    assert [(library.name, library.kind) for library in libraries] == [
        ("Movies", "movies"),
        ("TV Shows", "shows"),
        ("Music", "music"),
        ("Family Photos", "photos"),
    ]
    assert [library.id for library in libraries] == [str(section.id) for section in world.den.sections]


def test_libraries_cost_three_requests_then_two(world: PlexWorld) -> None:
    remote = world.remote()
    remote.libraries()
    assert len(world.tv.journal) + len(world.den.journal) == 3
    remote.libraries()
    assert len(world.tv.journal) + len(world.den.journal) == 5


def test_a_library_plex_tv_does_not_list_yet_is_no_library_gone(world: PlexWorld) -> None:
    world.den.add_section("New", "movie", published=False)
    with pytest.raises(ServerFault, match="1 missing"):
        world.remote().libraries()


def test_a_partial_first_generation_list_is_completed_by_the_second(world: PlexWorld) -> None:
    world.fail(
        f"^/api/servers/{world.den.machine_id}$", status=200, content_type="text/xml", body="<MediaContainer><Server/></MediaContainer>"
    )
    assert len(world.remote().libraries()) == 4


def test_partial_lists_of_both_generations_are_not_believed(world: PlexWorld) -> None:
    world.fail(f"^/api/servers/{world.den.machine_id}$", status=410)
    world.tv.v2_section_list_limit = 2
    with pytest.raises(ServerFault, match="2 missing"):
        world.remote().libraries()


def test_a_server_that_forgot_its_libraries_while_starting_is_not_believed(world: PlexWorld) -> None:
    world.den.faults.append(
        Fault(path="/library/sections", status=200, body='<MediaContainer size="0"/>', content_type="text/xml", times=None)
    )
    with pytest.raises(ServerFault):
        world.remote().libraries()


def test_a_server_without_libraries_has_none(world: PlexWorld) -> None:
    shed = world.tv.add_server(world.olga, "Shed", [])
    with shed.running():
        assert world.remote(shed).libraries() == []


def test_members_are_the_accepted_and_the_invited_of_this_server_in_two_requests(world: PlexWorld) -> None:
    world.tv.share(world.attic, world.dora, ["Movies"])
    members = {member.name: member for member in world.remote().members()}
    alice, carl = members["alice"], members["carl"]
    assert members.keys() == {"alice", "carl"}
    assert (alice.accepted, alice.account_id, alice.email) == (True, str(world.alice.id), "alice@example.test")
    assert (alice.library_ids, alice.has_access) == (world.ids("Movies", "TV Shows"), True)
    assert (carl.accepted, carl.has_access) == (False, False)
    assert alice.invited_at is not None
    assert len(world.tv.journal) == 2


def test_an_invited_address_without_an_account_is_a_member_without_a_person(world: PlexWorld) -> None:
    world.tv.share(world.den, "new@example.test", ["Movies"], accepted=False)
    member = world.member("new@example.test")
    assert (member.account_id, member.email, member.accepted) == ("", "new@example.test", False)


def test_a_managed_user_is_marked(world: PlexWorld) -> None:
    kid = world.tv.add_managed_user(world.olga, "Kid")
    world.tv.share(world.den, kid, ["Movies"])
    member = world.member("Kid")
    assert (member.is_managed, member.account_id, member.email) == (True, str(kid.id), "")


def test_shares_that_ended_are_no_members(world: PlexWorld) -> None:
    world.tv.lists_deleted_shares = True
    world.tv.remove(world.tv.shares_of(world.den)[0])
    assert [member.name for member in world.remote().members()] == ["carl"]


def test_the_settings_of_a_member_are_kept_as_they_are(world: PlexWorld) -> None:
    world.tv.share(world.den, world.dora, ["Movies"], settings={"filterMovies": KIDS_ONLY, "allowSync": True, "allowTuners": 2})
    settings = world.member("dora").settings
    assert (settings["filterMovies"], settings["allowSync"], settings["allowTuners"]) == (KIDS_ONLY, True, 2)


def test_members_asks_the_server_who_it_is_when_nobody_said(world: PlexWorld) -> None:
    assert len(world.remote(machine_id=None).members()) == 2


def test_giving_access_to_a_new_person_takes_one_request(world: PlexWorld) -> None:
    remote = world.remote(world.attic)
    given = remote.give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.attic)))
    [share] = world.tv.shares_of(world.attic)
    assert (given.member_id, given.account_id, given.accepted) == (str(share.id), str(world.dora.id), False)
    assert {str(section) for section in share.section_ids} == world.ids("Movies", server=world.attic)
    assert world.sent() == ["POST /api/v2/shared_servers"]


def test_moving_within_an_account_is_effective_at_once_and_costs_two_requests(world: PlexWorld) -> None:
    source, target = world.remote(), world.remote(world.attic)
    alice = world.member("alice", source)
    world.forget_calls()
    given = target.give(
        Person("alice", alice.email, alice.account_id), Access(world.ids("Movies", server=world.attic), settings=alice.settings)
    )
    source.take(alice)
    assert given.accepted
    assert world.sent() == ["POST /api/v2/shared_servers", f"DELETE /api/v2/shared_servers/{alice.id}"]
    assert world.den.share_of(world.alice) is None and world.attic.share_of(world.alice) is not None


def test_another_account_means_an_invite_that_waits(world: PlexWorld) -> None:
    given = world.remote(world.barn).give(Person("alice", account_id=str(world.alice.id)), Access(world.ids("Movies", server=world.barn)))
    assert not given.accepted


def test_the_known_account_is_invited_by_its_number(world: PlexWorld) -> None:
    world.tv.rename(world.alice, username="alison", email="alison@example.test")
    person = Person("alice", "alice@example.test", str(world.alice.id))
    given = world.remote(world.barn).give(person, Access(world.ids("Movies", server=world.barn)))
    assert given.account_id == str(world.alice.id)
    assert "invitedEmail" not in world.tv.journal[-1].call.json()  # type: ignore[operator]


def test_a_managed_user_is_given_access_by_number_only(world: PlexWorld) -> None:
    kid = world.tv.add_managed_user(world.olga, "Kid")
    access = Access(world.ids("Movies", server=world.attic))
    assert world.remote(world.attic).give(Person("Kid", account_id=str(kid.id)), access).accepted
    with pytest.raises(Refused, match="nobody could be invited"):
        world.remote(world.attic).give(Person("Kid"), access)


def test_giving_begins_no_friendship(world: PlexWorld) -> None:
    world.remote(world.barn).give(Person("alice", "alice@example.test"), Access(world.ids("Movies", server=world.barn)))
    world.tv.accept(world.tv.shares_of(world.barn)[0])
    assert not world.tv.are_friends(world.bert, world.alice)


def test_an_empty_list_of_libraries_is_never_sent(world: PlexWorld) -> None:
    for known in (None, world.member("alice")):
        world.forget_calls()
        with pytest.raises(ValueError):
            world.remote().give(Person("alice", "alice@example.test"), Access(frozenset()), known)
        assert world.tv.journal == []


def test_a_restricted_person_stays_restricted_on_the_target(world: PlexWorld) -> None:
    world.tv.share(world.den, world.dora, ["Movies"], settings={"filterMovies": KIDS_ONLY, "allowTuners": 2, "allowSubtitleAdmin": True})
    dora = world.member("dora")
    rich = world.tv.add_account("rich", "rich@example.test", plex_pass=True)
    loft = world.tv.add_server(rich, "Loft", [("Movies", "movie")])
    world.remote(loft).give(
        Person("dora", dora.email, dora.account_id), Access(frozenset({str(loft.sections[0].id)}), settings=dora.settings)
    )
    [share] = world.tv.shares_of(loft)
    assert share.settings == {**world.den.share_of(world.dora).settings}  # type: ignore[union-attr]


def test_giving_without_known_restrictions_wipes_none_that_are_set_on_the_account(world: PlexWorld) -> None:
    world.tv.share(world.den, world.dora, ["Movies"], settings={"filterMovies": KIDS_ONLY})
    remote = world.remote(world.attic)
    remote.members()
    remote.give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.attic), downloads=True))
    settings = world.den.share_of(world.dora).settings  # type: ignore[union-attr]
    assert (settings["filterMovies"], settings["allowSync"]) == (KIDS_ONLY, True)


def test_an_empty_filter_of_the_source_wipes_none_of_the_target(world: PlexWorld) -> None:
    world.tv.share(world.attic, world.dora, ["Movies"], settings={"filterMovies": KIDS_ONLY})
    remote = world.remote(world.attic)
    known = world.member("dora", remote)
    remote.give(Person("dora"), Access(world.ids("Movies", server=world.attic), settings={"filterMovies": "", "allowSync": False}), known)
    assert world.attic.share_of(world.dora).settings["filterMovies"] == KIDS_ONLY  # type: ignore[union-attr]


def test_replaced_restrictions_are_reported(world: PlexWorld) -> None:
    world.tv.share(world.attic, world.dora, ["Movies"], settings={"filterMovies": KIDS_ONLY})
    remote = world.remote(world.attic)
    known = world.member("dora", remote)
    access = Access(world.ids("Movies", server=world.attic), settings={"filterMovies": "contentRating=G"})
    assert "all of its servers" in remote.give(Person("dora"), access, known).note


@pytest.mark.parametrize(
    ("downloads", "source", "allowed"), [(True, False, True), (False, True, False), (None, True, True), (None, None, False)]
)
def test_downloads_follow_the_plan_then_the_source_then_no(
    world: PlexWorld, downloads: bool | None, source: bool | None, allowed: bool
) -> None:
    settings = {} if source is None else {"allowSync": source}
    access = Access(world.ids("Movies", server=world.attic), downloads, settings)
    world.remote(world.attic).give(Person("dora", "dora@example.test"), access)
    assert world.attic.share_of(world.dora).settings["allowSync"] is allowed  # type: ignore[union-attr]


def test_settings_that_need_a_plex_pass_are_refused_with_plex_tvs_words(world: PlexWorld) -> None:
    with pytest.raises(Refused, match="require a Plex Pass"):
        world.remote(world.barn).give(Person("dora", "dora@example.test"), Access(world.ids("Movies", server=world.barn), downloads=True))


def test_known_access_is_edited_in_one_request(world: PlexWorld) -> None:
    remote = world.remote()
    alice = world.member("alice", remote)
    world.forget_calls()
    given = remote.give(Person("alice", alice.email, alice.account_id), Access(world.ids("Music")), alice)
    assert (given.member_id, given.accepted) == (alice.id, True)
    assert world.sent() == [f"POST /api/v2/shared_servers/{alice.id}"]
    assert world.member("alice").library_ids == world.ids("Music")


def test_a_library_that_is_gone_is_refused_before_anything_is_sent(world: PlexWorld) -> None:
    remote = world.remote(world.attic)
    remote.libraries()
    for wrong in ("118999999", "not-a-number", "²"):
        with pytest.raises(LibraryGone):
            remote.give(Person("dora", "dora@example.test"), Access(frozenset({wrong})))
    assert world.sent("POST") == []


def test_a_library_added_since_is_found(world: PlexWorld) -> None:
    remote = world.remote(world.attic)
    remote.libraries()
    new = world.attic.add_section("New", "movie")
    assert remote.give(Person("dora", "dora@example.test"), Access(frozenset({str(new.id)}))).member_id


def test_taking_leaves_other_servers_and_the_friendship_alone(world: PlexWorld) -> None:
    world.tv.share(world.attic, world.alice, ["Movies"])
    world.remote().take(world.member("alice"))
    assert world.den.share_of(world.alice) is None
    assert world.attic.share_of(world.alice) is not None
    assert world.tv.are_friends(world.olga, world.alice)
    assert world.sent(path="sharings") == []


def test_taking_withdraws_an_invite(world: PlexWorld) -> None:
    world.remote().take(world.member("carl"))
    assert world.den.share_of(world.carl) is None


def test_taking_twice_is_done(world: PlexWorld) -> None:
    remote = world.remote()
    alice = world.member("alice", remote)
    remote.take(alice)
    remote.take(alice)
    world.remote().take(alice)
    assert world.den.share_of(world.alice) is None


@pytest.mark.parametrize("share_id", ["", "None", "../1", "5001/accept"])
def test_a_deletion_without_the_id_of_a_share_is_never_sent(world: PlexWorld, share_id: str) -> None:
    with pytest.raises(ValueError):
        world.remote().take(Member(id=share_id, account_id="1", name="x"))
    assert world.tv.journal == []


def test_the_owner_is_left_alone(world: PlexWorld) -> None:
    owner = Member(id="1", account_id=str(world.olga.id), name="olga", is_owner=True)
    with pytest.raises(NotAllowed):
        world.remote().take(owner)
    with pytest.raises(NotAllowed):
        world.remote().give(Person("olga"), Access(world.ids("Movies")), owner)
    assert world.tv.journal == []


def test_plex_passwords_are_not_ours_to_set(world: PlexWorld) -> None:
    with pytest.raises(NotAllowed):
        world.remote().set_password("1", "secret")


def test_a_guard_that_says_no_stops_every_change(world: PlexWorld) -> None:
    class NotNow(Exception):
        pass

    def refuse() -> None:
        raise NotNow

    remote = world.remote(guard=refuse)
    alice = world.member("alice", remote)
    for change in (lambda: remote.take(alice), lambda: remote.give(Person("a", "a@example.test"), Access(world.ids("Movies")))):
        with pytest.raises(NotNow):
            change()
    assert world.tv.calls(changes=True) == []


def test_nothing_of_this_needs_the_media_server_to_be_up(world: PlexWorld) -> None:
    world.den.stop()
    remote = world.remote()
    remote.take(world.member("alice", remote))
    assert isinstance(world.tv, Simulator) and world.den.share_of(world.alice) is None
