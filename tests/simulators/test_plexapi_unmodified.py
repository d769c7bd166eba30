"""The PlexAPI release, unmodified, against the simulators: what it can do with plex.tv and a media server it can do here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import urlsplit

os.environ["PLEXAPI_CONFIG_PATH"] = os.devnull

import pytest
import requests
from plexapi.exceptions import BadRequest, NotFound, TwoFactorRequired, Unauthorized
from plexapi.myplex import MyPlexAccount, MyPlexPinLogin
from plexapi.server import PlexServer as ApiServer

from panel.simulators.plex_tv import PlexTv

HOSTS = ("https://plex.tv/", "https://clients.plex.tv/")


class Redirect(requests.adapters.HTTPAdapter):
    """Sends what is meant for plex.tv to the simulator."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url

    def send(self, request, *args, **kwargs):
        parts = urlsplit(request.url)
        request.url = self.base_url + parts.path + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


@pytest.fixture
def world() -> Iterator[SimpleNamespace]:
    """One owner with two servers, Alice with a share on the first, Bob with nothing, Kid in the owner's Home."""
    tv = PlexTv()
    owner = tv.add_account("olga", "olga@example.test", plex_pass=True)
    alice = tv.add_account("alice", "alice@example.test")
    bob = tv.add_account("bob", "bob@example.test")
    kid = tv.add_managed_user(owner, "Kid & Co", age_profile="little_kid")
    den = tv.add_server(owner, "Den", [("Movies", "movie"), ("TV Shows", "show")])
    loft = tv.add_server(owner, "Loft", [("Films & More", "movie"), ("Series", "show"), ("Music", "artist")])
    alice_den = tv.share(den, alice, ["Movies"])
    with tv.running() as url, den.running(), loft.running():
        session = requests.Session()
        session.trust_env = False
        for host in HOSTS:
            session.mount(host, Redirect(url))
        yield SimpleNamespace(tv=tv, owner=owner, alice=alice, bob=bob, kid=kid, den=den, loft=loft, alice_den=alice_den, session=session)
        session.close()


def account_of(world: SimpleNamespace, person) -> MyPlexAccount:
    return MyPlexAccount(token=person.token, session=world.session)


def test_signs_in_with_a_token(world):
    account = account_of(world, world.owner)

    assert (account.id, account.username, account.email) == (world.owner.id, "olga", "olga@example.test")
    assert account.authenticationToken == world.owner.token
    assert account.subscriptionActive and "plexpass" in account.roles
    assert account.homeAdmin and account.homeSize == 2
    assert account.ping()


def test_signs_in_with_a_password_and_out_again(world):
    account = MyPlexAccount("bob", "bob-password", session=world.session)

    assert account.username == "bob"
    account.signout()
    with pytest.raises(Unauthorized):
        account.users()
    assert account_of(world, world.bob).username == "bob"


def test_asks_for_the_second_factor(world):
    world.bob.verification_code = "123456"

    with pytest.raises(TwoFactorRequired):
        MyPlexAccount("bob", "bob-password", session=world.session)
    assert MyPlexAccount("bob", "bob-password", session=world.session, code="123456").username == "bob"


def test_raises_for_a_wrong_password_and_for_an_unknown_token(world):
    with pytest.raises(Unauthorized):
        MyPlexAccount("bob", "wrong", session=world.session)
    with pytest.raises(Unauthorized, match="1001"):
        MyPlexAccount(token="unknown", session=world.session)


def test_raises_once_the_token_is_revoked(world):
    account = account_of(world, world.owner)
    world.tv.revoke_token(world.owner)

    with pytest.raises(Unauthorized):
        account.resources()


def test_lists_friends_and_home_with_their_shares(world):
    users = {user.title: user for user in account_of(world, world.owner).users()}

    assert users.keys() == {"alice", "Kid & Co"}
    assert users["alice"].id == world.alice.id
    assert [(s.id, s.machineIdentifier, s.owned, s.pending) for s in users["alice"].servers] == [
        (world.alice_den.id, world.den.machine_id, True, False)
    ]
    assert users["Kid & Co"].home and users["Kid & Co"].email == ""


def test_reads_the_libraries_of_a_share(world):
    share = account_of(world, world.owner).user("alice").servers[0]

    assert [(s.title, s.shared) for s in share.sections()] == [("Movies", True), ("TV Shows", False)]


def test_lists_own_servers_and_connects(world):
    account = account_of(world, world.owner)

    resources = [resource for resource in account.resources() if "server" in resource.provides and resource.owned]
    assert [resource.clientIdentifier for resource in resources] == [world.den.machine_id, world.loft.machine_id]
    server = account.resource("Loft").connect(timeout=5)
    assert server.machineIdentifier == world.loft.machine_id
    assert [(s.key, s.title, s.type) for s in server.library.sections()] == [
        (1, "Films & More", "movie"),
        (2, "Series", "show"),
        (3, "Music", "artist"),
    ]


def test_opens_a_shared_server_with_the_share_token(world):
    resource = account_of(world, world.alice).resource(world.den.machine_id)

    assert not resource.owned and resource.sourceTitle == "olga"
    server = resource.connect(timeout=5)
    assert [section.title for section in server.library.sections()] == ["Movies"]
    with pytest.raises(Unauthorized):
        server.history()


def test_finds_the_share_token_of_a_user(world):
    user = account_of(world, world.owner).user("alice")

    assert user.get_token(world.den.machine_id) == world.alice_den.token


def test_refuses_account_tokens_of_others_on_the_media_server(world):
    with pytest.raises(Unauthorized):
        ApiServer(world.den.url, world.alice.token, session=world.session)


def test_lists_the_accounts_of_a_server(world):
    server = ApiServer(world.den.url, world.owner.token, session=world.session)

    assert [(a.id, a.name) for a in server.systemAccounts()] == [(0, ""), (1, "olga"), (world.alice.id, "alice")]
    assert server.sessions() == [] and server.playlists() == []


def test_reads_the_history_page_by_page(world):
    for number in range(250):
        world.den.history.append(
            {
                "historyKey": f"/status/sessions/history/{number}",
                "title": f"Film {number}",
                "type": "movie",
                "librarySectionID": 1,
                "viewedAt": 1_700_000_000 + number,
                "accountID": world.alice.id if number % 2 else 1,
            }
        )
    server = ApiServer(world.den.url, world.den.token, session=world.session)

    rows = server.history()
    assert len(rows) == 250 and rows[0].title == "Film 249"
    assert len(world.den.calls("GET", "history")) == 3
    assert len(server.history(accountID=world.alice.id)) == 125
    assert len(server.history(mindate=datetime.fromtimestamp(1_700_000_240, UTC))) == 10
    assert server.library.section("Movies").all() == []


def test_invites_updates_and_removes_a_friend(world):
    account = account_of(world, world.owner)
    loft = ApiServer(world.loft.url, world.owner.token, session=world.session)

    account.inviteFriend("alice@example.test", loft, sections=[loft.library.section("Series")], allowSync=True)
    share = world.loft.share_of(world.alice)
    assert share.accepted and [s.title for s in share.sections] == ["Series"] and share.settings["allowSync"] is True

    account.updateFriend(account.user("alice"), loft, sections=["Films & More", "Music"], filterMovies={"label": ["Kids", "Fun & Games"]})
    assert [s.title for s in share.sections] == ["Films & More", "Music"]
    assert share.settings["filterMovies"] == "label=Kids%2CFun & Games" and share.settings["allowSync"] is True

    account.removeFriend(account.user("alice"))
    assert world.tv.shares_of(world.loft) == world.tv.shares_of(world.den) == []
    assert [user.title for user in account.users()] == ["Kid & Co"]


def test_shares_with_a_user_without_a_share_by_number(world):
    account = account_of(world, world.owner)

    account.updateFriend(account.user("Kid & Co"), world.loft.machine_id, sections=["Series"])

    assert world.loft.share_of(world.kid).accepted


def test_raises_when_the_server_is_shared_already(world):
    with pytest.raises(BadRequest, match="already sharing this server with alice"):
        account_of(world, world.owner).inviteFriend("alice", world.den.machine_id, sections=["Movies"])


def test_raises_when_a_share_that_is_not_there_is_removed(world):
    account = account_of(world, world.owner)

    with pytest.raises(NotFound):
        account.updateFriend(account.user("alice"), world.loft.machine_id, sections=["Series"], removeSections=True)


def test_sees_and_accepts_an_invite(world):
    account_of(world, world.owner).inviteFriend("bob@example.test", world.loft.machine_id, sections=["Music"])
    bob = account_of(world, world.bob)

    invite = bob.pendingInvite("olga", includeSent=False)
    assert [server.name for server in invite.servers] == ["Loft"]
    bob.acceptInvite(invite)

    assert world.loft.share_of(world.bob).accepted
    assert bob.pendingInvites() == []
    assert account_of(world, world.owner).user("bob").id == world.bob.id


def test_sees_and_cancels_an_invite_to_an_address_without_an_account(world):
    account = account_of(world, world.owner)
    account.inviteFriend("new@example.test", world.loft.machine_id, sections=["Music"])

    (invite,) = account.pendingInvites(includeReceived=False)
    assert (invite.email, invite.username, invite.server) == ("new@example.test", "", True)
    account.cancelInvite(invite)

    assert world.tv.shares_of(world.loft) == []


def test_raises_a_bad_request_where_invites_are_gone(world):
    world.tv.v1_invites_gone = True

    with pytest.raises(BadRequest, match=r"\(410\)"):
        account_of(world, world.owner).pendingInvites()


def test_switches_to_a_home_user_whom_the_media_server_knows_by_another_token(world):
    world.tv.share(world.den, world.kid, ["TV Shows"])
    kid = account_of(world, world.owner).switchHomeUser("Kid & Co")

    assert kid.id == world.kid.id and kid.restricted
    with pytest.raises(Unauthorized):
        ApiServer(world.den.url, kid.authenticationToken, session=world.session)
    server = kid.resource("Den").connect(timeout=5)
    assert [section.title for section in server.library.sections()] == ["TV Shows"]


def test_signs_in_with_a_pin(world):
    headers = {"X-Plex-Client-Identifier": "panel-1"}
    login = MyPlexPinLogin(session=world.session, headers=headers, oauth=True)

    url = login.oauthUrl("https://panel.example.test/back")
    assert "clientID=panel-1" in url and not login.checkLogin()
    world.tv.approve_pin(max(world.tv.pins), world.bob)

    assert login.checkLogin()
    assert MyPlexAccount(token=login.token, session=world.session).username == "bob"


def test_signs_in_with_a_pin_of_four_characters(world):
    login = MyPlexPinLogin(session=world.session)

    assert len(login.pin) == 4
    world.tv.approve_pin(login.pin, world.alice)

    assert login.checkLogin() and login.token == world.alice.token


def test_takes_an_expired_pin_for_finished(world):
    world.tv.pin_lifetime_s = 0.0
    login = MyPlexPinLogin(session=world.session, oauth=True)
    login.oauthUrl()

    assert not login.checkLogin()
    assert login.expired


def test_creates_and_removes_a_home_user(world):
    account = account_of(world, world.owner)
    account.createHomeUser("Teen", world.den.machine_id, sections=["Movies"])

    teen = next(person for person in world.owner.home_members if person.title == "Teen")
    assert world.den.share_of(teen).accepted
    account.removeHomeUser("Teen")
    assert world.den.share_of(teen) is None and teen not in world.owner.home_members


def test_writes_what_the_owner_of_the_token_has_watched(world):
    film = world.den.add_item("Paper Comet", ("imdb://tt0000131", "tmdb://131"), library="Movies")
    of_owner = ApiServer(world.den.url, world.owner.token, session=world.session)
    of_alice = ApiServer(world.den.url, world.alice_den.token, session=world.session)

    (item,) = of_alice.library.section("Movies").all()
    assert [guid.id for guid in item.guids] == ["imdb://tt0000131", "tmdb://131"]
    item.markPlayed()
    item.updateProgress(90_000)
    item.rate(8)

    seen = of_alice.fetchItem(film.rating_key)
    assert (seen.viewCount, seen.viewOffset, seen.userRating) == (1, 90_000, 8.0)
    assert not of_owner.fetchItem(film.rating_key).isPlayed
    item.markUnplayed()
    assert not of_alice.fetchItem(film.rating_key).isPlayed


def test_marks_all_episodes_of_a_show_at_once(world):
    show = world.den.add_item("Long Road", library="TV Shows")
    season = world.den.add_item("Season 1", parent=show, index=1)
    episodes = [world.den.add_item(f"Part {number}", parent=season, index=number) for number in (1, 2)]
    server = ApiServer(world.den.url, world.owner.token, session=world.session)

    (found,) = server.library.search(guid=show.guid)
    found.markPlayed()

    played = server.fetchItems("/library/sections/2/all?type=4")
    assert [(e.title, e.grandparentTitle, e.parentIndex, e.viewCount) for e in played] == [
        (episode.title, "Long Road", 1, 1) for episode in episodes
    ]


def test_hides_items_of_libraries_that_are_not_shared(world):
    show = world.den.add_item("Long Road", library="TV Shows")
    server = ApiServer(world.den.url, world.alice_den.token, session=world.session)

    assert server.library.search(guid=show.guid) == []
    with pytest.raises(NotFound):
        server.fetchItem(show.rating_key)
