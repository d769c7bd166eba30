"""A network before PostgreSQL that may fall silent, with an app at its near end: what is sent is taken, and nothing comes back until it is
let through again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from panel import create_app, listening
from panel.config import ROOT, Config
from panel.extensions import db
from tests.databases import upgraded_database_url
from tests.processes import wait_until
from tests.web.asking import Browser


class Line:
    """A TCP port that leads to a socket of PostgreSQL. Nothing passes, either way, while it is not `open`; what is in `deaf` never speaks
    again."""

    def __init__(self, server_url: str) -> None:
        parts = urlsplit(server_url)
        self._behind = str(Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"postgresql://{parts.username}@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self.open = threading.Event()
        self.open.set()
        self.taken: list[socket.socket] = []
        self.deaf: set[socket.socket] = set()
        threading.Thread(target=self._take, daemon=True).start()

    def fall_silent(self) -> None:
        """Nothing passes from now on."""
        self.open.clear()

    def talk(self) -> None:
        """All passes again, also what was sent meanwhile."""
        self.open.set()

    def forget(self) -> None:
        """Who is connected by now is never heard again; who connects from now on is."""
        self.deaf |= {*self.taken}
        self.open.set()

    def close(self) -> None:
        """Cuts everything."""
        # Whoever waits for a client there is woken: its number may be that of another socket soon.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.open.set()
        for connection in self.taken:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.taken.append(connection)
                threading.Thread(target=self._connect, args=(connection,), daemon=True).start()

    def _connect(self, connection: socket.socket) -> None:
        self.open.wait()
        with suppress(OSError), connection, socket.socket(socket.AF_UNIX) as behind:
            behind.connect(self._behind)
            threading.Thread(target=self._copy, args=(connection, connection, behind), daemon=True).start()
            self._copy(connection, behind, connection)

    def _copy(self, whose: socket.socket, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while sent := source.recv(65536):
                self.open.wait()
                if whose not in self.deaf:
                    sink.sendall(sent)
            sink.shutdown(socket.SHUT_RDWR)


@contextmanager
def line_to(server_url: str) -> Iterator[Line]:
    """A line that is there while inside."""
    with closing(Line(server_url)) as line:
        yield line


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    """The way to a PostgreSQL with all tables."""
    with upgraded_database_url("postgresql", tmp_path) as url, line_to(url) as way:
        yield way


@pytest.fixture
def screens() -> bool:
    """Whether the app over that way has any; overridden where a test brings its own."""
    return True


@pytest.fixture
def far_app(line: Line, tmp_path: Path, screens: bool) -> Iterator[Flask]:
    """The app over that way, and a context around the test."""
    made = create_app(Config.from_env({"PANEL_VAR": str(tmp_path), "DATABASE_URL": line.url}), screens=screens, commands=False)
    made.test_client_class = Browser
    with made.app_context():
        yield made
        line.talk()
        db.session.remove()
        db.engine.dispose()


@contextmanager
def web_process(config: Config, ulimit: str = "ulimit -n") -> Iterator[int]:
    """`panel.serve` of this installation, as `flask up` starts it, after a limit of the shell is set; gives the port once it answers."""
    with listening.listen("127.0.0.1", 0) as door:
        command = ["sh", "-c", f'{ulimit} >&2 && exec "$@"', "sh", sys.executable, "-m", "panel.serve", "--socket", str(door.fileno())]
        env = {**os.environ, **config.child_environ()}
        process = subprocess.Popen(command, cwd=ROOT, env=env, pass_fds=[door.fileno()])
        port = listening.port_of(door)
        try:
            wait_until(lambda: ask(port, "/healthz", within_s=30).startswith(b"HTTP/1.1 200"), 60)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def request(address: str, cookie: str = "") -> bytes:
    """What a browser sends."""
    return f"GET {address} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n".encode()


def ask(port: int, address: str, *, within_s: float) -> bytes:
    """The whole answer. Raises `TimeoutError` when it does not come in time."""
    with socket.create_connection(("127.0.0.1", port), timeout=within_s) as connection:
        connection.sendall(request(address))
        return read(connection)


def read(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return found
