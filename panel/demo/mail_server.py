"""An SMTP server in a thread, on a socket that listens already."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from typing import Any

from aiosmtpd.controller import Controller

from panel import listening
from panel.demo import ports

LARGEST_MAIL_BYTES = 32 * 1024 * 1024


class MailServer(Controller):
    """Gives every mail to `handler.handle_DATA`. A free loopback port, unless a listening socket is given; `start` and `stop` it."""

    def __init__(self, handler: Any, listener: socket.socket | None = None) -> None:
        self.listener = listener or listening.listen(ports.HOST, 0)
        super().__init__(handler, hostname=ports.HOST, port=listening.port_of(self.listener), data_size_limit=LARGEST_MAIL_BYTES)

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        # aiosmtpd would bind the port a second time.
        return self.loop.create_server(self._factory_invoker, sock=self.listener)
