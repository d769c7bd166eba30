"""Who a Plex token is, which servers it owns, and how many people the account shares with."""

from __future__ import annotations

import os
from collections.abc import Iterator

import plexapi
import pytest

from panel.platforms.base import CredentialsRefused, UnexpectedAnswer
from panel.platforms.plex import MOST_PEOPLE, owned_servers, people, read_account
from tests.platforms.plex_world import CLIENT_ID, PlexWorld, plex_world


@pytest.fixture
def world() -> Iterator[PlexWorld]:
    with plex_world() as world:
        yield world


def test_a_token_is_an_account_in_one_request(world: PlexWorld) -> None:
    account = read_account(world.olga.token, world.tv.url, CLIENT_ID)
    assert (account.id, account.username, account.email) == (str(world.olga.id), "olga", "olga@example.test")
    assert world.sent() == ["GET /api/v2/user"]


def test_plex_pass_is_what_plex_tv_says(world: PlexWorld) -> None:
    assert read_account(world.olga.token, world.tv.url, CLIENT_ID).has_plex_pass is True
    assert read_account(world.bert.token, world.tv.url, CLIENT_ID).has_plex_pass is False


def test_a_home_and_its_admin_are_told_apart(world: PlexWorld) -> None:
    world.tv.add_home_member(world.olga, world.carl)
    olga, carl = (read_account(person.token, world.tv.url, CLIENT_ID) for person in (world.olga, world.carl))
    assert (olga.in_home, olga.is_home_admin, carl.in_home, carl.is_home_admin) == (True, True, True, False)


@pytest.mark.parametrize("token", ["", " ", "nobody", "tökén"])
def test_a_token_of_nobody_is_refused(world: PlexWorld, token: str) -> None:
    for ask in (read_account, owned_servers, people):
        with pytest.raises(CredentialsRefused):
            ask(token, world.tv.url, CLIENT_ID)


def test_another_token_in_plexapis_configuration_is_never_used(world: PlexWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLEXAPI_AUTH_SERVER_TOKEN", world.bert.token)
    with pytest.raises(CredentialsRefused):
        read_account("", world.tv.url, CLIENT_ID)
    assert read_account(world.olga.token, world.tv.url, CLIENT_ID).username == "olga"


def test_an_account_that_does_not_echo_its_token_stays_signed_in(world: PlexWorld) -> None:
    body = '<user id="9001" username="olga" scrobbleTypes=""><subscription active="1"/><profile/></user>'
    world.fail("/api/v2/user", status=200, body=body, content_type="text/xml")
    assert [server.name for server in owned_servers(world.olga.token, world.tv.url, CLIENT_ID)] == ["Den", "Attic"]


@pytest.mark.parametrize(
    "body",
    [
        "<user/>",
        '<user scrobbleTypes=""/>',
        '<user scrobbleTypes="" home="maybe"><subscription/><profile/></user>',
        '<user scrobbleTypes="" id="x"><subscription/><profile/></user>',
        '<user scrobbleTypes=""><subscription subscribedAt="soon"/><profile/></user>',
    ],
)
def test_an_account_that_cannot_be_read_is_an_unexpected_answer(world: PlexWorld, body: str) -> None:
    world.fail("/api/v2/user", status=200, body=body, content_type="text/xml")
    with pytest.raises(UnexpectedAnswer):
        read_account(world.olga.token, world.tv.url, CLIENT_ID)


def test_owned_servers_are_the_account_s_own_with_their_addresses(world: PlexWorld) -> None:
    world.tv.share(world.barn, world.olga, ["Movies"])
    servers = owned_servers(world.olga.token, world.tv.url, CLIENT_ID)
    assert [(server.name, server.machine_id, server.addresses) for server in servers] == [
        ("Den", world.den.machine_id, (world.den.url,)),
        ("Attic", world.attic.machine_id, (world.attic.url,)),
    ]
    assert len(world.tv.journal) == 2


def test_players_relays_and_nameless_things_are_no_servers_or_addresses(world: PlexWorld) -> None:
    body = """<resources>
      <resource name="TV" provides="player,client" owned="1" clientIdentifier="p"/>
      <resource name="Odd" provides="server" owned="1"/>
      <resource name="Den" provides="server,player" owned="1" clientIdentifier="m"><connections>
        <connection uri="https://relay.test:8443" local="0" relay="1"/><connection uri="https://far.test:32400" local="0" relay="0"/>
        <connection uri="http://10.0.0.2:32400" local="1" relay="0"/></connections></resource>
    </resources>"""
    world.fail("/api/v2/resources", status=200, body=body, content_type="text/xml")
    [server] = owned_servers(world.olga.token, world.tv.url, CLIENT_ID)
    assert (server.machine_id, server.addresses) == ("m", ("http://10.0.0.2:32400", "https://far.test:32400"))


@pytest.mark.parametrize("gone", [(False, False), (True, False), (True, True)], ids=["v2", "v1 invites", "no invites"])
def test_people_are_friends_home_and_invited_each_once(world: PlexWorld, gone: tuple[bool, bool]) -> None:
    world.tv.v2_shares_gone, world.tv.v1_invites_gone = gone
    world.tv.share(world.attic, world.alice, ["Movies"])
    world.tv.share(world.attic, "new@example.test", ["Movies"], accepted=False)
    kid = world.tv.add_managed_user(world.olga, "Kid")
    world.tv.befriend(world.olga, world.dora)
    found = {person.name: person for person in people(world.olga.token, world.tv.url, CLIENT_ID)}
    invited = set() if gone == (True, True) else {"carl", "new@example.test"}
    assert found.keys() == {"alice", "Kid", "dora"} | invited
    assert (found["Kid"].id, found["Kid"].is_managed, found["Kid"].in_home) == (str(kid.id), True, True)
    assert all(found[name].pending for name in invited) and not found["alice"].pending
    assert len(found) < MOST_PEOPLE


def test_nothing_global_is_written(world: PlexWorld) -> None:
    before = dict(plexapi.BASE_HEADERS), {name for name in os.environ if name.startswith("PLEXAPI")}
    read_account(world.olga.token, world.tv.url, CLIENT_ID)
    assert (dict(plexapi.BASE_HEADERS), {name for name in os.environ if name.startswith("PLEXAPI")}) == before
    assert world.tv.journal[0].call.headers["x-plex-product"] == "Streamferry"
