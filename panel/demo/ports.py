"""Which simulated host listens where."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

HOST = "127.0.0.1"


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """A free loopback port for each name, all different."""
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind((HOST, 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def url(port: int) -> str:
    """The address of a port."""
    return f"http://{HOST}:{port}"


def written(ports: Mapping[str, int]) -> str:
    """As an argument of a command."""
    return json.dumps(dict(ports))


def read(argument: str) -> dict[str, int]:
    """From an argument. Raises `ValueError`."""
    found = json.loads(argument)
    if not isinstance(found, dict) or not all(isinstance(port, int) for port in found.values()):
        raise ValueError('Ports look like {"plex.tv": 8101, "smtp": 8125}.')
    return found
