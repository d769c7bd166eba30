"""What the door tells of changing requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from panel.platforms import sent
from panel.platforms.base import LostAnswer, PlatformError, UnexpectedAnswer, Unreachable
from panel.platforms.http import HttpDoor
from panel.platforms.sent import SentCall, collecting
from panel.simulators.http import Answer, Call, Fault, Simulator

KEY = "0123456789abcdef"


class Host(Simulator):
    """Answers every call with an empty object."""

    def answer(self, call: Call) -> Answer:
        """The same for every call."""
        return Answer.of_json({})


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    with made.running():
        yield made


@pytest.fixture
def door(host: Host) -> Iterator[HttpDoor]:
    made = HttpDoor(host.url, {"X-Emby-Token": KEY}, "The host")
    yield made
    made.close()


def told(door: HttpDoor, method: str, path: str, **how: object) -> list[SentCall]:
    """What is told of one request, whatever comes of it."""
    with collecting([]) as calls:
        try:
            door.json(method, path, **how)
        except PlatformError as error:
            calls.append(SentCall(datetime.now(UTC), "raised", str(error)))
    return calls


def test_tells_of_a_change_that_was_made(door: HttpDoor) -> None:
    before = datetime.now(UTC)
    (call,) = told(door, "POST", "/Users/7/Policy")
    assert (call.method, call.path, call.status, call.result) == ("POST", "/Users/7/Policy", 200, "")
    assert before <= call.at <= datetime.now(UTC)


def test_tells_nothing_of_reading(door: HttpDoor) -> None:
    assert told(door, "GET", "/Users") == []


def test_tells_neither_query_nor_key_and_no_endless_path(door: HttpDoor) -> None:
    (call,) = told(door, "POST", f"/keys/{KEY}/x?pw=hidden", params={"name": "hidden"})
    assert call.path == "/keys/…/x"
    (call,) = told(door, "DELETE", "/" + "x" * 2000)
    assert len(call.path) == sent.LONGEST_PATH


@pytest.mark.parametrize(
    ("fault", "status", "creates", "kind"),
    [
        (Fault(status=500), 500, False, "failed with error 500"),
        (Fault(status=429), 429, False, "slow down"),
        (Fault(drop=True, effect=True), None, True, "will be looked up"),
        (Fault(half=True), 200, False, "does not answer"),
        (Fault(html=True), 200, False, "not data"),
        (Fault(html=True), 200, True, "garbled answer"),
    ],
)
def test_tells_how_a_change_failed_in_the_words_of_the_error(
    host: Host, door: HttpDoor, fault: Fault, status: int | None, creates: bool, kind: str
) -> None:
    host.faults.append(Fault(**vars(fault)))
    call, raised = told(door, "POST", "/Users/New", creates=creates)
    assert call.status == status and kind in call.result
    assert call.result == raised.path


def test_tells_of_a_request_to_a_host_that_is_away(host: Host, door: HttpDoor) -> None:
    host.stop()
    call, _ = told(door, "POST", "/Users/New")
    assert call.status is None and "does not answer" in call.result


def test_a_reading_that_fails_is_not_held_against_the_change_before(host: Host, door: HttpDoor) -> None:
    host.faults.append(Fault(method="GET", html=True))
    with collecting([]) as calls, pytest.raises(UnexpectedAnswer):
        door.json("POST", "/Users/7/Policy")
        door.json("GET", "/Users")
    assert [call.result for call in calls] == [""]


def test_an_answer_found_wrong_later_is_told_once() -> None:
    done = SentCall(datetime.now(UTC), "POST", "/", 200, "")
    with collecting([done]):
        for error in (LostAnswer("First."), Unreachable("Second.")):
            assert sent.misread(error) is error
    assert done.result == "First."


def test_a_request_that_was_forbidden_was_not_sent(host: Host) -> None:
    def forbid() -> None:
        raise RuntimeError

    door = HttpDoor(host.url, {}, "The host", guard=forbid)
    with collecting([]) as calls, pytest.raises(RuntimeError):
        door.send("POST", "/Users/New")
    assert calls == [] and host.journal == []
    door.close()


def test_says_that_the_end_is_not_known_where_something_unforeseen_happened() -> None:
    with collecting([]) as calls, pytest.raises(ZeroDivisionError), sent.noted("POST", "/", {}):
        raise ZeroDivisionError
    assert calls[0].result == sent.UNKNOWN and calls[0].status is None


def test_each_thread_is_told_of_its_own_requests(door: HttpDoor) -> None:
    found: dict[str, list[str]] = {}

    def ask(name: str) -> None:
        with collecting([]) as calls:
            for _ in range(5):
                door.send("POST", f"/{name}")
        found[name] = [call.path for call in calls]

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("a", "b", "c")]
    with collecting([]) as mine:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {name: [f"/{name}"] * 5 for name in ("a", "b", "c")} and mine == []


def test_whoever_collects_around_others_is_told_of_theirs_too(door: HttpDoor) -> None:
    earlier = SentCall(datetime.now(UTC), "POST", "/earlier", 200, "")
    with collecting([]) as outer:
        door.send("POST", "/before")
        with pytest.raises(ZeroDivisionError), collecting([earlier]) as inner:
            door.send("POST", "/within")
            raise ZeroDivisionError
        door.send("POST", "/after")
    assert [call.path for call in inner] == ["/earlier", "/within"]
    assert [call.path for call in outer] == ["/before", "/within", "/after"]


def test_costs_nothing_where_nobody_collects() -> None:
    assert sent.noted("POST", "/", {}) is sent.UNNOTED
