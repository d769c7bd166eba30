"""Admins with the live page of a run open: each asks when and what the page in the browser would ask."""

from __future__ import annotations

import html
import http.client
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench_up import Panel

#: What htmx sends along when the element of the live page asks for itself.
HTMX = {"HX-Request": "true", "HX-Target": "migration-progress", "HX-Trigger": "migration-progress", "Accept": "*/*"}
LIVE = re.compile(r'id="migration-progress"\s+hx-get="([^"]+)"\s+hx-trigger="every (\d+)s"')


@dataclass(frozen=True)
class Answer:
    """What came back: `seconds` from the first byte sent to the last one read, `size` in bytes with the headers."""

    status: int
    body: str
    seconds: float
    size: int


@dataclass(frozen=True)
class Poll:
    """One look of a live page, and when it was (`time.monotonic`)."""

    at: float
    status: int
    seconds: float
    size: int


@dataclass(frozen=True)
class Live:
    """Where and how often a live page asks."""

    address: str
    every_s: float

    @classmethod
    def found_in(cls, page: str) -> Live:
        """As the page, or its part that was asked for, says. Ends the measuring where the run is over."""
        found = LIVE.search(page)
        if found is None:
            raise SystemExit("The page does not ask any more: has the run ended?")
        return cls(html.unescape(found[1]), float(found[2]))


def ask(connection: http.client.HTTPConnection, address: str, cookie: str, headers: Mapping[str, str] | None = None) -> Answer:
    """One request over the kept connection."""
    began = time.perf_counter()
    connection.request("GET", address, headers={"Cookie": cookie, "Accept-Encoding": "gzip, deflate", **(headers or {})})
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - began
    return Answer(response.status, body.decode(), seconds, len(body) + len(bytes(response.headers)))


class Admins:
    """Everybody who is signed in, each at a browser of their own. `polls` grows while they look."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.polls: list[Poll] = []
        self.problems: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(cookie,), daemon=True) for cookie in panel.cookies]

    def begin(self) -> None:
        """They open the page, one soon after the other."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """They close it."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _look(self, cookie: str) -> None:
        try:
            self._look_until_over(cookie)
        except (OSError, http.client.HTTPException, SystemExit) as error:
            self.problems.append(f"{type(error).__name__}: {error}")

    def _look_until_over(self, cookie: str) -> None:
        connection, page = self.panel.connection(), f"{self.panel.url}{self.panel.page}"
        self._over.wait(random.uniform(0, 2))
        live = Live.found_in(ask(connection, self.panel.page, cookie).body)
        while not self._over.wait(live.every_s):
            answer = ask(connection, live.address, cookie, {**HTMX, "HX-Current-URL": page})
            self.polls.append(Poll(time.monotonic(), answer.status, answer.seconds, answer.size))
            if answer.status == 200:
                live = Live.found_in(answer.body)
            elif answer.status != 204:
                raise SystemExit(f"{live.address} answers {answer.status}.")
