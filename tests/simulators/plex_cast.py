"""The people and servers the tests of the simulated plex.tv share, and how they ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from xml.etree import ElementTree

import requests

from panel.simulators.plex_tv import PlexTv


class Api:
    """Calls one base URL with one token."""

    def __init__(self, base_url: str, token: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["X-Plex-Token"] = token

    def __call__(self, method: str, path: str, **options) -> requests.Response:
        return self.session.request(method, self.base_url + path, timeout=5, **options)

    def xml(self, path: str) -> ElementTree.Element:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return ElementTree.fromstring(answer.content)

    def json(self, path: str):
        answer = self("GET", path, headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def plex_world() -> Iterator[SimpleNamespace]:
    """Olga owns Den and Loft, Oscar owns Barn; Alice has a share of Den, Bob has nothing, Kid is in Olga's Home."""
    tv = PlexTv()
    olga = tv.add_account("olga", "olga@example.test", plex_pass=True)
    oscar = tv.add_account("oscar", "oscar@example.test")
    alice = tv.add_account("alice", "alice@example.test")
    bob = tv.add_account("bob", "bob@example.test")
    kid = tv.add_managed_user(olga, "Kid", age_profile="older_kid")
    den = tv.add_server(olga, "Den", [("Movies", "movie"), ("TV Shows", "show")])
    loft = tv.add_server(olga, "Loft", [("Films", "movie"), ("Series", "show"), ("Music", "artist")])
    barn = tv.add_server(oscar, "Barn", [("Movies", "movie")])
    alice_den = tv.share(den, alice, ["Movies"], settings={"allowSync": True, "filterMovies": "label=Kids%2CFamily"})
    with tv.running() as url:
        apis = {person.username: Api(url, person.token) for person in (olga, oscar, alice, bob)}
        yield SimpleNamespace(
            tv=tv, olga=olga, oscar=oscar, alice=alice, bob=bob, kid=kid, den=den, loft=loft, barn=barn, alice_den=alice_den, api=apis
        )
        for api in apis.values():
            api.session.close()


def ids_of(server, *titles: str) -> list[int]:
    return [section.id for section in server.sections if section.title in titles]


def create_v2(world: SimpleNamespace, server, section_ids, by: str = "olga", **more) -> requests.Response:
    body = {"machineIdentifier": server.machine_id, "librarySectionIds": section_ids, **more}
    return world.api[by]("POST", "/api/v2/shared_servers", json=body)


def create_v1(world: SimpleNamespace, server, section_ids, by: str = "olga", settings=None, top=None, **invitee) -> requests.Response:
    body = {"server_id": server.machine_id, "shared_server": {"library_section_ids": section_ids, **invitee}, **(top or {})}
    if settings is not None:
        body["sharing_settings"] = settings
    return world.api[by]("POST", f"/api/servers/{server.machine_id}/shared_servers", json=body)


def titles_of(share) -> list[str]:
    return [section.title for section in share.sections]


def status_text(answer: requests.Response) -> str:
    return ElementTree.fromstring(answer.content).attrib["status"]
