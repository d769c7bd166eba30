"""The simulated plex.tv, asked over plain HTTP: tokens, forms of answers, servers, Homes, PINs, and what can be switched off."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import requests

from panel.simulators.plex_tv import PlexTv
from tests.simulators.plex_cast import Api, create_v2, ids_of, plex_world, status_text


@pytest.fixture
def world() -> Iterator[SimpleNamespace]:
    with plex_world() as cast:
        yield cast


def test_takes_the_token_from_the_query_too(world):
    answer = requests.get(f"{world.tv.url}/api/v2/ping", params={"X-Plex-Token": world.bob.token}, timeout=5)

    assert answer.status_code == 200 and "<pong>true</pong>" in answer.text


@pytest.mark.parametrize("path", ["/api/v2/user", "/api/users", "/api/v2/resources", "/api/v2/shared_servers/owned/accepted"])
def test_refuses_calls_without_a_token(world, path):
    answer = requests.get(world.tv.url + path, timeout=5)

    assert answer.status_code == 401 and "1001" in answer.text and "User could not be authenticated" in answer.text


def test_answers_xml_unless_json_is_asked_for(world):
    plain, asked = world.api["olga"]("GET", "/api/v2/user"), world.api["olga"].json("/api/v2/user")

    assert ElementTree.fromstring(plain.content).attrib["authToken"] == asked["authToken"] == world.olga.token
    assert asked["homeAdmin"] is True and asked["subscription"]["features"] == ["pass", "sync"] and asked["roles"] == ["plexpass"]


def test_answers_the_sharing_family_in_json_always(world):
    answer = world.api["olga"]("GET", "/api/v2/shared_servers/owned/accepted")

    assert answer.headers["Content-Type"].startswith("application/json")
    (entry,) = answer.json()
    assert (entry["id"], entry["invitedId"], entry["accepted"], entry["owned"]) == (world.alice_den.id, world.alice.id, True, True)
    assert entry["libraries"] == [{"id": ids_of(world.den, "Movies")[0], "key": "1", "title": "Movies", "type": "movie"}]
    assert entry["sharingSettings"]["filterMovies"] == "label=Kids%2CFamily"


def test_numbers_published_libraries_apart_from_the_servers_keys(world):
    world.den.add_section("Brand new", "movie", published=False)
    sections = list(world.api["olga"].xml(f"/api/servers/{world.den.machine_id}")[0])

    assert [(s.get("key"), s.get("title")) for s in sections] == [("1", "Movies"), ("2", "TV Shows")]
    assert all(len(s.get("id")) == 9 for s in sections)
    listed = world.api["olga"].json(f"/api/v2/servers/{world.den.machine_id}")["librarySections"]
    assert [str(s["id"]) for s in listed] == [s.get("id") for s in sections]


def test_can_list_fewer_libraries_in_v2_than_there_are(world):
    world.tv.v2_section_list_limit = 1

    assert len(world.api["olga"].json(f"/api/v2/servers/{world.den.machine_id}")["librarySections"]) == 1


@pytest.mark.parametrize("path", ["/api/servers/{mid}", "/api/servers/{mid}/shared_servers", "/api/v2/servers/{mid}"])
def test_hides_servers_of_others(world, path):
    assert world.api["oscar"]("GET", path.format(mid=world.den.machine_id)).status_code == 404
    assert world.api["olga"]("GET", path.format(mid="no-such-server")).status_code == 404


def test_follows_a_changed_machine_identifier(world):
    old, world.den.machine_id = world.den.machine_id, "new-identifier"

    assert world.api["olga"]("GET", f"/api/servers/{old}").status_code == 404
    assert world.api["olga"].xml("/api/servers/new-identifier")[0].get("name") == "Den"


def test_lists_every_library_of_every_share_in_v1(world):
    (row,) = world.api["olga"].xml(f"/api/servers/{world.den.machine_id}/shared_servers")

    assert (row.get("id"), row.get("userID"), row.get("accessToken")) == (
        str(world.alice_den.id),
        str(world.alice.id),
        world.alice_den.token,
    )
    assert row.get("acceptedAt") not in ("", "0", None) and row.get("allowSync") == "1"
    assert [(s.get("title"), s.get("shared")) for s in row] == [("Movies", "1"), ("TV Shows", "0")]


def test_refuses_removed_endpoints_for_good(world):
    world.tv.v1_invites_gone = world.tv.v1_shares_gone = True
    paths = ["/api/invites/requested", "/api/invites/requests", f"/api/servers/{world.den.machine_id}/shared_servers", "/api/friends/1"]

    answers = [world.api["olga"]("GET", path) for path in paths]
    assert [answer.status_code for answer in answers] == [410] * 4
    assert status_text(answers[0]) == "This endpoint was deprecated and removed"
    assert len(world.api["olga"].xml(f"/api/servers/{world.den.machine_id}")[0]) == 2


@pytest.mark.parametrize(("switch", "status", "kind"), [(True, 404, "text/html"), (410, 410, "application/json")])
def test_can_be_without_the_v2_sharing_calls(world, switch, status, kind):
    world.tv.v2_shares_gone = switch

    answer = world.api["olga"]("GET", "/api/v2/shared_servers/owned/accepted")
    assert answer.status_code == status and answer.headers["Content-Type"].startswith(kind)
    assert world.api["olga"]("PUT", f"/api/v2/sharings/{world.alice.id}?allowSync=0").status_code == 204


def test_slows_down_who_writes_too_fast(world):
    world.tv.rate_limit, world.tv.retry_after = (2, 60.0), 7
    path = f"/api/v2/sharings/{world.alice.id}?allowChannels=1"

    answers = [world.api["olga"]("PUT", path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[2].headers["Retry-After"] == "7" and 'code="1003"' in answers[2].text
    assert create_v2(world, world.loft, [], invitedId=world.bob.id).json()["errors"][0]["code"] == 1003
    assert world.api["olga"]("GET", "/api/v2/user").status_code == 200
    assert world.api["alice"]("DELETE", f"/api/v2/shared_servers/{world.alice_den.id}").status_code == 204


def test_forgives_once_the_time_is_over(world):
    world.tv.rate_limit = (1, 0.0)

    assert [world.api["olga"]("PUT", f"/api/v2/sharings/{world.alice.id}").status_code for _ in range(3)] == [204] * 3


def test_refuses_a_revoked_token_until_it_is_renewed(world):
    with world.den.running() as url:
        assert Api(url, world.den.token)("GET", "/").status_code == 200
        world.tv.revoke_token(world.olga)
        assert world.api["olga"]("GET", "/api/users").status_code == 401
        assert [Api(url, token)("GET", "/").status_code for token in (world.olga.token, world.den.token)] == [401, 401]
        world.tv.renew_token(world.olga)
        assert Api(url, world.olga.token)("GET", "/").status_code == 200


def test_lists_the_home_in_both_generations(world):
    v1, v2 = world.api["olga"].xml("/api/home/users"), world.api["olga"].json("/api/v2/home/users")

    assert [(u.get("title"), u.get("restrictionProfile")) for u in v1] == [("olga", None), ("Kid", "older_kid")]
    assert [(u["title"], u["restricted"], u["admin"]) for u in v2["users"]] == [("olga", False, True), ("Kid", True, False)]
    assert "restrictionProfile" not in v2["users"][1]


def test_switches_to_home_users_by_their_uuid_and_to_nobody_else(world):
    headers = {"Accept": "application/json"}

    token = world.api["olga"]("POST", f"/api/v2/home/users/{world.kid.uuid}/switch", headers=headers).json()["authToken"]
    assert Api(world.tv.url, token).json("/api/v2/user")["title"] == "Kid"
    assert world.api["olga"]("POST", f"/api/v2/home/users/{world.alice.uuid}/switch").status_code == 404
    world.kid.pin = "1234"
    assert world.api["olga"]("POST", f"/api/home/users/{world.kid.id}/switch?pin=1").status_code == 403


def test_shows_a_pin_only_to_the_installation_that_began_it(world):
    mine = {"X-Plex-Client-Identifier": "mine", "Accept": "application/json"}
    pin = requests.post(f"{world.tv.url}/api/v2/pins?strong=true", headers=mine, timeout=5).json()
    poll = f"{world.tv.url}/api/v2/pins/{pin['id']}"

    assert pin["authToken"] is None and len(pin["code"]) == 25
    world.tv.approve_pin(pin["code"], world.bob)
    assert requests.get(poll, headers=mine, timeout=5).json()["authToken"] == world.bob.token
    assert requests.get(poll, headers={"X-Plex-Client-Identifier": "other"}, timeout=5).status_code == 404
    assert requests.post(f"{world.tv.url}/api/v2/pins", timeout=5).status_code == 400


def test_gives_the_same_numbers_in_every_run():
    def build() -> tuple[object, ...]:
        tv = PlexTv()
        owner = tv.add_account("olga", "olga@example.test")
        server = tv.add_server(owner, "Den", [("Movies", "movie")])
        share = tv.share(server, "new@example.test", ["Movies"], accepted=False)
        return owner.id, owner.uuid, owner.token, server.machine_id, server.token, server.sections[0].id, share.id, share.token

    assert build() == build()
