"""Which simulated host listens where."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping

from panel import listening

HOST = "127.0.0.1"


def url(port: int) -> str:
    """The address of a port."""
    return f"http://{HOST}:{port}"


def written(listeners: Mapping[str, socket.socket]) -> str:
    """Their numbers, as an argument of the command they are handed to."""
    return json.dumps({name: listener.fileno() for name, listener in listeners.items()})


def handed(argument: str) -> dict[str, socket.socket]:
    """From such an argument. Raises `ValueError`, or `OSError` for a number that is no socket."""
    found = json.loads(argument)
    if not isinstance(found, dict) or not all(isinstance(number, int) for number in found.values()):
        raise ValueError('Sockets look like {"plex.tv": 5, "smtp": 6}.')
    return {name: listening.handed(number) for name, number in found.items()}
