"""Sockets that listen before anybody serves them: one process holds them, the one that serves is handed them.

So nobody else can take the port between its choice and its use, and who asks while the serving process starts (again) waits a moment
instead of being refused.
"""

from __future__ import annotations

import socket

# Who waits in the queue of a process that is just starting; what waitress itself asks for.
BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A TCP socket that listens there (port 0: on a free one). Raises `OSError` or `OverflowError` when that is not possible."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of a process that ended a moment ago do not keep the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    """The port it listens on."""
    return int(listener.getsockname()[1])


def handed(descriptor: int) -> socket.socket:
    """The socket another process has handed down under this number. Raises `OSError` when there is none."""
    return socket.socket(fileno=descriptor)
