"""What was sent from a dialog that was left before the answer: what became of it is told truly, and nothing is lost by it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from panel import jobs
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import (
    browser_type_launch_args,
    held_back,
    new_emby_server,
    pair,
    panel_url,
    sign_out,
    visit,
    with_one_who_failed,
)
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
#: What a browser complains of where a request is given up or lost.
GIVEN_UP = ("ERR_FAILED", "htmx:")
NOT_DONE = "What was sent from the dialog before was not done"


def new_plan(page: Page) -> Locator:
    """The dialog with the form of one, in which a name is typed; what it lacks is found out when it is saved."""
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").press("Enter")
    dialog = page.get_by_role("dialog", name="New plan")
    dialog.get_by_label("Name", exact=True).fill("Premium")
    return dialog


def leave_while_it_is_saved(page: Page, dialog: Locator) -> None:
    """And say that it is to be left."""
    dialog.get_by_role("button", name="Save").press("Enter")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").get_by_role("button", name="Leave it").press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_hears_what_became_of_what_was_sent_from_a_dialog_that_was_left(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda row_id: True)
    run = with_one_who_failed(pair)
    page = visit()
    page.goto(f"/migrations/{run.id}?status=failed")
    page.get_by_role("link", name="Actions for Alice").press("Enter")
    with held_back(page, "**/retry*") as let_go:
        page.get_by_role("dialog").get_by_role("button", name="Retry").press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("link", name="Actions for Alice")).to_be_focused()
        let_go()
        expect(page.get_by_role("status").get_by_text("Alice is tried again.")).to_be_in_viewport()
    expect(page.get_by_text("Nobody is listed here now.")).to_be_visible()
    expect(page.locator("#tab-failed")).to_be_focused()
    expect(page.locator("body > div[hidden] form")).to_have_count(0)


def test_asks_before_what_is_being_saved_is_left_and_tells_what_became_of_it(visit: Open, pair: Scene) -> None:
    page = visit(viewport={"width": 380, "height": 700})
    page.goto("/plans")
    link, dialog = page.get_by_role("link", name="New plan…"), page.get_by_role("dialog", name="New plan")
    name = dialog.get_by_label("Name", exact=True)
    asks = page.get_by_role("dialog", name="Leave without saving?")
    asks_meanwhile = page.get_by_role("dialog", name="Leave while it is being saved?")
    link.press("Enter")
    name.fill("Premium")
    with held_back(page, "**/plans/new") as let_go:
        dialog.get_by_role("button", name="Save").press("Enter")
        page.keyboard.press("Escape")
        expect(asks_meanwhile.get_by_text("Should that fail, you would have to type it again.")).to_be_visible()
        asks_meanwhile.get_by_role("button", name="Go on typing").press("Enter")
        let_go()
        expect(dialog.locator(".is-invalid").first).to_be_visible()
    expect(name).to_have_value("Premium")
    with held_back(page, "**/plans/new") as let_go:
        dialog.get_by_role("button", name="Save").press("Enter")
        page.keyboard.press("Escape")
        asks_meanwhile.get_by_role("button", name="Leave it").press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(link).to_be_focused()
        let_go()
        expect(page.locator("#notice")).to_have_text("What was sent from the dialog before was not done: something in it was wrong.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    link.press("Enter")
    name.fill("Standard")
    page.keyboard.press("Escape")
    expect(asks.get_by_text("What you have typed is lost.", exact=True)).to_be_visible()


def test_hears_of_what_was_left_also_from_within_another_dialog(visit: Open, pair: Scene) -> None:
    page = visit()
    dialog = new_plan(page)
    with held_back(page, "**/plans/new") as let_go:
        leave_while_it_is_saved(page, dialog)
        page.get_by_role("link", name=re.compile("^Actions for")).first.press("Enter")
        menu = page.get_by_role("dialog")
        expect(menu.locator(".action").first).to_be_focused()
        let_go()
        expect(menu.locator("#notice")).to_contain_text("was not done: something in it was wrong.")
    expect(menu.locator(".action").first).to_be_visible()
    expect(menu.locator("[name=name]")).to_have_count(0)


def test_shows_what_is_shown_once_also_where_its_dialog_was_left(visit: Open, pair: Scene) -> None:
    run = pair.move()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Alice").press("Enter")
    with held_back(page, "**/claim*") as let_go:
        page.get_by_role("dialog").get_by_role("button", name="Password link").press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("link", name="Actions for Bob").press("Enter")
        expect(page.get_by_role("dialog", name="Bob")).to_be_visible()
        let_go()
        expect(page.get_by_role("dialog").get_by_label("The link")).to_be_visible()
    expect(page.get_by_role("dialog", name="Link to choose a password").get_by_text("Alice", exact=True).first).to_be_visible()


@pytest.mark.parametrize("is_lost", [False, True], ids=["refused", "lost"])
def test_leads_back_to_the_form_whose_saving_failed_while_the_question_was_open(visit: Open, pair: Scene, is_lost: bool) -> None:
    page = visit(forgiven=GIVEN_UP if is_lost else ())
    dialog, asks = new_plan(page), page.get_by_role("dialog", name="Leave while it is being saved?")
    with held_back(page, "**/plans/new") as let_go:
        dialog.get_by_role("button", name="Save").press("Enter")
        page.keyboard.press("Escape")
        expect(asks).to_be_visible()
        if is_lost:
            let_go(Route.abort)
            expect(dialog.locator("#notice")).to_contain_text("what you did may not have arrived")
        else:
            let_go()
            expect(dialog.locator(".is-invalid").first).to_be_visible()
    expect(asks).to_be_hidden()
    expect(dialog.locator(":focus")).to_have_count(1)
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Premium")


def test_gives_up_a_test_with_the_form_it_was_asked_from(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=GIVEN_UP)
    dialog = new_emby_server(page)
    dialog.get_by_label("Address").fill(pair.source.sim.url)
    dialog.get_by_label("API key").fill(pair.source.sim.api_key)
    with held_back(page, "**/servers/new*") as let_go:
        dialog.get_by_role("button", name="Test connection").click()
        page.keyboard.press("Escape")
        with page.expect_event("requestfailed", lambda request: request.method == "POST"):
            page.get_by_role("dialog", name="Leave without saving?").get_by_role("button", name="Leave it").click()
        let_go()
    expect(page.locator(".htmx-request, body > div[hidden] form")).to_have_count(0)
    expect(page.locator("#notice")).to_be_hidden()


def test_goes_on_saying_what_was_not_done_when_an_answer_comes_that_was_asked_for_before(visit: Open, pair: Scene) -> None:
    page = visit()
    dialog = new_plan(page)
    with held_back(page, "**/plans/new") as let_form_go, held_back(page, "**/actions*") as let_menu_go:
        leave_while_it_is_saved(page, dialog)
        page.get_by_role("link", name="Actions for Basic").press("Enter")
        let_form_go()
        expect(page.locator("#notice")).to_have_text(f"{NOT_DONE}: something in it was wrong.")
        let_menu_go()
        expect(page.get_by_role("dialog", name="Basic")).to_be_visible()
    expect(page.get_by_role("dialog", name="Basic").locator("#notice")).to_have_text(f"{NOT_DONE}: something in it was wrong.")
    page.get_by_role("dialog", name="Basic").get_by_role("link", name="Edit…").press("Enter")
    expect(page.get_by_role("dialog", name="Edit Basic")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()


def refuse_its_token(route: Route) -> None:
    """As the panel does where somebody has signed in anew since."""
    route.fulfill(status=400, content_type="text/plain", headers={"X-CSRFToken": "fresh"}, body="Nothing was changed. Press it again.")


def test_says_of_what_was_left_and_refused_for_its_token_that_it_was_not_done(visit: Open, pair: Scene) -> None:
    run = with_one_who_failed(pair)
    page = visit(forgiven=["400"])
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Alice").press("Enter")
    with held_back(page, "**/retry*") as let_go:
        page.get_by_role("dialog").get_by_role("button", name="Retry").press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("link", name="Actions for Bob").press("Enter")
        expect(page.get_by_role("dialog", name="Bob")).to_be_visible()
        let_go(refuse_its_token)
        expect(page.get_by_role("dialog", name="Bob").locator("#notice")).to_have_text(f"{NOT_DONE}.")
    expect(page.locator("body > div[hidden] form")).to_have_count(0)


def test_says_of_what_was_left_that_it_was_not_done_where_somebody_has_signed_out(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=["400"])
    page.get_by_role("link", name="Actions for Cedar").click()
    with held_back(page, "**/look") as let_go:
        page.get_by_role("dialog", name="Cedar").get_by_role("button", name="Test connection").click()
        page.keyboard.press("Escape")
        dialog = new_emby_server(page)
        dialog.get_by_label("Name", exact=True).fill("Ash")
        sign_out(page.context)
        let_go()
        expect(dialog.locator("#notice")).to_have_text(f"{NOT_DONE}. You are signed out. Sign in in another tab, then go on.")
    expect(dialog.locator("#notice")).to_have_class(re.compile("keeps-in-sight"))
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Ash")
    expect(page.locator("body > div[hidden] form")).to_have_count(0)
