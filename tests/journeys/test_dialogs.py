"""What the dialog shows where several answers come late: what was asked for last, what is shown once, never what would take typed text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, held_back, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
#: What a browser complains of where a request is given up or lost.
GIVEN_UP = ("ERR_FAILED", "htmx:")
ANSWERED = "What was sent from the dialog before was answered; open it again to see whether it was done."


def is_answered(page: Page) -> None:
    """Nothing is on its way any more, and what has come is in its place."""
    expect(page.locator(".htmx-request, .htmx-added, .htmx-settling")).to_have_count(0)


def open_edit_while_testing(page: Page, server: str) -> Locator:
    """The form for a server, opened from its menu right after its connection was to be tested; its name is typed."""
    menu = page.get_by_role("dialog", name=server, exact=True)
    page.get_by_role("link", name=f"Actions for {server}").click()
    menu.get_by_role("button", name="Test connection").click()
    menu.get_by_role("link", name="Edit…").click()
    name = page.get_by_role("dialog", name=f"Edit {server}").get_by_label("Name", exact=True)
    name.fill("Ash")
    return name


def test_keeps_a_form_that_was_opened_while_a_press_in_the_menu_was_on_its_way(visit: Open, pair: Scene) -> None:
    page = visit()
    with held_back(page, "**/look") as let_go:
        name = open_edit_while_testing(page, "Cedar")
        let_go()
        expect(page.locator("#dialog #notice")).to_have_text(ANSWERED)
    expect(name).to_have_value("Ash")
    expect(page.locator("body > div[hidden] form")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Leave without saving?")).to_be_visible()


def test_tells_in_the_form_that_what_was_pressed_in_the_menu_before_did_not_arrive(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=GIVEN_UP)
    with held_back(page, "**/look") as let_go:
        name = open_edit_while_testing(page, "Cedar")
        let_go(Route.abort)
        expect(page.locator("#dialog #notice")).to_contain_text("what you did may not have arrived")
    expect(name).to_have_value("Ash")
    expect(page.locator("body > div[hidden] form")).to_have_count(0)


def test_opens_once_what_was_pressed_twice(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/plans")
    link, name = page.get_by_role("link", name="New plan…"), page.get_by_role("dialog", name="New plan").get_by_label("Name", exact=True)
    with held_back(page, "**/plans/new") as let_go:
        link.click()
        link.click()
        let_go()
        name.fill("Premium")
        let_go()
        is_answered(page)
    expect(name).to_have_value("Premium")


def test_opens_what_was_pressed_last(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=GIVEN_UP)
    page.goto("/plans")
    with held_back(page, "**/plans/new") as let_go:
        page.get_by_role("link", name="New plan…").click()
        page.get_by_role("link", name="Actions for Basic").click()
        page.get_by_role("dialog", name="Basic").get_by_role("link", name="Edit…").click()
        name = page.get_by_role("dialog", name="Edit Basic").get_by_label("Name", exact=True)
        name.fill("Premium")
        let_go()
        is_answered(page)
    expect(name).to_have_value("Premium")


@pytest.mark.parametrize("is_other_open", [True, False], ids=["another", "none"])
def test_does_not_open_what_was_asked_for_in_a_menu_that_was_left(visit: Open, pair: Scene, is_other_open: bool) -> None:
    page = visit(forgiven=GIVEN_UP)
    page.goto("/plans")
    name = page.get_by_role("dialog", name="New plan").get_by_label("Name", exact=True)
    page.get_by_role("link", name="Actions for Basic").click()
    with held_back(page, "**/edit") as let_go:
        with page.expect_event("requestfailed", lambda request: request.url.endswith("/edit")):
            page.get_by_role("dialog", name="Basic").get_by_role("link", name="Edit…").click()
            page.keyboard.press("Escape")
        if is_other_open:
            page.get_by_role("link", name="New plan…").click()
            name.fill("Premium")
        let_go()
        is_answered(page)
    if is_other_open:
        expect(name).to_have_value("Premium")
    else:
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_opens_what_was_pressed_before_the_dialog_has_heard_that_it_was_closed(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=GIVEN_UP)
    page.goto("/plans")
    page.get_by_role("link", name="Actions for Basic").click()
    expect(page.get_by_role("dialog", name="Basic")).to_be_visible()
    next_one = page.get_by_role("link", name="New plan…", include_hidden=True)
    next_one.evaluate("link => { document.getElementById('dialog').close(); link.click(); }")
    expect(page.get_by_role("dialog", name="New plan")).to_be_visible()


def test_keeps_a_link_that_is_shown_once_where_a_menu_was_asked_for_meanwhile(visit: Open, pair: Scene) -> None:
    run = pair.move()
    page = visit(forgiven=GIVEN_UP)
    page.goto(f"/migrations/{run.id}")
    link = page.get_by_role("dialog", name="Link to choose a password").get_by_label("The link")
    page.get_by_role("link", name="Actions for Alice").press("Enter")
    with held_back(page, "**/claim*") as let_link_go:
        page.get_by_role("dialog").get_by_role("button", name="Password link").press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        with held_back(page, "**/actions*") as let_menu_go:
            page.get_by_role("link", name="Actions for Bob").press("Enter")
            let_link_go()
            expect(link).to_be_visible()
            let_menu_go()
            is_answered(page)
    expect(link).to_be_visible()


def test_saves_a_server_while_its_test_hangs(visit: Open, pair: Scene) -> None:
    page = visit(forgiven=GIVEN_UP)
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("dialog", name="Cedar").get_by_role("link", name="Edit…").click()
    dialog = page.get_by_role("dialog", name="Edit Cedar")
    dialog.get_by_label("Name", exact=True).fill("Ash")
    held: list[Route] = []

    def hold_test(route: Route) -> None:
        if "action=test" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/edit*", hold_test)
    with page.expect_request("**/edit*"):
        dialog.get_by_role("button", name="Test connection").click()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ash was saved.")).to_be_visible()
    assert len(held) == 1


@pytest.mark.parametrize("is_page", [False, True], ids=["dialog", "page"])
def test_asks_before_what_was_typed_while_a_form_was_being_saved_is_left(visit: Open, pair: Scene, is_page: bool) -> None:
    page = visit()
    if is_page:
        page.goto(f"/servers/{pair.source.row.id}/edit")
    else:
        page.get_by_role("link", name="Actions for Cedar").click()
        page.get_by_role("dialog", name="Cedar").get_by_role("link", name="Edit…").click()
    form = page.locator("#server-form")
    form.get_by_label("Name", exact=True).fill("Ash")
    most = form.get_by_label("Maximum users")
    with held_back(page, "**/edit*") as let_go:
        form.get_by_role("button", name="Save").click()
        most.press_sequentially("17")
        with page.expect_event("dialog") as asked:
            page.once("dialog", lambda question: question.dismiss())
            let_go()
    assert asked.value.type == "beforeunload"
    expect(page.locator("#notice")).to_have_text("Ash was saved. What you have typed since is not saved.")
    expect(page.locator("#notice")).to_be_in_viewport()
    expect(most).to_have_value("17")
    if is_page:
        page.get_by_role("link", name="Cancel").click()
    else:
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Leave without saving?")).to_be_visible()


def test_leaves_without_a_question_where_nothing_was_typed_since_it_was_sent(visit: Open, pair: Scene) -> None:
    page = visit()
    asked: list[str] = []
    page.on("dialog", lambda question: (asked.append(question.type), question.accept()))
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("dialog", name="Cedar").get_by_role("link", name="Edit…").click()
    dialog = page.get_by_role("dialog", name="Edit Cedar")
    with held_back(page, "**/edit*") as let_go:
        dialog.get_by_label("Name", exact=True).fill("Ash")
        dialog.get_by_role("button", name="Save").click()
        let_go()
        expect(page.get_by_text("Ash was saved.")).to_be_visible()
    assert asked == []


@pytest.mark.parametrize("is_page", [False, True], ids=["dialog", "page"])
def test_tests_a_connection_once_at_a_time_and_anew_where_the_address_was_corrected(visit: Open, pair: Scene, is_page: bool) -> None:
    page = visit(forgiven=GIVEN_UP)
    if is_page:
        page.goto(f"/servers/{pair.source.row.id}/edit")
    else:
        page.get_by_role("link", name="Actions for Cedar").click()
        page.get_by_role("dialog", name="Cedar").get_by_role("link", name="Edit…").click()
    form, verdict = page.locator("#server-form"), page.locator("#connection")
    test, address = form.get_by_role("button", name="Test connection"), form.get_by_label("Address")
    with held_back(page, "**/edit*") as let_go:
        test.click()
        expect(test).to_be_disabled()
        let_go()
        expect(verdict.get_by_text("It answers at this address: yes")).to_be_visible()
        expect(test).to_be_focused()
        test.click()
        with page.expect_event("requestfailed"):
            address.fill("http://127.0.0.1:9")
        let_go()
        expect(verdict.locator("li")).to_have_count(0)
        test.click()
        let_go()
        expect(verdict.get_by_text("It answers at this address: no")).to_be_visible()
