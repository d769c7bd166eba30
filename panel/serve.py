"""The web process of `flask up`: `python -m panel.serve --socket FD`, waitress in front of the screens."""

from __future__ import annotations

import argparse
import contextlib
import resource
import signal
import sys
from types import FrameType

import waitress
from waitress.channel import HTTPChannel
from waitress.task import ThreadedTaskDispatcher

from panel import create_app, listening, logs
from panel.config import Config

THREADS = 8
#: Who asks whether the panel is well does not stand in line behind pages, which wait where the database hangs; nor does `/healthz` behind
#: `/readyz`, which takes up to 4 s then. Address -> threads of its own.
APART = {"/healthz": 1, "/readyz": 4}
#: Where pages wait, each open one keeps two connections, and beyond the limit nobody is let in, not even who asks for `/healthz`.
CONNECTIONS = 500
#: Open files beside the connections: of the database, of Redis, of the programs that are started.
OTHER_FILES = 100


class Dispatcher(ThreadedTaskDispatcher):
    """Threads for pages, and threads for the addresses in `APART`."""

    def __init__(self) -> None:
        super().__init__()
        self.set_thread_count(THREADS)
        self._apart = {address: ThreadedTaskDispatcher() for address in APART}
        for address, dispatcher in self._apart.items():
            dispatcher.set_thread_count(APART[address])

    def add_task(self, task: HTTPChannel) -> None:
        """A connection whose first request is there as a whole."""
        apart = self._apart.get(getattr(task.requests[0], "path", ""))
        if apart is not None:
            apart.add_task(task)
        else:
            super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        """Requests in hand are finished, for `timeout` seconds at most."""
        for dispatcher in self._apart.values():
            dispatcher.shutdown(cancel_pending, min(timeout, 1))
        return bool(super().shutdown(cancel_pending, timeout))


def main() -> None:
    """Serves until SIGTERM; requests in hand are finished."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True, metavar="FD", help="number of the listening socket that was handed down")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    config = Config.from_env()
    logs.to_stdout(as_json=config.log_json)
    app = create_app(config, commands=False)
    waitress.serve(
        app,
        sockets=[listening.handed(options.socket)],
        threads=THREADS,
        connection_limit=connection_limit(),
        # Unlike select, it takes descriptors of any number.
        asyncore_use_poll=True,
        _dispatcher=Dispatcher(),
        ident="Streamferry",
        # What a proxy says about the visitor is for the app to judge, which knows how many to trust; else it is thrown away here.
        clear_untrusted_proxy_headers=not config.trusted_proxies,
        _quiet=True,
    )


def connection_limit() -> int:
    """How many connections may be open: fewer than wanted where this process may not open that many files, not even when it asks for more.
    Where one too many is let in, nobody is, and each attempt is logged."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        asked = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS
    return min(CONNECTIONS, max(soft - OTHER_FILES, soft // 4))


def leave(_signum: int, _frame: FrameType | None) -> None:
    """Lets waitress end its threads in order."""
    sys.exit(0)


if __name__ == "__main__":
    main()
