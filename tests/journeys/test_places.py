"""The place in a list and the focus stay where they were when something was done, and what was typed is not lost without a question."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page, Route, expect

from panel.extensions import db
from panel.models import User
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
PHONE = {"width": 380, "height": 700}


@pytest.fixture
def crowd(pair: Scene) -> Scene:
    """So many users that the list is much higher than a window."""
    db.session.add_all(User(name=f"Member {number:02}") for number in range(10, 50))
    db.session.commit()
    return pair


def is_focused(page: Page, name: str) -> None:
    expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    expect(page.get_by_role("link", name=name, exact=True)).to_be_in_viewport()


def test_comes_back_to_the_row_in_hand_when_it_was_edited(visit: Open, crowd: Scene) -> None:
    page = visit()
    page.goto("/users")
    for notes in ("Called.", "Called again."):
        page.get_by_role("link", name="Actions for Member 39").click()
        page.get_by_role("dialog").get_by_role("link", name="Edit…").click()
        page.get_by_role("dialog").get_by_label("Notes").fill(notes)
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("Member 39 is saved.")).to_be_in_viewport()
        is_focused(page, "Actions for Member 39")
        assert page.url.endswith("/users?page=1") or page.url.endswith("/users")


def test_comes_back_to_the_row_beside_the_one_that_was_deleted(visit: Open, crowd: Scene) -> None:
    page = visit()
    page.goto("/users")
    page.get_by_role("link", name="Actions for Member 39").click()
    page.get_by_role("dialog").get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Member 39 is deleted.")).to_be_in_viewport()
    is_focused(page, "Actions for Member 40")


def test_comes_back_to_the_server_that_was_disabled(visit: Open, pair: Scene) -> None:
    page = visit()
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Cedar is disabled now.")).to_be_visible()
    is_focused(page, "Actions for Cedar")


def test_comes_back_to_the_row_without_javascript(visit: Open, crowd: Scene) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/users")
    page.get_by_role("link", name="Actions for Member 39").click()
    page.get_by_role("link", name="Edit…").click()
    page.get_by_label("Notes").fill("Called.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Actions for Member 39")).to_be_in_viewport()
    expect(page.get_by_text("Member 39 is saved.")).to_be_in_viewport()


def test_comes_back_to_the_server_without_javascript(visit: Open, pair: Scene) -> None:
    page = visit(java_script_enabled=False, viewport={"width": 380, "height": 400})
    page.goto("/servers")
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("link", name="Actions for Cedar")).to_be_in_viewport()
    expect(page.get_by_text("Cedar is disabled now.")).to_be_in_viewport()


def test_takes_no_place_along_to_another_page(visit: Open, crowd: Scene) -> None:
    page = visit()
    page.goto("/users")
    page.get_by_role("link", name="Actions for Member 39").click()
    page.get_by_role("dialog").get_by_role("link", name="Show").click()
    page.wait_for_url(re.compile(r"/users/\d+"))
    goes_on_to_the_top(page)


def test_takes_no_place_along_where_somebody_goes_on_before_the_scripts_are_there(visit: Open, crowd: Scene) -> None:
    page = visit()
    page.goto("/users")
    page.get_by_role("link", name="Actions for Member 39").click()
    asked: list[Route] = []

    def late(route: Route) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    page.route("**/static/place.js", late)
    page.get_by_role("dialog").get_by_role("link", name="Show").click(no_wait_after=True)
    expect(page.locator("#main").get_by_role("heading", name="Member 39")).to_be_visible()
    goes_on_to_the_top(page)
    assert len(asked) == 2


def goes_on_to_the_top(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Users").click()
    page.wait_for_url("**/users")
    assert page.evaluate("scrollY") == 0


def test_keeps_the_focus_on_the_page_of_a_run_that_is_cancelled(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.evaluate("window.isStillHere = true")
    page.get_by_role("link", name="Cancel…").press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Nobody is moved")).to_be_visible()
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    page.get_by_role("dialog").get_by_role("button", name="Cancel the migration").press("Enter")
    expect(page.locator("#migration-progress .badge.status")).to_have_text("cancelled")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#migration-progress :focus")).to_have_count(1)
    assert page.evaluate("window.isStillHere")


@pytest.mark.parametrize("address", ["/settings", "/settings/mail", "/settings/notifications/account_moved"])
def test_asks_before_what_was_typed_on_a_page_is_lost(visit: Open, pair: Scene, address: str) -> None:
    page = visit()
    page.goto(address)
    plans = page.get_by_role("navigation", name="Main").get_by_role("link", name="Plans")
    typed, question = page.locator("#main form[method=post] input[type=text]").first, page.locator("#leaving")
    typed.fill("typed by hand")
    plans.click()
    expect(question.get_by_text("What you have typed is lost.")).to_be_visible()
    question.get_by_role("button", name="Go on typing").click()
    expect(typed).to_have_value("typed by hand")
    expect(plans).to_be_focused()
    plans.click()
    question.get_by_role("button", name="Leave it").click()
    page.wait_for_url("**/plans")


def test_does_not_ask_when_nothing_was_typed_or_all_is_saved(visit: Open, pair: Scene) -> None:
    page = visit()
    page.on("dialog", lambda question: pytest.fail(f"The browser asks: {question.message}"))
    plans = page.get_by_role("navigation", name="Main").get_by_role("link", name="Plans")
    page.goto("/settings")
    plans.click()
    page.wait_for_url("**/plans")
    page.goto("/settings")
    page.get_by_label("Time zone").fill("Europe/Paris")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings are saved.")).to_be_visible()
    plans.click()
    page.wait_for_url("**/plans")


def test_lets_the_browser_ask_before_a_page_with_typed_text_is_reloaded(visit: Open, pair: Scene) -> None:
    page = visit()
    asked: list[str] = []

    def answer(question: Dialog) -> None:
        asked.append(question.type)
        question.accept()

    page.on("dialog", answer)
    page.goto("/settings")
    page.get_by_label("Time zone").press_sequentially("x")
    page.reload()
    assert asked == ["beforeunload"]
    page.reload()
    assert asked == ["beforeunload"]


def test_searches_once_and_keeps_the_address_short(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/users")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/users" in request.url else None)
    before = page.evaluate("history.length")
    page.get_by_label("Name or e-mail").fill("ali")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 user found")).to_be_visible()
    page.get_by_label("Name or e-mail").blur()
    page.get_by_label("Everybody").select_option(index=1)
    page.wait_for_url("**/users?q=ali&show=*")
    assert len(requests) == 2, requests
    assert requests[0].endswith("/users?q=ali")
    assert page.evaluate("history.length") == before + 2


def test_goes_back_over_a_narrowed_list(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/users")
    page.get_by_label("Name or e-mail").fill("ali")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 user found")).to_be_visible()
    page.evaluate("sessionStorage.clear(); localStorage.removeItem('htmx-history-cache')")
    page.go_back()
    expect(page.get_by_role("link", name="Actions for Bob")).to_be_visible()


def test_comes_back_from_a_user_and_from_a_run_to_the_list_as_it_was(visit: Open, pair: Scene) -> None:
    run = pair.move()
    page = visit()
    page.goto("/users?q=ali&sort=-name")
    page.get_by_role("link", name="Alice", exact=True).click()
    page.get_by_role("link", name="Users", exact=True).last.click()
    page.wait_for_url("**/users?q=ali&sort=-name*")
    page.goto("/migrations?q=cedar&sort=number")
    page.locator(f"#run-{run.id}").click()
    page.locator("#tab-moved").click()
    page.locator("#main").get_by_role("link", name="Migrations", exact=True).click()
    page.wait_for_url("**/migrations?q=cedar&sort=number*")


def test_comes_back_to_the_list_as_it_was_from_the_page_of_a_user_who_is_deleted(visit: Open, pair: Scene) -> None:
    page = visit()
    dialog = page.get_by_role("dialog")
    page.goto("/users?q=a&sort=-name")
    page.get_by_role("link", name="Lapsed", exact=True).click()
    page.get_by_role("link", name="Actions", exact=True).click()
    dialog.get_by_role("link", name="Delete…").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#told")).to_contain_text("Lapsed is deleted.")
    page.wait_for_url("**/users?q=a&sort=-name*")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_comes_back_to_the_list_as_it_was_after_all_that_was_done_on_a_users_page(visit: Open, pair: Scene, scripts: bool) -> None:
    page = visit(java_script_enabled=scripts)
    sheet = page.get_by_role("dialog") if scripts else page.locator("#main")
    page.goto("/users?q=a&sort=-paid")
    page.locator("#main").get_by_role("link", name="Alice", exact=True).click()
    for entry, button, told in (("Edit…", "Save", "Alice is saved."), ("Add a payment…", "Add", "The payment is saved.")):
        page.get_by_role("link", name="Actions", exact=True).click()
        sheet.get_by_role("link", name=entry).click()
        sheet.get_by_role("button", name=button, exact=True).click()
        expect(page.locator("#told")).to_contain_text(told)
        page.wait_for_url(re.compile(r"/users/\d+\?next="))
    page.get_by_role("link", name="Actions", exact=True).click()
    sheet.get_by_role("link", name="Delete…").click()
    sheet.get_by_role("link", name="Cancel").click()
    expect(page.locator("#main h1")).to_have_text("Alice")
    page.locator("#main").get_by_role("link", name="Users", exact=True).click()
    page.wait_for_url("**/users?q=a&sort=-paid*")


def test_keeps_the_button_in_hand_that_tests_a_server(visit: Open, pair: Scene) -> None:
    page = visit()
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("dialog").get_by_role("link", name="Edit…").click()
    dialog = page.get_by_role("dialog", name="Edit Cedar")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    test = dialog.get_by_role("button", name="Test connection")
    test.press("Enter")
    expect(dialog.get_by_text("It takes the key: yes")).to_be_visible()
    expect(test).to_be_focused()
    pair.source.sim.stop()
    test.press("Enter")
    expect(dialog.get_by_text("It answers at this address: no")).to_be_visible()
    expect(test).to_be_focused()


def test_changes_the_options_of_a_run_without_a_complaint(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto(f"/migrations/new?source={pair.source.row.id}&target={pair.target.row.id}")
    pace = page.get_by_label("Seconds between two users")
    for seconds in ("1", "2", "3", "4", "5"):
        pace.fill(seconds)
        pace.dispatch_event("change")
    expect(page.get_by_text("One user every 5 s")).to_be_visible()


def test_has_room_for_every_word_without_javascript(visit: Open, pair: Scene) -> None:
    page = visit(java_script_enabled=False, viewport=PHONE)
    page.goto("/libraries")
    save = page.locator(".rows").get_by_role("button", name="Save").first.bounding_box()
    assert save and save["height"] < 36 and save["width"] > 44, save
    page.goto("/invites")
    here = page.get_by_role("navigation", name="Users").get_by_role("link", name="Waiting invites").bounding_box()
    assert here and here["x"] >= 0 and here["x"] + here["width"] <= PHONE["width"], here


@pytest.mark.parametrize(
    ("address", "column", "direction"),
    [("/users", "Name", "ascending"), ("/payments", "Last day", "descending"), ("/migrations", "Number", "descending")],
)
def test_says_how_a_list_is_sorted_that_nobody_has_sorted(visit: Open, pair: Scene, address: str, column: str, direction: str) -> None:
    pair.move()
    page = visit()
    page.goto(address)
    head = page.get_by_role("columnheader", name=column)
    expect(head).to_have_attribute("aria-sort", direction)
    head.get_by_role("link").click()
    expect(head).to_have_attribute("aria-sort", "descending" if direction == "ascending" else "ascending")


@pytest.mark.parametrize("change", ["Edit…", "Delete…"])
def test_comes_back_to_the_payment_in_hand(visit: Open, crowd: Scene, change: str) -> None:
    for number in range(10, 50):
        user = db.session.scalars(db.select(User).where(User.name == f"Member {number}")).one()
        db.session.add(crowd.payment(user, "Basic", (-30, 400 - number)))
    db.session.commit()
    page = visit()
    page.goto("/payments?q=Member")
    page.get_by_role("link", name="Actions for the payment of Member 40").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name=change).click()
    if change == "Edit…":
        expect(dialog.get_by_label("Plan")).to_be_focused()
    dialog.get_by_role("button", name="Save" if change == "Edit…" else "Delete", exact=True).click()
    expect(page.get_by_text("The payment is")).to_be_in_viewport()
    is_focused(page, f"Actions for the payment of Member {40 if change == 'Edit…' else 41}")


def test_comes_back_to_the_entry_that_was_read_again(visit: Open, pair: Scene) -> None:
    page = visit(viewport={"width": 1280, "height": 300})
    page.goto("/shares?sort=-user")
    page.get_by_role("link", name="Actions for Alice on Cedar").click()
    page.get_by_role("dialog").get_by_role("button", name="Read again").click()
    expect(page.locator("#told .alert")).to_be_in_viewport()
    is_focused(page, "Actions for Alice on Cedar")


def test_asks_for_a_page_that_came_back_with_what_was_wrong(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/settings")
    page.get_by_label("Time zone").fill("Nowhere/At all")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Time zone")).to_be_focused()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Plans").click()
    expect(page.locator("#leaving")).to_be_visible()


def test_starts_a_run_from_a_page_of_its_own_without_a_question(visit: Open, pair: Scene) -> None:
    page = visit()
    page.on("dialog", lambda question: pytest.fail(f"The browser asks: {question.message}"))
    page.goto(f"/migrations/new?source={pair.source.row.id}&target={pair.target.row.id}")
    page.get_by_label("Seconds between two users").fill("7")
    page.get_by_role("button", name="OK, migrate").click()
    page.wait_for_url("**/migrations/1")


def test_keeps_the_button_in_hand_that_sends_a_test_mail(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/settings/mail")
    send = page.get_by_role("button", name="Send test mail")
    send.press("Enter")
    expect(page.locator("#smtp .invalid-feedback, #smtp .alert").first).to_be_visible()
    expect(page.locator("#smtp :focus")).to_have_count(1)
