"""Media servers are asked, and nothing else that can be reached from this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from panel.platforms import addresses
from panel.platforms.addresses import CheckedAdapter, ForbiddenAddress, may_be_asked
from panel.simulators.jellyfin import Jellyfin

FORBIDDEN = [
    "169.254.169.254",
    "169.254.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "192.0.0.192",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.251",
    "239.255.255.250",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:42::42",
    "::ffff:0:169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",
    "2001:0:a9fe:a9fe::1",
    "2001:0:cb00:7109:0:0:5601:5601",
    "fd12::5efe:a9fe:a9fe",
    "2001:db8::200:5efe:169.254.169.254",
    "fd20:ce::254",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "",
    "no address",
]
ALLOWED = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.5", "172.16.3.4", "192.168.1.20", "100.64.0.7", "fd12:3456::1", "203.0.113.9"]
ALLOWED += ["64:ff9b::cb00:7109", "64:ff9b:1::c0a8:114", "fd12::5efe:c0a8:114", "2001:db8::5efe", "fd00:42::43"]
#: The same address, as curl, browsers and C libraries take it.
SPELLINGS = ["169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254]", "0.0.0.0"]


@pytest.fixture
def server() -> Iterator[Jellyfin]:
    simulated = Jellyfin("Birch")
    with simulated.running():
        yield simulated


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        for scheme in ("http://", "https://"):
            made.mount(scheme, CheckedAdapter(max_retries=0))
        yield made


class Names:
    """A resolver whose answers for one name the test decides, one after another; the last stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: Any, port: Any, *args: Any, **how: Any) -> list[Any]:
        if host not in self.answers:
            return self._real(host, port, *args, **how)
        self.asked.append(host)
        turns = self.answers[host]
        found = turns.pop(0) if len(turns) > 1 else turns[0]
        return [entry for address in found for entry in self._real(address, port, *args, **how)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_keeps_away_from_addresses_that_are_no_servers(address: str) -> None:
    assert not may_be_asked(address)


@pytest.mark.parametrize("address", ALLOWED)
def test_asks_on_this_machine_and_in_private_networks(address: str) -> None:
    assert may_be_asked(address)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", SPELLINGS)
def test_sends_nothing_to_a_forbidden_address_however_it_is_written(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, scheme: str, host: str
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    with pytest.raises(ForbiddenAddress, match="nothing was sent"):
        session.get(f"{scheme}://{host}/latest/meta-data", timeout=2)


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0"])
def test_refuses_a_name_that_leads_to_a_forbidden_address(session: requests.Session, names: Names, address: str) -> None:
    names.answers["media.example"] = [[address]]
    with pytest.raises(ForbiddenAddress, match=f"media.example \\({address}\\)"):
        session.get("http://media.example/", timeout=2)


def test_connects_to_the_very_address_that_was_judged(session: requests.Session, names: Names, server: Jellyfin) -> None:
    names.answers["media.example"] = [["127.0.0.1"], ["169.254.169.254"]]
    port = server.url.rpartition(":")[2]
    answer = session.get(f"http://media.example:{port}/System/Info/Public", timeout=5)
    assert answer.status_code == 200
    assert names.asked == ["media.example"]
    assert answer.request.url == f"http://media.example:{port}/System/Info/Public"


def test_judges_again_for_each_connection(session: requests.Session, names: Names, server: Jellyfin) -> None:
    names.answers["media.example"] = [["127.0.0.1"], ["169.254.169.254"]]
    url = f"http://media.example:{server.url.rpartition(':')[2]}/System/Info/Public"
    session.get(url, headers={"Connection": "close"}, timeout=5)
    session.adapters["http://"].close()
    with pytest.raises(ForbiddenAddress):
        session.get(url, timeout=5)


def test_goes_on_to_the_next_address_and_leaves_forbidden_ones_out(session: requests.Session, names: Names, server: Jellyfin) -> None:
    names.answers["media.example"] = [["169.254.169.254", "127.0.0.3", "127.0.0.1"]]
    answer = session.get(f"http://media.example:{server.url.rpartition(':')[2]}/System/Info/Public", timeout=5)
    assert answer.status_code == 200


def test_tells_unknown_names_and_closed_ports_as_ever(session: requests.Session) -> None:
    with pytest.raises(requests.ConnectionError, match="NameResolutionError"):
        session.get(f"http://{'a' * 64}.example/", timeout=2)
    with pytest.raises(requests.ConnectionError, match="NewConnectionError"):
        session.get("http://127.0.0.1:1/", timeout=2)


def test_takes_a_label_too_long_for_an_unknown_name() -> None:
    with pytest.raises(socket.gaierror):
        addresses.resolve("a" * 70 + ".example", 80)


def test_says_nothing_was_made() -> None:
    assert ForbiddenAddress("a", "a").had_no_effect and ForbiddenAddress("a", "a").about_server
