"""The one door to media servers: what leaves through it, and what does not."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from panel.config import Config
from panel.platforms import addresses, answers, http
from panel.platforms.base import LostAnswer, PlatformError, TooManyRequests, UnexpectedAnswer, Unreachable
from panel.platforms.http import HttpDoor
from panel.simulators.http import Answer, Call, Simulator


class Host(Simulator):
    """Answers whatever it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.next = Answer.of_json({"done": True})

    def answer(self, call: Call) -> Answer:
        """The same for every call."""
        return self.next


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    with made.running():
        yield made


@pytest.fixture
def door(host: Host) -> Iterator[HttpDoor]:
    made = HttpDoor(host.url + "/emby/", {"X-Emby-Token": "abc"}, "The host")
    yield made
    made.close()


def last(host: Host) -> Call:
    return host.journal[-1].call


def test_it_sends_its_headers_and_a_body_with_its_kind_and_length(host: Host, door: HttpDoor) -> None:
    assert door.json("POST", "/Users/New", json={"Name": "Zoë"}) == {"done": True}
    call = last(host)
    assert (call.method, call.path, call.json()) == ("POST", "/emby/Users/New", {"Name": "Zoë"})
    assert call.headers["x-emby-token"] == "abc"
    assert call.headers["accept"] == "application/json"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["content-length"] == str(len(call.body))


def test_it_carries_nothing_from_one_request_into_the_next(host: Host, door: HttpDoor) -> None:
    door.send("POST", "/one", json={"a": 1}, headers={"X-Once": "1"})
    door.send("GET", "/two")
    assert not {"x-once", "content-type", "content-length"} & set(last(host).headers)
    assert last(host).body == b""
    door.send("DELETE", "/three")
    assert last(host).headers["content-length"] == "0"


@pytest.mark.parametrize("value", [[], {}, "", 0, False])
def test_it_sends_an_empty_value_as_a_body(host: Host, door: HttpDoor, value: object) -> None:
    door.send("POST", "/set", json=value)
    assert last(host).json() == value


@pytest.mark.parametrize(
    ("path", "params", "path_seen", "query_seen"),
    [
        ("/Users/2f-a_b/Policy", None, "/emby/Users/2f-a_b/Policy", {}),
        ("/Users/a%2Fb", None, "/emby/Users/a%2Fb", {}),
        ("/Users/zoë", None, "/emby/Users/zo%C3%AB", {}),
        ("/Users/a b", None, "/emby/Users/a%20b", {}),
        ("/Users", {"Limit": 1, "name": "a&b=c d"}, "/emby/Users", {"Limit": "1", "name": "a&b=c d"}),
        ("/Users?x=1", {"y": 2}, "/emby/Users", {"x": "1", "y": "2"}),
        ("", None, "/emby", {}),
    ],
)
def test_it_asks_for_the_address_that_was_meant(
    host: Host, door: HttpDoor, path: str, params: dict[str, object] | None, path_seen: str, query_seen: dict[str, str]
) -> None:
    door.send("GET", path, params=params)
    assert (last(host).path, last(host).query) == (path_seen, query_seen)


def test_it_neither_keeps_nor_sends_cookies(host: Host, door: HttpDoor) -> None:
    host.next = Answer.of_json({}, 200)
    host.next.headers["Set-Cookie"] = "session=1; Path=/"
    door.send("GET", "/one")
    door.send("GET", "/two")
    assert "cookie" not in last(host).headers


def test_it_signs_in_with_what_stands_before_the_host_in_a_url(host: Host) -> None:
    HttpDoor(host.url.replace("//", "//admin:hunter2@"), {}, "The host").send("GET", "/one")
    assert last(host).headers["authorization"] == "Basic YWRtaW46aHVudGVyMg=="


def test_it_ignores_what_the_environment_says_about_proxies(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert HttpDoor(host.url, {}, "The host").send("GET", "/one")


def test_it_follows_no_redirect(host: Host, door: HttpDoor) -> None:
    host.next = Answer(302, headers={"Location": host.url + "/elsewhere"})
    with pytest.raises(UnexpectedAnswer):
        door.send("GET", "/one")
    assert len(host.journal) == 1


@pytest.mark.parametrize(("creates", "error"), [(False, UnexpectedAnswer), (True, LostAnswer)])
def test_it_stops_reading_an_answer_that_does_not_end(
    host: Host, door: HttpDoor, monkeypatch: pytest.MonkeyPatch, creates: bool, error: type[PlatformError]
) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 1000)
    host.next = Answer(200, b"x" * 200_000)
    with pytest.raises(error):
        door.send("POST", "/one", creates=creates)
    host.next = Answer(200, b"fine")
    assert door.send("GET", "/two") == b"fine"


@pytest.mark.parametrize("headers", [{"X-Emby-Token": "two\nlines"}, {"X-Emby-Token": " blank"}])
def test_it_sends_no_header_that_would_be_two(host: Host, headers: dict[str, str]) -> None:
    with pytest.raises(PlatformError):
        HttpDoor(host.url, headers, "The host").send("GET", "/one")
    with pytest.raises(PlatformError):
        HttpDoor(host.url, {}, "The host").send("GET", "/one", headers=headers)
    assert not host.journal


def test_it_sends_no_number_that_json_does_not_have(host: Host, door: HttpDoor) -> None:
    with pytest.raises(PlatformError):
        door.send("POST", "/one", json={"Rating": float("nan")})
    assert not host.journal


def test_it_asks_its_guard_before_each_change_and_only_then(host: Host) -> None:
    class Forbidden(Exception):
        pass

    def forbid() -> None:
        raise Forbidden

    door = HttpDoor(host.url, {}, "The host", guard=forbid)
    door.send("GET", "/one")
    for method in ("POST", "PUT", "DELETE"):
        with pytest.raises(Forbidden):
            door.send(method, "/two")
    assert len(host.journal) == 1


def test_it_asks_its_guard_again_when_the_connection_stands(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    class LostMeanwhile(Exception):
        pass

    lost, resolve = threading.Event(), addresses.resolve

    def slow(name: str, port: int) -> list[str]:
        lost.set()  # While the name is looked up the host is put to sleep, and somebody else goes on with its work.
        return resolve(name, port)

    def guard() -> None:
        if lost.is_set():
            raise LostMeanwhile

    monkeypatch.setattr(addresses, "resolve", slow)
    door = HttpDoor(host.url, {}, "The host", guard=guard)
    with pytest.raises(LostMeanwhile):
        door.send("POST", "/one", json={"a": 1})
    assert not host.journal
    lost.clear()
    monkeypatch.undo()
    door.send("POST", "/two", json={"a": 1})
    assert [entry.call.path for entry in host.journal] == ["/two"], "what was given up leaves nothing behind on the connection"


def test_a_body_does_not_follow_its_headers_when_the_guard_forbids_it_by_then(host: Host) -> None:
    class LostMeanwhile(Exception):
        pass

    asked: list[int] = []

    def guard() -> None:
        asked.append(len(asked))
        if len(asked) == 3:
            raise LostMeanwhile

    with pytest.raises(LostMeanwhile):
        HttpDoor(host.url, {}, "The host", guard=guard).send("POST", "/one", json={"a": 1})
    assert not host.journal


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Only Linux knows this.")
def test_what_the_network_does_not_take_is_given_up_before_a_hold_can_have_run_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    send = addresses._CheckedConnection.send

    def look(self: addresses._CheckedConnection, what: object) -> None:
        send(self, what)
        seen.append(self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))

    monkeypatch.setattr(addresses._CheckedConnection, "send", look)
    HttpDoor(host.url, {}, "The host").send("POST", "/one", json={})
    assert seen and all(0 < milliseconds <= 1000 * Config.lease_s / 2 for milliseconds in seen)


@contextlib.contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[str]:
    """The address of a server that sends `start` and then `drop` again and again, until the client hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(start)
                while True:
                    connection.sendall(drop)
                    time.sleep(0.02)

        threading.Thread(target=drip, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"y"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
    ],
    ids=["status line", "header", "informational answers", "length of a chunk"],
)
@pytest.mark.parametrize(("creates", "error"), [(False, PlatformError), (True, LostAnswer)])
def test_an_answer_that_drips_has_a_deadline(
    monkeypatch: pytest.MonkeyPatch, start: bytes, drop: bytes, creates: bool, error: type[PlatformError]
) -> None:
    monkeypatch.setattr(answers, "LONGEST_S", 0.3)
    begun = time.monotonic()
    with dripping(start, drop) as url, pytest.raises(error):
        HttpDoor(url, {}, "The host", timeouts=(30.0, 30.0)).send("POST", "/one", creates=creates)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("creates", [False, True])
def test_it_says_that_nothing_was_made_when_nobody_listens(host: Host, door: HttpDoor, creates: bool) -> None:
    host.stop()
    with pytest.raises(Unreachable) as caught:
        door.send("POST", "/one", creates=creates)
    assert caught.value.had_no_effect is creates


def test_it_keeps_one_connection_open(host: Host, door: HttpDoor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    for number in range(5):
        door.send("GET", f"/{number}")
    assert caplog.text.count("Starting new HTTP connection") == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("0", 0.0),
        ("7200", 7200.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
    ],
)
@pytest.mark.parametrize(("method", "creates"), [("GET", False), ("POST", True)])
def test_it_says_when_to_come_back_as_far_as_the_server_does(
    host: Host, door: HttpDoor, value: str, seconds: float | None, method: str, creates: bool
) -> None:
    host.next = Answer(429, b"", headers={"Retry-After": value})
    with pytest.raises(TooManyRequests) as caught:
        door.send(method, "/one", creates=creates)
    assert caught.value.had_no_effect is creates
    if value.startswith("Fri"):
        assert caught.value.retry_after_s is None or caught.value.retry_after_s > 86400
    else:
        assert caught.value.retry_after_s == seconds


def test_it_reckons_with_the_date_at_which_to_come_back(host: Host, door: HttpDoor) -> None:
    host.next = Answer(429, b"", headers={"Retry-After": email.utils.formatdate(time.time() + 600, usegmt=True)})
    with pytest.raises(TooManyRequests) as caught:
        door.send("GET", "/one")
    assert caught.value.retry_after_s == pytest.approx(600, abs=10)


@pytest.mark.parametrize("ahead_s", [3600, -3600, -1e9])
def test_a_date_at_which_to_come_back_is_reckoned_by_the_clock_that_has_told_it(
    host: Host, door: HttpDoor, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    theirs = time.time() + ahead_s
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda self: email.utils.formatdate(theirs, usegmt=True))
    host.next = Answer(429, b"", headers={"Retry-After": email.utils.formatdate(theirs + 600, usegmt=True)})
    with pytest.raises(TooManyRequests) as caught:
        door.send("GET", "/one")
    assert caught.value.retry_after_s == 600


@pytest.mark.parametrize("date", ["", "soon", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"])
def test_it_goes_by_its_own_clock_where_the_answer_has_no_date(
    host: Host, door: HttpDoor, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda self: date)
    host.next = Answer(429, b"", headers={"Retry-After": email.utils.formatdate(time.time() + 600, usegmt=True)})
    with pytest.raises(TooManyRequests) as caught:
        door.send("GET", "/one")
    assert caught.value.retry_after_s == pytest.approx(600, abs=10)


@pytest.mark.parametrize(("method", "creates"), [("GET", False), ("POST", False), ("POST", True)])
def test_it_takes_a_503_with_a_time_for_a_request_to_come_back_then(host: Host, door: HttpDoor, method: str, creates: bool) -> None:
    host.next = Answer(503, b"", headers={"Retry-After": "3600"})
    with pytest.raises(TooManyRequests) as caught:
        door.send(method, "/one", creates=creates)
    assert caught.value.retry_after_s == 3600
    assert not caught.value.had_no_effect, "it may have been carried out all the same"


@pytest.mark.parametrize("value", ["", "soon"])
@pytest.mark.parametrize(("creates", "error"), [(False, Unreachable), (True, LostAnswer)])
def test_a_503_without_a_time_is_a_bad_moment(host: Host, door: HttpDoor, value: str, creates: bool, error: type[PlatformError]) -> None:
    host.next = Answer(503, b"", headers={"Retry-After": value})
    with pytest.raises(error):
        door.send("POST", "/one", creates=creates)


@pytest.mark.parametrize("value", [b"[],", b"{},", b"<a/>", b' a=""', b"0,"])
def test_it_does_not_take_in_what_would_fill_the_memory(host: Host, door: HttpDoor, value: bytes) -> None:
    host.next = Answer(200, b"[" + value * (answers.MOST_VALUES + 1) + b"0]")
    with pytest.raises(UnexpectedAnswer, match="too many values"):
        door.json("GET", "/one")
    host.next = Answer(200, b'["' + b"x" * 3_000_000 + b'"]')
    assert len(door.json("GET", "/one")[0]) == 3_000_000
