"""Which network addresses may be asked: everything but what cannot be a media server, checked at the moment a connection is made.

A media server stands where its owner put it, often on this machine or in the private network, so those stay open. Closed are the addresses
where machines tell about themselves and hand out keys: link-local ones, metadata services of clouds, and addresses that mean nobody or
many. A name is looked up once for each connection, and the connection goes to the very address that was judged: a name that answers
differently a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from panel.platforms.base import PlatformError
from panel.platforms.wire import GuardedConnection, never_late

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host on this network (RFC 791): on Linux another way to write loopback
        "169.254.0.0/16",  # link-local (RFC 3927), among them 169.254.169.254, the metadata service of most clouds
        "192.0.0.0/24",  # protocol assignments (RFC 6890), among them 192.0.0.192, metadata at Oracle
        "100.100.100.200/32",  # metadata at Alibaba
        "168.63.129.16/32",  # the platform service of Azure
        "224.0.0.0/4",  # multicast
        "255.255.255.255/32",  # broadcast
        "::/128",  # unspecified
        "fe80::/10",  # link-local (RFC 4291)
        "fd00:ec2::/32",  # metadata, and keys for what runs there, at Amazon
        "fd00:42::42/128",  # metadata at Scaleway
        "fd20:ce::254/128",  # metadata at Google
        "ff00::/8",  # multicast
    )
)
#: Where the last four bytes are an IPv4 address.
CARRYING = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 of a network's own (RFC 8215), which mostly takes 96 bits of it
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
    )
)
#: Where it may also stand right behind the prefix.
NAT64_48 = ipaddress.ip_network("64:ff9b:1::/48")
#: The middle of an address whose end is the IPv4 address of a tunnel's other side (ISATAP, RFC 5214).
ISATAP = (bytes.fromhex("00005efe"), bytes.fromhex("02005efe"))


class ForbiddenAddress(PlatformError):
    """A URL leads to an address that is never asked. Nothing was sent."""

    about_server = True
    had_no_effect = True

    def __init__(self, host: str, address: str) -> None:
        shown = host if host == address else f"{host} ({address})"
        super().__init__(f"{shown} is no address a media server can have (link-local, metadata or reserved); nothing was sent to it.")


def may_be_asked(address: str) -> bool:
    """Whether a connection to this numeric address is allowed; what is no address is not. An IPv4 address inside of an IPv6 one (mapped,
    translated, 6to4, Teredo, ISATAP, NAT64) counts as well."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return not any(form in network for form in _forms(found) for network in CLOSED)


def resolve(host: str, port: int) -> list[str]:
    """The numeric addresses of a host that may be asked, in the order the system would try them.

    Raises `socket.gaierror` for a name nobody knows and `ForbiddenAddress` when it leads to forbidden addresses alone.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "no name at all") from None
    addresses = list(dict.fromkeys(_numeric(entry[4]) for entry in found))
    allowed = [address for address in addresses if may_be_asked(address)]
    if not allowed:
        raise ForbiddenAddress(host, addresses[0])
    return allowed


class CheckedAdapter(HTTPAdapter):
    """The transport of a `requests` session whose connections go to allowed addresses only. Raises `ForbiddenAddress` from a request."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As the parent does, with our kind of connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _CheckedPool, "https": _CheckedTlsPool}


class _CheckedConnection(GuardedConnection):
    def _new_conn(self) -> socket.socket:
        # TLS goes on to ask for the name, whichever address is tried: it is put back in any case.
        name = self.host
        try:
            return self._first_that_answers(name)
        finally:
            self.host = name

    def _first_that_answers(self, name: str) -> socket.socket:
        try:
            addresses = resolve(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(name, self, error) from error
        for address in addresses[:-1]:
            try:
                return self._to(address)
            except (NewConnectionError, ConnectTimeoutError):
                continue
        return self._to(addresses[-1])

    def _to(self, address: str) -> socket.socket:
        self.host = address
        return never_late(super()._new_conn())


class _CheckedTlsConnection(_CheckedConnection, HTTPSConnection):
    pass


class _CheckedPool(HTTPConnectionPool):
    ConnectionCls = _CheckedConnection


class _CheckedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedTlsConnection


def _forms(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses it carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    packed = address.packed
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    compatible = packed[:12] == bytes(12) and int(address) > 1
    if compatible or packed[8:12] in ISATAP or any(address in network for network in CARRYING):
        inner.append(ipaddress.IPv4Address(packed[12:]))
    if address in NAT64_48 and any(packed[6:11]):
        # RFC 6052, 2.2: around an octet that is left zero.
        inner.append(ipaddress.IPv4Address(packed[6:8] + packed[9:11]))
    return [address, *filter(None, inner)]


def _numeric(place: tuple[Any, ...]) -> str:
    """The address of a socket's place, with its scope where it has one."""
    address, scope = str(place[0]), place[3] if len(place) > 3 else 0
    return f"{address}%{scope}" if scope and "%" not in address else address
