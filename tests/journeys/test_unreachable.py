"""What a page says and does when the panel does not answer it, or answers that something went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from playwright.sync_api import Page, Route, expect

from panel.extensions import db
from panel.models import Plan
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
#: What a browser complains of where a request of a test does not arrive.
UNREACHABLE = ("ERR_FAILED", "htmx:")


@contextmanager
def cut_off(page: Page, address: str) -> Iterator[list[str]]:
    """Nothing that is sent to `address` arrives; what was sent there, by its method."""
    sent: list[str] = []

    def lose(route: Route) -> None:
        sent.append(route.request.method)
        route.abort()

    page.route(address, lose)
    yield sent
    page.unroute(address)


def refuse(status: int, route: Route) -> None:
    """Answer as the panel does where something is wrong."""
    route.fulfill(status=status, content_type="text/plain", body=f"Said {status}.")


def test_keeps_the_button_in_hand_and_says_what_may_not_have_arrived(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=(*UNREACHABLE, "500", "400"), viewport={"width": 380, "height": 500})
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    dialog = page.get_by_role("dialog", name="New plan")
    dialog.get_by_label("Name", exact=True).fill("Premium")
    dialog.get_by_label("Standard", exact=True).check()
    save, notice = dialog.get_by_role("button", name="Save"), dialog.locator("#notice")
    with cut_off(page, "**/plans/new") as sent:
        save.press("Enter")
        expect(notice).to_contain_text("what you did may not have arrived")
        expect(notice).to_be_in_viewport()
        expect(save).to_be_focused()
        assert sent == ["POST"]
    for status in (500, 400):
        page.route("**/plans/new", partial(refuse, status))
        save.press("Enter")
        expect(notice).to_have_text(f"Said {status}.")
        expect(save).to_be_focused()
        page.unroute("**/plans/new")
    save.press("Enter")
    expect(page.locator("#told")).to_contain_text("Premium")
    assert db.session.scalars(db.select(Plan).where(Plan.name == "Premium")).one()


def test_goes_on_through_a_menu_whose_entry_could_not_be_sent(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=UNREACHABLE)
    page.get_by_role("link", name="Actions for Cedar").press("Enter")
    dialog = page.get_by_role("dialog", name="Cedar")
    test = dialog.get_by_role("button", name="Test connection")
    with cut_off(page, "**/look"):
        test.press("Enter")
        expect(dialog.locator("#notice")).to_be_visible()
        expect(test).to_be_focused()
    page.keyboard.press("Home")
    expect(dialog.locator(".action").first).to_be_focused()
    test.press("Enter")
    expect(dialog.get_by_text("It takes the key: yes")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()


def test_tells_what_the_page_asks_by_itself_from_what_was_pressed(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit(forgiven=UNREACHABLE)
    page.goto(f"/migrations/{run.id}")
    notice, pause = page.locator("#notice"), page.get_by_role("button", name="Pause")
    with cut_off(page, "**/progress*"):
        expect(notice).to_contain_text("The panel cannot be reached; trying again.")
    expect(notice).to_be_hidden()
    with cut_off(page, "**/pause*"):
        pause.click()
        expect(notice).to_contain_text("what you did may not have arrived")
    with page.expect_response("**/progress*"), page.expect_response("**/progress*"):
        pass
    expect(notice).to_contain_text("what you did may not have arrived")
    pause.click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(notice).to_be_hidden()
