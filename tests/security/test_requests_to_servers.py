"""What a media server, or whatever answers in its place, can do to the panel: nothing but take a bounded while."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from panel.platforms import answers, connect, http
from panel.platforms.base import LostAnswer, PlatformError, UnexpectedAnswer, Unreachable
from panel.platforms.http import HttpDoor, new_session
from panel.services import servers
from tests.scene import Scene


class Raw:
    """Answers one connection after another with these bytes, `pause_s` between pieces; `requests` counts what came in."""

    def __init__(self, *pieces: bytes, pause_s: float = 0.0) -> None:
        self.pieces, self.pause_s, self.requests = pieces, pause_s, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                self.requests += 1
                for piece in self.pieces:
                    connection.sendall(piece)
                    time.sleep(self.pause_s)

    def close(self) -> None:
        """Listen no longer."""
        # Whoever waits for a client there is woken: its number may be that of another socket soon.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def head(*lines: str) -> bytes:
    """The beginning of an answer."""
    return "\r\n".join(("HTTP/1.1 200 OK", "Content-Type: application/json", *lines, "", "")).encode()


@contextlib.contextmanager
def door_to(*pieces: bytes, pause_s: float = 0.0) -> Iterator[HttpDoor]:
    """A door behind which these bytes come."""
    raw = Raw(*pieces, pause_s=pause_s)
    door = HttpDoor(raw.url, {}, "Birch", timeouts=(10.0, 10.0), session=new_session())
    try:
        yield door
    finally:
        door.close()
        raw.close()


@pytest.mark.parametrize("length", ["Content-Length: 1000", "Connection: close"])
def test_a_dripping_answer_is_given_up(monkeypatch: pytest.MonkeyPatch, length: str) -> None:
    monkeypatch.setattr(answers, "LONGEST_S", 1.0)
    begun = time.monotonic()
    with door_to(head(length), *[b" "] * 2000, pause_s=0.02) as door, pytest.raises(UnexpectedAnswer, match="took longer"):
        door.json("GET", "/Users")
    assert time.monotonic() - begun < 20


def test_a_dripping_answer_to_a_creation_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "LONGEST_S", 0.2)
    with door_to(head("Connection: close"), *[b" "] * 200, pause_s=0.02) as door, pytest.raises(LostAnswer):
        door.json("POST", "/Users/New", json={}, creates=True)


def test_a_packed_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    with (
        door_to(head("Content-Encoding: gzip", f"Content-Length: {len(bomb)}"), bomb) as door,
        pytest.raises(UnexpectedAnswer, match="more than"),
    ):
        door.json("GET", "/Users")


def test_an_endless_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 1_000_000)
    with door_to(head("Connection: close"), *[b"x" * 65536] * 100) as door, pytest.raises(UnexpectedAnswer, match="more than"):
        door.send("GET", "/")


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",),
        (b"not http at all\r\n\r\n",),
        (b"",),
        (head("Content-Length: 100"), b"[1,"),
        (head("Content-Encoding: gzip", "Content-Length: 4"), b"nope"),
        (head("Transfer-Encoding: chunked"), b"zz\r\n[]\r\n0\r\n\r\n"),
        (head("Transfer-Encoding: chunked"), b"5\r\n[1"),
    ],
)
def test_a_broken_answer_is_a_sentence(pieces: tuple[bytes, ...]) -> None:
    with door_to(*pieces) as door, pytest.raises(PlatformError) as caught:
        door.json("GET", "/Users")
    assert isinstance(caught.value, Unreachable | UnexpectedAnswer)


def test_reads_plain_packed_and_chunked_answers_in_full() -> None:
    body = json.dumps([1] * 40_000).encode()
    packed = gzip.compress(body)
    chunks = b"".join(f"{len(body[at : at + 9999]):x}\r\n".encode() + body[at : at + 9999] + b"\r\n" for at in range(0, len(body), 9999))
    for pieces in (
        (head(f"Content-Length: {len(body)}"), body),
        (head("Content-Encoding: gzip", f"Content-Length: {len(packed)}"), packed),
        (head("Transfer-Encoding: chunked"), chunks + b"0\r\n\r\n"),
        (head("Connection: close"), body),
    ):
        with door_to(*pieces) as door:
            assert len(door.json("GET", "/Users")) == 40_000


@pytest.mark.parametrize("body", ["NaN", "[Infinity]", '{"a": -Infinity}', "[1", "", "1" * 5000, "[" * 100_000, "\ufeffx"])
def test_what_is_no_data_is_refused(body: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        answers.data_of(body.encode())


def test_what_no_database_stores_is_read_as_something_it_does() -> None:
    assert answers.data_of(rb'{"a\u0000": ["x\ud800y", "\ud83d\ude00", 1e999, 1e10, true, null]}') == {
        "a\ufffd": ["x\ufffdy", "😀", None, 1e10, True, None]
    }
    assert answers.data_of(b'["\xff\xed\xa0\x80"]')[0].isprintable() is not None
    answers.data_of(b'["\xed\xa0\x80"]')[0].encode()


def test_every_form_of_a_key_is_hidden() -> None:
    headers = {"Authorization": 'MediaBrowser Token="ab%2Bcdef"', "X-Plex-Token": "plex-token", "X-Plex-Product": "Streamferry"}
    said = "Token ab+cdef and ab%2Bcdef and plex-token at Streamferry"
    assert answers.without(answers.secrets_in(headers), said) == "Token … and … and … at Streamferry"


@pytest.mark.parametrize("platform", ["plex", "emby", "jellyfin"])
@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://[fe80::1]:8096", "http://[fd00:ec2::254]", "http://0.0.0.0:8096"])
def test_no_platform_asks_a_forbidden_address(platform: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    remote = connect(platform, url, "a key long enough", cloud_url=url, client_id="x", timeouts=(1.0, 1.0))
    with pytest.raises(PlatformError, match="nothing was sent"):
        remote.identity()
    remote.close()


def test_an_admin_reads_why_a_server_is_not_asked(scene: Scene) -> None:
    side = scene.add_server("jellyfin", "Birch")
    side.row.url = "http://169.254.169.254"
    found = servers.look(side.row)
    assert found.refusal and "no address a media server can have" in found.refusal.message
