"""What a page says and does when the panel does not answer it, or answers that something went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from flask import Flask
from playwright.sync_api import Page, Route, expect

from panel import jobs
from panel.extensions import db
from panel.models import Plan
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import EMAIL, PASSWORD, browser_type_launch_args, pair, panel_url, sign_in, sign_out, visit
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


#: What an open page does every few seconds, in vain; over once the page has heard of it.
LOST_LOOK = """() => new Promise((resolve) => {
  document.addEventListener("htmx:sendError", () => setTimeout(resolve), { once: true });
  htmx.ajax("GET", "/workers/banner?shown=0", { source: "#workers" }).catch(() => {});
})"""


def look_after_the_workers(page: Page) -> None:
    """What an open page does every few seconds."""
    with page.expect_event("requestfinished", lambda request: "/workers/banner" in request.url):
        page.evaluate("() => { htmx.ajax('GET', '/workers/banner?shown=0', { source: '#workers' }); }")


def refuse(status: int, route: Route) -> None:
    """Answer as the panel does where something is wrong."""
    route.fulfill(status=status, content_type="text/plain", body=f"Said {status}.")


def test_keeps_the_button_in_hand_and_says_what_may_not_have_arrived(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=(*UNREACHABLE, "500", "400", "502"), viewport={"width": 380, "height": 500})
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
    page.route("**/plans/new", lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>"))
    save.press("Enter")
    expect(notice).to_contain_text("could not answer: what you did may not have arrived")
    page.unroute("**/plans/new")
    save.press("Enter")
    expect(page.locator("#told")).to_contain_text("Premium")
    assert db.session.scalars(db.select(Plan).where(Plan.name == "Premium")).one()


def test_goes_on_through_a_menu_whose_entry_could_not_be_sent(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=UNREACHABLE)
    page.get_by_role("link", name="Actions for Cedar").press("Enter")
    dialog = page.get_by_role("dialog", name="Cedar")
    test = dialog.get_by_role("button", name="Test connection")
    expect(test).to_be_visible()
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
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


def test_keeps_what_was_typed_when_somebody_has_signed_out_elsewhere(visit: Open, pair: Scene) -> None:
    page = visit()
    in_dialog, other = page.context.new_page(), page.context.new_page()
    page.goto("/users/new")
    page.get_by_label("Name").first.fill("Typed by hand")
    in_dialog.goto("/plans")
    in_dialog.get_by_role("link", name="New plan…").click()
    dialog = in_dialog.get_by_role("dialog", name="New plan")
    dialog.get_by_label("Name", exact=True).fill("Premium")
    dialog.get_by_label("Standard", exact=True).check()
    other.goto("/servers")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/sign-in")
    for typing in (page, in_dialog):
        look_after_the_workers(typing)
        expect(typing.locator("#notice")).to_have_text("You are signed out. Sign in in another tab, then go on.")
        expect(typing.locator("#notice")).to_be_in_viewport()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Premium")
    expect(page.get_by_label("Name").first).to_have_value("Typed by hand")
    other.get_by_label("E-mail").fill(EMAIL)
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/servers")
    look_after_the_workers(page)
    expect(page.locator("#notice")).to_be_hidden()
    look_after_the_workers(in_dialog)
    dialog.get_by_role("button", name="Save").click()
    expect(in_dialog.locator("#told")).to_contain_text("Premium")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("#told")).to_contain_text("Typed by hand")


@pytest.mark.parametrize("is_told", [True, False])
def test_saves_what_was_typed_once_somebody_has_signed_in_again(app: Flask, visit: Open, pair: Scene, is_told: bool) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    page = visit(forgiven=["400"])
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    dialog = page.get_by_role("dialog", name="New plan")
    dialog.get_by_label("Name", exact=True).fill("Premium")
    dialog.get_by_label("Standard", exact=True).check()
    sign_out(page.context)
    save, notice = dialog.get_by_role("button", name="Save"), page.locator("#notice")
    if is_told:
        save.click()
        expect(dialog.locator("#notice")).to_have_text("You are signed out. Sign in in another tab, then go on.")
    sign_in(page.context)
    if is_told:
        look_after_the_workers(page)
        expect(notice).to_be_hidden()
    save.press("Enter")
    expect(page.locator("#told")).to_contain_text("Premium")
    assert db.session.scalars(db.select(Plan).where(Plan.name == "Premium")).one()


def test_presses_once_more_and_not_for_ever_what_is_refused_for_its_token(app: Flask, visit: Open, pair: Scene) -> None:
    page = visit(forgiven=["400"])
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    dialog = page.get_by_role("dialog", name="New plan")
    dialog.get_by_label("Name", exact=True).fill("Premium")
    sent: list[str] = []

    def refuse_it(route: Route) -> None:
        sent.append(route.request.method)
        route.fulfill(status=400, content_type="text/plain", headers={"X-CSRFToken": "fresh"}, body="Nothing was changed. Press it again.")

    page.route("**/plans/new", refuse_it)
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(dialog.locator("#notice")).to_have_text("Nothing was changed. Press it again.")
    expect(dialog.get_by_role("button", name="Save")).to_be_focused()
    expect(dialog.locator("[name=csrf_token]").first).to_have_value("fresh")
    assert sent == ["POST", "POST"]


def test_asks_before_a_page_goes_with_what_was_typed_into_its_dialog(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    name = page.get_by_role("dialog", name="New plan").get_by_label("Name", exact=True)
    name.press("P")
    with page.expect_event("dialog") as asked:
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.evaluate("setTimeout(() => location.reload())")
    assert asked.value.type == "beforeunload"
    expect(name).to_have_value("P")


def test_is_silent_in_a_dialog_about_what_the_page_asks_by_itself(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=UNREACHABLE, viewport={"width": 380, "height": 700})
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    name = page.get_by_role("dialog", name="New plan").get_by_label("Name", exact=True)
    name.fill("Premium")
    before = name.bounding_box()
    with cut_off(page, "**/workers/banner*"):
        page.evaluate(LOST_LOOK)
    expect(page.locator("#notice")).to_be_hidden()
    assert name.bounding_box() == before


def test_says_that_nobody_works_also_where_a_run_has_ended(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "workers_alive", lambda: 0)
    monkeypatch.setattr("panel.web.workers.GRACE_S", 0.0)
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    said = page.get_by_text("No worker is running")
    expect(page.locator("#migration-progress").get_by_text("No worker is running")).to_be_visible()
    expect(said).to_have_count(1)
    pair.finish(run)
    expect(page.locator("#workers").get_by_text("No worker is running")).to_be_visible()
    expect(said).to_have_count(1)
    page.reload()
    expect(page.locator("#workers").get_by_text("No worker is running")).to_be_visible()
