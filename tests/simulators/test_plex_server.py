"""The simulated Plex Media Server, asked over plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import requests

from tests.simulators.plex_cast import Api, plex_world


@pytest.fixture
def world() -> Iterator[SimpleNamespace]:
    with plex_world() as cast:
        yield cast


def test_tells_a_media_servers_identity_to_everybody_and_nothing_more(world):
    with world.den.running() as url:
        identity = requests.get(f"{url}/identity", headers={"Accept": "application/json"}, timeout=5)
        assert identity.json()["MediaContainer"]["machineIdentifier"] == world.den.machine_id
        for path in ("/", "/library/sections", "/no/such/page"):
            refused = requests.get(url + path, timeout=5)
            assert refused.status_code == 401 and refused.headers["Content-Type"].startswith("text/html")
        assert Api(url, world.den.token)("GET", "/no/such/page").status_code == 404


def test_keeps_pending_and_removed_shares_out_of_the_media_server(world):
    pending = world.tv.share(world.den, world.bob, ["Movies"], accepted=False)
    with world.den.running() as url:
        assert Api(url, pending.token)("GET", "/library/sections").status_code == 401
        assert [d.get("title") for d in Api(url, world.alice_den.token).xml("/library/sections/")] == ["Movies"]
        assert Api(url, world.alice_den.token)("GET", "/library/sections/2/all").status_code == 404
        world.tv.remove(world.alice_den)
        assert Api(url, world.alice_den.token)("GET", "/library/sections").status_code == 401


def test_answers_503_to_everything_during_maintenance(world):
    with world.den.running() as url:
        world.den.maintenance = True
        assert {requests.get(url + path, timeout=5).status_code for path in ("/identity", "/", "/library/sections")} == {503}
        world.den.maintenance = False
        assert requests.get(f"{url}/identity", timeout=5).status_code == 200
