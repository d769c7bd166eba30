"""A real browser against a real web server in a thread of the test's process, and somebody signed in."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from werkzeug.serving import make_server

from panel import jobs
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration
from panel.services import admins
from tests.browser import chromium_path
from tests.scene import Scene

EMAIL = "ada@example.test"
PASSWORD = "a long enough password"
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The distribution's own browser; without its sandbox, which does not work for root."""
    return {"executable_path": chromium_path(), "args": ["--no-sandbox"]}


@pytest.fixture
def panel_url(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the running panel, whose administrator is Ada. It takes a worker to be there: that nobody works is told after a while,
    and a test that takes longer must not see another page for it."""
    monkeypatch.setattr(jobs, "workers_alive", lambda: 1)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    admins.create(EMAIL, PASSWORD)
    db.session.commit()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pair(scene: Scene) -> Scene:
    """Cedar (Emby) with two people who may move and one who may not, and Birch (Jellyfin)."""
    scene.add_server("emby", "Cedar")
    scene.add_server("jellyfin", "Birch")
    scene.person("Alice")
    scene.person("Bob")
    scene.person("Lapsed", days=(-40, -10))
    return scene


def with_one_who_failed(pair: Scene) -> Migration:
    """A run that has ended, in which Alice has failed and can be tried again."""
    run = pair.move()
    run.moves[0].status, run.moves[0].step = MoveStatus.FAILED, Step.CHECK
    db.session.commit()
    return run


def new_emby_server(page: Page) -> Locator:
    """The dialog with the form of one, opened from the list of servers."""
    page.get_by_role("link", name="Add a server…").click()
    page.get_by_role("dialog", name="Add a server").get_by_role("link", name="Emby").click()
    return page.get_by_role("dialog", name="Add an Emby server")


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window, once all that it looks by has come."""
    # A press may have asked for the page: until it begins there is no element to measure, and until it is loaded a style may be missing.
    page.locator("html").wait_for()
    page.wait_for_load_state()
    width: Any = page.locator("html").evaluate("html => html.scrollWidth - html.clientWidth")
    return int(width)


def sign_in(context: BrowserContext) -> None:
    """By the form's own address, not drawn: that a browser can do it is test_browser's. The page that comes after it is drawn."""
    typed = {"csrf_token": _token_on(context, "/sign-in"), "email": EMAIL, "password": PASSWORD}
    answer = context.request.post("/sign-in", form=typed)
    assert answer.ok and answer.url.endswith("/servers"), answer.text()


def sign_out(context: BrowserContext) -> None:
    """As in another tab."""
    answer = context.request.post("/sign-out", form={"csrf_token": _token_on(context, "/servers")})
    assert answer.ok and answer.url.endswith("/sign-in"), answer.text()


def _token_on(context: BrowserContext, address: str) -> str:
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', context.request.get(address).text())
    assert token is not None
    return token[1]


@contextmanager
def held_back(page: Page, address: str) -> Iterator[Callable[..., None]]:
    """What is sent to `address` waits until this is called; it then arrives, or what it is called with becomes of it."""
    held: list[Route] = []
    page.route(address, lambda route: held.append(route))

    def let_go(how: Callable[[Route], None] = lambda route: route.continue_()) -> None:
        deadline = time.monotonic() + 30
        while not held and time.monotonic() < deadline:
            page.wait_for_timeout(20)
        how(held.pop())

    yield let_go
    page.unroute(address)


class Visit:
    """A browser window in which Ada is signed in, and what the browser complained about."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.context = browser.new_context(base_url=url, **options)
        self.context.set_default_timeout(30_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        sign_in(self.context)
        self.page.goto("/servers")


@pytest.fixture
def visit(browser: Browser, panel_url: str) -> Iterator[Any]:
    """Opens windows: `visit()`, `visit(java_script_enabled=False)`; in the end no browser may have complained, but of a 422 and of what is
    `forgiven`."""
    visits: list[Visit] = []
    expected = ["422"]

    def enter(forgiven: Sequence[str] = (), **options: Any) -> Page:
        expected.extend(forgiven)
        visits.append(Visit(browser, panel_url, **options))
        return visits[-1].page

    yield enter
    for opened in visits:
        opened.context.close()
    complaints = [complaint for opened in visits for complaint in opened.complaints if not any(each in complaint for each in expected)]
    assert complaints == [], "\n".join(complaints)
