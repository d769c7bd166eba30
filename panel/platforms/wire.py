"""The last moment before a request leaves, and the last moment at which its answer counts: both belong to the connection itself."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection

from panel.platforms import answers

#: Asked before every request that changes something: raises to forbid it (a worker that lost its claim).
Guard = Callable[[], None]

#: How long what was sent may wait in the kernel for a network that is gone, in seconds; then it is thrown away, not sent late.
UNSENT_S = 10


@dataclass(frozen=True)
class Sending:
    """One request: what may forbid it at the last moment, and until when its answer has to be there (`time.monotonic` seconds)."""

    guard: Guard | None
    until: float


_under_way: ContextVar[Sending | None] = ContextVar("under_way", default=None)


@contextmanager
def sending(guard: Guard | None, until: float) -> Iterator[None]:
    """What this thread sends inside goes by this guard and this deadline."""
    mark = _under_way.set(Sending(guard, until))
    try:
        yield
    finally:
        _under_way.reset(mark)


class _AnswerInTime(http.client.HTTPResponse):
    """An answer whose status, headers and body together have a deadline, however steadily they drip."""

    def __init__(self, sock: socket.socket, *args: Any, **how: Any) -> None:
        request = _under_way.get()
        super().__init__(_Listening(sock, request.until if request else time.monotonic() + answers.LONGEST_S), *args, **how)  # type: ignore[arg-type]


class GuardedConnection(HTTPConnection):
    """A connection that asks the guard once more when all that is left to do is to send: looking a name up, connecting and TLS take their
    time, and a host may be put to sleep in the middle of it."""

    response_class = _AnswerInTime

    def send(self, data: Any) -> None:
        """Send, unless the guard forbids it."""
        if self.sock is None:
            self.connect()
        request = _under_way.get()
        if request is not None and request.guard is not None:
            request.guard()
        super().send(data)


def never_late(connected: socket.socket) -> socket.socket:
    """The same socket, which gives up what the other side does not take within `UNSENT_S`. Linux only."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        connected.setsockopt(socket.IPPROTO_TCP, option, UNSENT_S * 1000)
    return connected


class _Listening:
    """Stands in for a socket where an answer is read from."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until

    def makefile(self, mode: str) -> io.BufferedReader:
        """What the answer is read through."""
        return io.BufferedReader(_UntilThen(self._sock, self._until))


class _UntilThen(io.RawIOBase):
    """Reads from a socket until a deadline. Raises `TimeoutError` from then on."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock, self._until = sock, until
        self._incoming = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """What has arrived, as soon as something has."""
        left, patience = self._until - time.monotonic(), self._sock.gettimeout()
        if left <= 0:
            raise TimeoutError("The answer took too long.")
        if patience is not None and patience <= left:
            return self._incoming.readinto(buffer)
        self._sock.settimeout(left)
        try:
            return self._incoming.readinto(buffer)
        finally:
            self._sock.settimeout(patience)

    def close(self) -> None:
        """Let go of the socket, which lives on for the next answer."""
        self._incoming.close()
        super().close()
