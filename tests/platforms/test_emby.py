"""What only the Emby client does: prefix, token header, the order of its requests, Guids, Emby Connect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from panel.platforms import stopwatch
from panel.platforms.base import CredentialsRefused, NotAllowed, Person, Refused, ServerFault, UnexpectedAnswer, Unreachable
from panel.platforms.emby import EmbyRemote
from panel.simulators.http import Answer, Fault
from tests.platforms.mediabrowser_cases import access, client_of, member, routes, running


@pytest.fixture(params=["emby 4.8", "emby 4.9"])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with running(request.param) as started:
        yield started


@pytest.fixture
def remote(server: Any) -> Iterator[Any]:
    client = client_of(server)
    yield client
    client.close()


def test_it_asks_below_the_prefix_with_one_header_for_the_key(server: Any, remote: EmbyRemote) -> None:
    remote.members()
    call = server.journal[-1].call
    assert call.path == "/emby/Users"
    assert call.headers["x-emby-token"] == server.api_key
    assert "authorization" not in call.headers and not call.query


@pytest.mark.parametrize("url", ["{}/", "{}/emby", "{}/emby/", "{}/Emby"])
def test_it_does_not_double_the_prefix(server: Any, url: str) -> None:
    assert EmbyRemote(url.format(server.url), server.api_key).check().machine_id == server.server_id


def test_it_makes_an_account_in_three_requests_and_seals_it_first(server: Any, remote: EmbyRemote) -> None:
    wanted = access(remote, "Films")
    before = len(server.journal)
    remote.give(Person("mira"), wanted)
    assert routes(server, before) == ["POST New", "POST Password", "POST Policy"]
    assert server.exposed_moments() in ([], [("mira", 1)]), "an empty password lasts one request at most"


def test_it_seals_a_new_account_even_when_the_worker_has_just_lost_its_claim(server: Any) -> None:
    class Lost(Exception):
        pass

    def guard() -> None:
        if server.user("mira"):
            raise Lost

    remote = client_of(server, guard=guard)
    with pytest.raises(Lost):
        remote.give(Person("mira"), access(remote, "Films"))
    assert not server.can_sign_in("mira", "")


def test_it_sets_no_password_once_others_may_have_finished_the_account(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(Exception):
        pass

    asleep = 0.0

    def fall_asleep(call: Any, moment: str) -> None:
        nonlocal asleep
        if moment == "after" and call.path.endswith("/Users/New"):
            asleep = 30.0

    def guard() -> None:
        if asleep:
            raise Lost

    since_boot_s = stopwatch.since_boot_s
    monkeypatch.setattr(stopwatch, "since_boot_s", lambda: since_boot_s() + asleep)
    remote = client_of(server, guard=guard)
    wanted = access(remote, "Films")
    server.on_call = fall_asleep
    with pytest.raises(Lost):
        remote.give(Person("mira"), wanted)
    assert not server.calls("POST", "/Password"), "the person may have chosen one of their own by now"


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"html": True}], ids=str)
def test_it_closes_a_new_account_it_cannot_seal(server: Any, remote: EmbyRemote, fault: Any) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Password", **fault))
    with pytest.raises((ServerFault, UnexpectedAnswer, Unreachable)):
        remote.give(Person("mira"), wanted)
    account = server.user("mira")
    assert account.policy["IsDisabled"] and server.visible(account) == set()


def test_it_grants_by_guid_never_by_number(server: Any, remote: EmbyRemote) -> None:
    remote.give(Person("mira"), access(remote, "Shows"))
    folders = server.user("mira").policy["EnabledFolders"]
    assert all(len(folder) == 32 for folder in folders)
    assert server.visible(server.user("mira")) == {"Shows"}


def test_it_falls_back_on_numbers_where_a_very_old_server_has_no_guids(server: Any, remote: EmbyRemote) -> None:
    server.guidless = True
    remote.give(Person("mira"), access(remote, "Shows"))
    assert server.visible(server.user("mira")) == {"Shows"}


def test_it_lists_libraries_where_kinds_are_not_to_be_had(server: Any, remote: EmbyRemote) -> None:
    server.faults.append(Fault("GET", "/Library/VirtualFolders", times=None, status=404))
    assert {library.kind for library in remote.libraries()} == {"other"}


def test_it_lists_libraries_where_the_selectable_folders_are_missing(server: Any, remote: EmbyRemote) -> None:
    server.faults.append(Fault("GET", "/Library/SelectableMediaFolders", times=None, status=404))
    assert {library.id for library in remote.libraries()} == {server.access_id(library) for library in server.libraries}


def test_it_refuses_a_server_that_cannot_list_libraries(server: Any, remote: EmbyRemote) -> None:
    server.faults.append(Fault("GET", "/Library/", times=None, status=404))
    with pytest.raises(UnexpectedAnswer):
        remote.libraries()


@pytest.mark.parametrize("shape", ["users_as_items", "no_users_route"])
def test_it_lists_everyone_whatever_the_shape_of_the_list(server: Any, remote: EmbyRemote, shape: str) -> None:
    setattr(server, shape, True)
    for number in range(3):
        server.add_user(f"user {number}", "x", libraries=["Films"])
    assert {each.name for each in remote.members()} == {"admin", "user 0", "user 1", "user 2"}
    remote.check()


def test_it_turns_pages_until_everyone_is_listed(server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panel.platforms.emby.PAGE", 2)
    server.no_users_route = True
    for number in range(4):
        server.add_user(f"user {number}", "x", libraries=["Films"])
    assert len(remote.members()) == 5
    assert len(server.calls("GET", "/Users/Query")) == 3


def test_it_refuses_a_list_that_ends_early(server: Any, remote: EmbyRemote) -> None:
    server.no_users_route = True
    server.faults.append(Fault("GET", "/Users/Query", status=200, body='{"Items":[],"TotalRecordCount":9}', times=None))
    with pytest.raises(ServerFault, match="not whole"):
        remote.members()


def paged(server: Any, monkeypatch: pytest.MonkeyPatch, page: int = 2) -> None:
    """A server of eight accounts that are only listed page by page."""
    monkeypatch.setattr("panel.platforms.emby.PAGE", page)
    server.no_users_route = True
    for name in "abcdefg":
        server.add_user(name, "x", libraries=["Films"])


def change_after_the_first_page(server: Any, change: Any) -> None:
    """Once, between two pages, somebody changes something."""

    def act(call: Any, moment: str) -> None:
        if call.path.endswith("/Users/Query") and moment == "after":
            server.on_call = None
            change()

    server.on_call = act


def test_it_reads_a_list_anew_that_somebody_has_fallen_out_of(server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    paged(server, monkeypatch)
    change_after_the_first_page(server, lambda: server.delete_account(server.user("a")))
    assert sorted(each.name for each in remote.members()) == ["admin", *"bcdefg"]


def test_it_reads_a_list_anew_that_has_grown(server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    paged(server, monkeypatch)
    change_after_the_first_page(server, lambda: server.add_user("aa", "x", libraries=["Films"]))
    assert sorted(each.name for each in remote.members()) == sorted(["admin", "aa", *"abcdefg"])


def test_it_does_not_believe_a_list_that_changes_all_the_time(server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    paged(server, monkeypatch)

    def grow(call: Any, moment: str) -> None:
        if moment == "after" and call.path.endswith("/Users/Query"):
            server.add_user(f"new {len(server.users)}", "x", libraries=["Films"])

    server.on_call = grow
    with pytest.raises(ServerFault, match="not whole"):
        remote.members()
    assert len(server.calls("GET", "/Users/Query")) == 6, "two pages each of three lists"


def answer_pages(server: Any, change: Any) -> None:
    """`change` is told of each page (its query and its JSON) before it leaves."""
    real = server.answer

    def answer(call: Any) -> Answer:
        given = real(call)
        return Answer.of_json(change(call.query, json.loads(given.body))) if call.path.endswith("/Users/Query") else given

    server.answer = answer


def test_it_does_not_take_a_first_page_that_comes_again_and_again_for_a_list(
    server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    paged(server, monkeypatch, page=3)
    first: list[Any] = []

    def repeated(query: Any, body: Any) -> Any:
        first.append(body)
        return first[0]

    answer_pages(server, repeated)
    with pytest.raises(ServerFault, match="not whole"):
        remote.members()
    assert len(server.calls("GET", "/Users/Query")) <= 6


def test_it_does_not_take_duplicates_for_people(server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch) -> None:
    paged(server, monkeypatch, page=3)
    answer_pages(server, lambda query, body: {**body, "Items": [*body["Items"][:-1], body["Items"][0]]})
    with pytest.raises(ServerFault, match="not whole"):
        remote.members()


@pytest.mark.parametrize("anybody_new", [False, True])
def test_it_stops_turning_pages_that_never_end(server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch, anybody_new: bool) -> None:
    monkeypatch.setattr("panel.platforms.emby.MOST_PAGES", 20)
    paged(server, monkeypatch)

    def endless(query: Any, body: Any) -> Any:
        account = {**server.user_dto(server.user("admin")), **({"Id": f"{int(query['StartIndex']):032x}"} if anybody_new else {})}
        return {"Items": [account], "TotalRecordCount": 10**9}

    answer_pages(server, endless)
    with pytest.raises(ServerFault, match="not whole"):
        remote.members()
    assert len(server.calls("GET", "/Users/Query")) <= 60


def test_it_takes_a_connect_name_for_an_address_only_if_it_looks_like_one(server: Any, remote: EmbyRemote) -> None:
    server.add_user("mira", "x", connect_email="mira@mail.example").connect_name = "mira_h"
    server.add_user("olaf", "x", connect_email="olaf@mail.example").connect_name = "olaf@mail.example"
    assert (member(remote, "mira").email, member(remote, "olaf").email) == ("", "olaf@mail.example")


def test_it_links_emby_connect_last_and_once(server: Any, remote: EmbyRemote) -> None:
    wanted = access(remote, "Films")
    before = len(server.journal)
    given = remote.give(Person("mira", email="mira@mail.example"), wanted)
    assert routes(server, before) == ["POST New", "POST Password", "POST Policy", "POST Link"]
    assert server.journal[-1].call.query == {"ConnectUsername": "mira@mail.example"}
    assert given.accepted and given.note == ""
    assert server.user("mira").connect_name


def test_it_links_although_the_server_has_closed_the_connection_it_kept(server: Any, remote: EmbyRemote) -> None:
    """The link is tried once: it must not be lost on a connection that was closed after the answer before."""
    films = access(remote, "Films")
    server.faults.append(Fault("POST", "/Policy", half=True, times=None))
    for number in range(5):
        name, anew = f"ada{number}", EmbyRemote(server.url, server.api_key)
        given = anew.give(Person(name, f"{name}@example.test"), films)
        anew.close()
        assert given.note == ""
        assert server.user(name).connect_email == f"{name}@example.test"


def test_it_gives_the_cloud_behind_a_link_more_time_than_the_server(server: Any) -> None:
    server.faults.append(Fault("POST", "/Connect/Link", delay_s=1.0))
    remote = EmbyRemote(server.url, server.api_key, timeouts=(2.0, 0.5))
    given = remote.give(Person("mira", email="mira@mail.example"), access(remote, "Films"))
    assert given.note == "" and server.user("mira").connect_name


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("mira@unknown.example", "must first create an Emby Connect account"),
        ("mira@disabled.example", "not linked"),
        ("mira@pending.example", "has sent an e-mail"),
    ],
)
def test_it_moves_the_person_although_the_link_needs_more(server: Any, remote: EmbyRemote, email: str, words: str) -> None:
    given = remote.give(Person("mira", email=email), access(remote, "Films"))
    assert words in given.note and given.accepted
    assert len(server.calls("POST", "/Connect/Link")) == 1
    assert server.visible(server.user("mira")) == {"Films"} and not server.can_sign_in("mira", "")


@pytest.mark.parametrize("fault", [{"drop": True}, {"status": 401}, {"status": 404}, {"html": True}, {"status": 429}], ids=str)
def test_it_does_not_try_the_link_again_by_itself(server: Any, remote: EmbyRemote, fault: Any) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Connect/Link", **fault))
    given = remote.give(Person("mira", email="mira@mail.example"), wanted)
    assert "perhaps not linked" in given.note
    assert len(server.calls("POST", "/Connect/Link")) == 1


@pytest.mark.parametrize(
    "fault",
    [{"drop": True}, {"status": 500}, {"status": 502, "body": "<html>Bad Gateway</html>", "content_type": "text/html"}, {"html": True}],
    ids=str,
)
def test_it_says_nothing_against_a_link_that_was_made_although_the_answer_went_wrong(server: Any, remote: EmbyRemote, fault: Any) -> None:
    wanted = access(remote, "Films")
    before = len(server.journal)
    server.faults.append(Fault("POST", "/Connect/Link", effect=True, **fault))
    given = remote.give(Person("mira", email="mira@mail.example"), wanted)
    assert server.user("mira").connect_name and given.note == ""
    assert routes(server, before)[:4] == ["POST New", "POST Password", "POST Policy", "POST Link"]
    assert len(server.journal) - before == 5, "one look tells"


def test_it_does_not_claim_to_know_about_a_link_where_the_account_cannot_be_read(server: Any, remote: EmbyRemote) -> None:
    wanted = access(remote, "Films")
    server.faults += [Fault("POST", "/Connect/Link", status=500, effect=True), Fault("GET", "/Users/", status=500)]
    given = remote.give(Person("mira", email="mira@mail.example"), wanted)
    assert "perhaps not linked" in given.note


def test_it_says_when_a_link_has_met_a_request_to_slow_down(server: Any, remote: EmbyRemote) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Connect/Link", status=429, headers={"Retry-After": "120"}))
    given = remote.give(Person("mira", email="mira@mail.example"), wanted)
    assert given.slow_down is not None and given.slow_down.retry_after_s == 120.0
    assert remote.give(Person("noa", email="noa@unknown.example"), wanted).slow_down is None


def test_it_links_an_unfinished_account_of_ours_unless_it_is_linked(server: Any, remote: EmbyRemote) -> None:
    person = Person("mira", email="mira@mail.example")
    server.add_user("mira", "", libraries="all")
    wanted = access(remote, "Films")
    remote.give(person, wanted, member(remote, "mira"), ours=True)
    assert len(server.calls("POST", "/Connect/Link")) == 1
    remote.give(person, wanted, member(remote, "mira"), ours=True)
    assert len(server.calls("POST", "/Connect/Link")) == 1


def test_it_does_not_link_an_account_the_person_had_before(server: Any, remote: EmbyRemote) -> None:
    server.add_user("mira", "her own", libraries="all")
    remote.give(Person("mira", email="mira@mail.example"), access(remote, "Films"), member(remote, "mira"))
    assert not server.calls("POST", "/Connect/Link")


@pytest.mark.parametrize("status", [200, 204])
def test_it_takes_any_success(server: Any, remote: EmbyRemote, status: int) -> None:
    server.empty_status = status
    remote.give(Person("mira"), access(remote, "Films"))
    assert server.visible(server.user("mira")) == {"Films"}


def test_it_sends_no_password_where_it_would_be_ignored(server: Any, remote: EmbyRemote) -> None:
    remote.give(Person("mira"), access(remote, "Films"))
    assert json.loads(server.calls("POST", "/Users/New")[0].call.body) == {"Name": "mira"}


def test_it_says_that_a_key_was_revoked(server: Any, remote: EmbyRemote) -> None:
    server.revoke_key()
    with pytest.raises(CredentialsRefused):
        remote.members()


def policy_of(server: Any, name: str) -> dict[str, Any]:
    return dict(server.user(name).policy)


def test_it_resets_a_password_first_where_the_server_wants_that_with_the_account_closed(server: Any, remote: EmbyRemote) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "old one", libraries=["Films"], MaxParentalRating=7)
    server.exposure.watch(account)
    before, since = policy_of(server, "mira"), len(server.journal)
    remote.set_password(account.id, "chosen")
    assert server.can_sign_in("mira", "chosen") and policy_of(server, "mira") == before
    changes = ["POST Password", "POST Policy", "POST Password", "POST Password", "POST Policy"]
    assert routes(server, since, changes=True) == changes
    assert not server.exposed_moments(), "it was never enabled without a password"


@pytest.mark.parametrize("fault", [{"status": 400}, {"status": 500}, {"drop": True}], ids=str)
@pytest.mark.parametrize("failing", ["reset", "set"])
def test_it_never_leaves_an_account_open_without_a_password(server: Any, remote: EmbyRemote, failing: str, fault: Any) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "old one", libraries=["Films"])
    server.exposure.watch(account)
    before = policy_of(server, "mira")
    server.faults.append(Fault("POST", "/Password", skip=1 if failing == "reset" else 2, **fault))
    with pytest.raises((Refused, ServerFault, Unreachable)):
        remote.set_password(account.id, "chosen")
    assert not server.exposed_moments() and not server.can_sign_in("mira", "")
    assert policy_of(server, "mira") == before, "the server was there to take it back"


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize("path, skip", [("/Policy", 0), ("/Password", 1), ("/Password", 2), ("/Users/[^/]+$", 1), ("/Policy", 1)])
def test_it_enables_the_account_again_whatever_answer_was_lost(server: Any, remote: EmbyRemote, path: str, skip: int, effect: bool) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "old one", libraries=["Films"])
    server.exposure.watch(account)
    before = policy_of(server, "mira")
    server.faults.append(Fault("", path, skip=skip, drop=True, effect=effect))
    with pytest.raises(Unreachable):
        remote.set_password(account.id, "chosen")
    assert policy_of(server, "mira") == before
    assert account.password and not server.exposed_moments()
    remote.set_password(account.id, "chosen")
    assert server.can_sign_in("mira", "chosen") and policy_of(server, "mira") == before


def test_it_leaves_the_account_disabled_where_it_cannot_be_given_a_password(server: Any, remote: EmbyRemote) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "old one", libraries=["Films"])
    server.exposure.watch(account)
    server.faults.append(Fault("POST", "/Password", skip=2, times=None, drop=True))
    with pytest.raises(Unreachable):
        remote.set_password(account.id, "chosen")
    assert account.policy["IsDisabled"] and not server.exposed_moments()


def meanwhile(server: Any, change: Any) -> None:
    """Once, while the account has been reset: somebody else writes its policy."""

    def act(call: Any, moment: str) -> None:
        if moment == "after" and b"ResetPassword" in call.body:
            server.on_call = None
            change()

    server.on_call = act


def test_it_does_not_open_what_somebody_else_has_closed_in_the_meantime(server: Any, remote: EmbyRemote) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "old one", libraries=["Films"])
    known, other = member(remote, "mira"), client_of(server)
    meanwhile(server, lambda: other.take(known))
    with pytest.raises(NotAllowed, match="closed by somebody else"):
        remote.set_password(account.id, "chosen")
    assert account.policy["IsDisabled"] and not account.policy["EnabledFolders"]


def test_it_keeps_what_somebody_else_has_changed_in_the_meantime(server: Any, remote: EmbyRemote) -> None:
    server.keeps_passwords = True
    account = server.add_user("mira", "old one", libraries=["Films"], MaxParentalRating=7)
    meanwhile(server, lambda: account.policy.update(MaxParentalRating=3))
    remote.set_password(account.id, "chosen")
    assert not account.policy["IsDisabled"] and account.policy["MaxParentalRating"] == 3


@pytest.mark.parametrize(
    ("provider", "sealed"), [("", True), ("Emby.Server.Implementations.Library.DefaultAuthenticationProvider", True), ("LDAP", False)]
)
def test_it_gives_a_closed_account_without_a_password_one_first_unless_a_directory_asks(
    server: Any, remote: EmbyRemote, provider: str, sealed: bool
) -> None:
    account = server.add_user("mira", "", libraries=["Films"], AuthenticationProviderId=provider)
    account.policy["IsDisabled"] = True
    server.exposure.watch(account)
    given = remote.give(Person("mira"), access(remote, "Films"), member(remote, "mira"))
    assert not account.policy["IsDisabled"] and (len(account.password) >= 40) is sealed
    assert ("without a password" in given.note) is sealed and bool(server.exposed_moments()) is not sealed


def test_it_seals_an_account_of_ours_that_has_a_password_already(server: Any, remote: EmbyRemote) -> None:
    server.keeps_passwords = True
    server.exposure.watch(server.add_user("mira", "of an attempt that died", libraries="all"))
    remote.give(Person("mira"), access(remote, "Films"), member(remote, "mira"), ours=True)
    account = server.user("mira")
    assert account.password not in ("", "of an attempt that died") and server.visible(account) == {"Films"}
    assert not server.exposed_moments()


@pytest.mark.parametrize(
    ("body", "words", "blames_name"),
    [
        ("The maximum number of users of this license has been reached.", "maximum number of users", False),
        ("Usernames can contain unicode symbols and numbers.", "Usernames can contain", True),
        ("", "did not make an account", False),
    ],
)
def test_it_tells_why_no_account_was_made_in_the_servers_words(
    server: Any, remote: EmbyRemote, body: str, words: str, blames_name: bool
) -> None:
    wanted = access(remote, "Films")
    server.faults.append(Fault("POST", "/Users/New", status=400, body=body))
    with pytest.raises(Refused, match=words) as refusal:
        remote.give(Person("mira"), wanted)
    assert ("does not accept the name" in str(refusal.value)) is blames_name
    assert "mira" in str(refusal.value)


@pytest.mark.parametrize("size", [2, 3, 4, 8])
def test_it_turns_pages_without_being_told_how_many_there_are(
    server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    paged(server, monkeypatch, size)
    answer_pages(server, lambda query, body: {"Items": body["Items"]})
    assert sorted(each.name for each in remote.members()) == sorted(["admin", *"abcdefg"])
    assert len(server.calls("GET", "/Users/Query")) == 8 // size + 1


def test_it_reads_a_list_without_a_total_anew_that_somebody_has_fallen_out_of(
    server: Any, remote: EmbyRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    paged(server, monkeypatch, page=3)
    answer_pages(server, lambda query, body: {"Items": body["Items"]})
    change_after_the_first_page(server, lambda: server.add_user("aa", "x", libraries=["Films"]))
    assert sorted(each.name for each in remote.members()) == sorted(["admin", "aa", *"abcdefg"])
