"""What every simulator stands on: a keep-alive HTTP server on a loopback port, a journal of what was asked, and faults on demand."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Call:
    """One request as it came in. `path` is decoded as sent; `query` keeps the last value of a name; header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """The body read as JSON, `None` when it is empty. Raises `ValueError` on anything else."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    """One response. `body` is sent as it is, with its length."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: object, status: int = 200, content_type: str = "application/json; charset=utf-8") -> Answer:
        """`value` as JSON."""
        return cls(status, json.dumps(value).encode(), content_type)

    @classmethod
    def of_text(cls, text: str, status: int = 200, content_type: str = "text/plain") -> Answer:
        """`text` in UTF-8."""
        return cls(status, text.encode(), content_type)


@dataclass(frozen=True)
class Entry:
    """One line of the journal: the call, the status that left (0: none did), and when (`time.monotonic()` seconds)."""

    call: Call
    status: int
    at: float

    @property
    def changes(self) -> bool:
        """Whether the call was one that changes something (any method but GET and HEAD)."""
        return self.call.method not in ("GET", "HEAD")


@dataclass
class Fault:
    """What goes wrong, and when: the calls that match `method` and the regular expression `path` (searched in the path), from number
    `skip` on, `times` of them (`None`: for good).

    `effect` says whether the request is carried out all the same (a lost answer is `Fault(effect=True, drop=True)`).
    One of: `status` (with `body`, `content_type`, `headers` such as Retry-After), `drop` (connection closed without an answer), `half`
    (half of the true answer, then closed), `html` (a 200 page where data is expected), or only `delay_s` (late, but right).
    """

    method: str = ""
    path: str = ""
    skip: int = 0
    times: int | None = 1
    effect: bool = False
    status: int = 0
    body: str = ""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    half: bool = False
    html: bool = False
    delay_s: float = 0.0
    seen: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether this call is hit; counts it."""
        if (self.method and call.method != self.method) or not re.search(self.path, call.path):
            return False
        self.seen += 1
        nth = self.seen - self.skip
        return nth >= 1 and (self.times is None or nth <= self.times)


HTML_PAGE = "<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


class Simulator:
    """One simulated host. A child answers calls in `answer`; state belongs under `self.lock`.

    Use: `simulator.start()` gives the base URL, `simulator.stop()` ends it; `with simulator.running():` does both.
    """

    def __init__(self) -> None:
        self.journal: list[Entry] = []
        self.faults: list[Fault] = []
        self.on_call: Callable[[Call, str], None] | None = None
        "Told of every call, outside the lock, with the moment: `before` it is carried out, and `after`, before its answer leaves."
        self.lock = threading.RLock()
        self.host = "127.0.0.1"
        self.port = 0
        self._server: _Server | None = None

    def answer(self, call: Call) -> Answer:
        """What the simulated host answers; runs under `self.lock`."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Base URL without a trailing slash. Only meaningful once started."""
        return f"http://{self.host}:{self.port}"

    @property
    def is_talking(self) -> bool:
        """Whether anybody holds a connection to it, or has sent what it has not read yet."""
        return self._server is not None and bool(self._server.connections)

    def start(self, listener: socket.socket | None = None) -> str:
        """Answer on a free loopback port, after `stop` the same one again, or on a socket that listens already; gives the base URL."""
        if self._server is None:
            self._server = _Server((self.host, self.port), self, listener)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self.url

    def stop(self) -> None:
        """Stop listening and cut open connections; state is kept, `start` goes on with it (a server that goes away and comes back)."""
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.cut_connections()
            server.server_close()

    @contextmanager
    def running(self) -> Iterator[str]:
        """Started inside, stopped at the end."""
        try:
            yield self.start()
        finally:
            self.stop()

    def calls(self, method: str = "", path: str = "", *, changes: bool | None = None) -> list[Entry]:
        """The journal's entries with this method and a path in which the regular expression `path` is found."""
        with self.lock:
            return [
                entry
                for entry in self.journal
                if (not method or entry.call.method == method)
                and re.search(path, entry.call.path)
                and (changes is None or entry.changes is changes)
            ]

    def respond(self, call: Call) -> tuple[Answer | None, bool]:
        """The answer that leaves, faults included; `None`: close the connection silently. The flag says: cut the body in half."""
        if self.on_call:
            self.on_call(call, "before")
        with self.lock:
            fault = next((f for f in self.faults if f.strikes(call)), None)
            true_answer = self.answer(call) if fault is None or _lets_through(fault) else Answer()
            answer, half = _bent(true_answer, fault)
            self.journal.append(Entry(call, answer.status if answer else 0, time.monotonic()))
        if self.on_call:
            self.on_call(call, "after")
        if fault and fault.delay_s:
            time.sleep(fault.delay_s)
        return answer, half


def _lets_through(fault: Fault) -> bool:
    """Whether the request is carried out although the fault strikes."""
    only_late = not (fault.status or fault.drop or fault.html or fault.half)
    return fault.effect or only_late or fault.half


def _bent(answer: Answer, fault: Fault | None) -> tuple[Answer | None, bool]:
    if fault is None:
        return answer, False
    if fault.drop:
        return None, False
    if fault.status:
        return Answer(fault.status, fault.body.encode(), fault.content_type, fault.headers), False
    if fault.html:
        return Answer.of_text(HTML_PAGE, content_type="text/html"), False
    return answer, fault.half


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], simulator: Simulator, listener: socket.socket | None) -> None:
        self.simulator = simulator
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler, bind_and_activate=listener is None)
        if listener is not None:
            self.socket.close()
            self.socket, self.server_address = listener, listener.getsockname()

    def cut_connections(self) -> None:
        """Close what clients keep alive, as a host that goes away does."""
        for connection in list(self.connections):
            _cut(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections cut by the other side are everyday business here; anything else is a mistake of the simulator and shown."""
        import sys

        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError, ValueError)):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self._do
        raise AttributeError(name)

    def _do(self) -> None:
        target = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            # The client died in the middle of its request: no server carries that out.
            self.close_connection = True
            return
        call = Call(
            self.command,
            target.path,
            dict(parse_qsl(target.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )
        answer, half = self.server.simulator.respond(call)
        if answer is None:
            self.close_connection = True
            _cut(self.connection)
            return
        self._send(answer, half)

    def _send(self, answer: Answer, half: bool) -> None:
        try:
            reason = HTTPStatus(answer.status).phrase
        except ValueError:
            reason = "Unknown"
        self.send_response(answer.status, reason)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.body:
                self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if half else answer.body)
        self.wfile.flush()
        if half:
            self.close_connection = True
            _cut(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        """The journal is the log."""


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
