"""What is typed while an answer is on its way: it stays where it was typed, with the caret, and counts as not saved."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, held_back, new_emby_server, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
#: Where nobody listens.
NOWHERE = "http://127.0.0.1:9"
in_both = pytest.mark.parametrize("is_page", [False, True], ids=["dialog", "page"])


def open_edit(page: Page, pair: Scene, is_page: bool) -> Locator:
    """The form for Cedar, in the dialog or as a page."""
    if is_page:
        page.goto(f"/servers/{pair.source.row.id}/edit")
    else:
        page.get_by_role("link", name="Actions for Cedar").click()
        page.get_by_role("dialog", name="Cedar").get_by_role("link", name="Edit…").click()
    form = page.locator("#server-form")
    expect(form).to_be_visible()
    return form


def is_settled(page: Page) -> None:
    """Nothing is on its way any more, and what has come is in its place."""
    expect(page.locator(".htmx-request, .htmx-added, .htmx-settling")).to_have_count(0)


def type_in(field: Locator, text: str, back: int) -> None:
    """By the keyboard in the place of what is there, with the caret `back` places before its end afterwards."""
    field.fill("")
    field.press_sequentially(text)
    for _ in range(back):
        field.press("ArrowLeft")


def caret_in(field: Locator) -> int:
    expect(field).to_be_focused()
    return int(field.evaluate("field => field.selectionStart"))


def asks_before_leaving(page: Page, is_page: bool) -> None:
    """What was typed is not saved."""
    if is_page:
        page.get_by_role("link", name="Migrations").first.click()
    else:
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Leave without saving?")).to_be_visible()


def test_keeps_what_was_typed_while_the_mail_server_was_asked(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/settings/mail")
    host, sender, to = page.get_by_label("Host", exact=True), page.get_by_label("Sender"), page.locator("#test_to")
    host.fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill("9")
    to.fill("ada@example.test")
    with held_back(page, "**/settings/mail/test") as let_go:
        page.get_by_role("button", name="Send test mail").click()
        page.locator("[name=smtp_security][value=none]").check()
        page.get_by_label("Password").fill("typed since")
        to.fill("olga@example.test")
        type_in(sender, "Panel <panel@example.test>", 5)
        let_go()
        expect(page.locator("#smtp .alert-danger")).to_be_visible()
        is_settled(page)
    expect(sender).to_have_value("Panel <panel@example.test>")
    assert caret_in(sender) == len("Panel <panel@example.test>") - 5
    expect(to).to_have_value("olga@example.test")
    expect(page.get_by_label("Password")).to_have_value("typed since")
    expect(page.locator("[name=smtp_security][value=none]")).to_be_checked()
    expect(host).to_have_value("127.0.0.1")
    asks_before_leaving(page, is_page=True)


@in_both
def test_takes_no_name_for_a_server_where_one_was_typed_during_its_test(visit: Open, pair: Scene, is_page: bool) -> None:
    page = visit()
    if is_page:
        page.goto("/servers/new?platform=emby")
    else:
        new_emby_server(page)
    form = page.locator("#server-form")
    name, verdict = form.get_by_label("Name", exact=True), page.locator("#connection")
    form.get_by_label("Address").fill(pair.source.sim.url)
    form.get_by_label("API key").fill(pair.source.sim.api_key)
    with held_back(page, "**/servers/new*") as let_go:
        form.get_by_role("button", name="Test connection").click()
        type_in(name, "Ash", 1)
        let_go()
        expect(verdict.get_by_text("It takes the key: yes")).to_be_visible()
        is_settled(page)
    expect(name).to_have_value("Ash")
    assert caret_in(name) == 2
    expect(verdict.get_by_text("version")).to_be_visible()
    expect(verdict.get_by_text("taken as its name")).to_have_count(0)
    name.fill("")
    form.get_by_role("button", name="Test connection").click()
    expect(verdict.get_by_text("Its own name was taken as its name here.")).to_be_visible()
    expect(name).to_have_value("Cedar")


@in_both
def test_keeps_what_was_typed_while_a_server_was_being_saved_that_was_refused(visit: Open, pair: Scene, is_page: bool) -> None:
    page = visit()
    form = open_edit(page, pair, is_page)
    name, address, key = form.get_by_label("Name", exact=True), form.get_by_label("Address"), form.get_by_label("API key")
    was = address.input_value()
    name.fill("BIRCH")
    with held_back(page, "**/edit*") as let_go:
        form.get_by_role("button", name="Save").click()
        form.get_by_label("Allow new subscriptions").uncheck()
        key.fill("typed since")
        type_in(address, f"{was}/emby", 4)
        let_go()
        expect(form.get_by_text("There is a server named BIRCH already.")).to_be_visible()
        is_settled(page)
    expect(name).to_have_value("BIRCH")
    expect(address).to_have_value(f"{was}/emby")
    assert caret_in(address) == len(was) + 1
    expect(address).to_be_in_viewport()
    expect(key).to_have_value("typed since")
    expect(form.get_by_label("Allow new subscriptions")).not_to_be_checked()
    asks_before_leaving(page, is_page)


def test_keeps_what_was_typed_while_a_plan_was_being_saved_that_was_refused(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    dialog = page.get_by_role("dialog", name="New plan")
    name = dialog.get_by_label("Name", exact=True)
    name.fill("Premium")
    with held_back(page, "**/plans/new") as let_go:
        dialog.get_by_role("button", name="Save").click()
        dialog.get_by_role("checkbox").first.check()
        type_in(name, "Premium plus", 4)
        let_go()
        expect(dialog.locator(".invalid-feedback").first).to_be_visible()
        is_settled(page)
    expect(name).to_have_value("Premium plus")
    assert caret_in(name) == len("Premium ")
    expect(dialog.get_by_role("checkbox").first).to_be_checked()
    asks_before_leaving(page, is_page=False)


@in_both
def test_says_of_a_refused_address_that_was_corrected_meanwhile_only_that_it_was_not_saved(visit: Open, pair: Scene, is_page: bool) -> None:
    page = visit()
    form = open_edit(page, pair, is_page)
    address = form.get_by_label("Address")
    was = address.input_value()
    address.fill(NOWHERE)
    with held_back(page, "**/edit*") as let_go:
        form.get_by_role("button", name="Save").click()
        address.fill(was)
        let_go()
        expect(page.locator("#notice")).to_have_text("What was sent before was not done: something in it was wrong.")
    expect(page.locator("#notice")).to_be_in_viewport()
    expect(address).to_have_value(was)
    expect(address).to_be_in_viewport()
    expect(page.locator("#connection li")).to_have_count(0)
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Cedar was saved.")).to_be_visible()


def stay(page: Page, let_go: Callable[..., None]) -> None:
    """The answer comes, the browser asks whether to leave what was typed since, and is told no."""
    with page.expect_event("dialog"):
        page.once("dialog", lambda question: question.dismiss())
        let_go()


def test_tells_whoever_stays_what_became_of_what_was_saved_and_saves_the_rest(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/plans")
    page.get_by_role("link", name="Actions for Basic").click()
    page.get_by_role("dialog", name="Basic").get_by_role("link", name="Edit…").click()
    dialog, told = page.get_by_role("dialog", name="Edit Basic"), page.get_by_text("Basic is saved.", exact=True)
    days = dialog.get_by_label("Duration of one payment")
    days.fill("31")
    with held_back(page, "**/edit*") as let_go:
        dialog.get_by_role("button", name="Save").click()
        days.fill("317")
        stay(page, let_go)
    expect(dialog.locator("#notice")).to_have_text("Basic is saved. What you have typed since is not saved.")
    expect(dialog.locator("#notice")).to_be_in_viewport()
    expect(days).to_be_in_viewport()
    expect(days).to_have_value("317")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(told).to_have_count(1)
    page.get_by_role("link", name="Actions for Basic").click()
    page.get_by_role("dialog", name="Basic").get_by_role("link", name="Edit…").click()
    expect(days).to_have_value("317")


def test_tells_whoever_stays_in_another_dialog_what_became_of_the_one_that_was_left(visit: Open, pair: Scene) -> None:
    page = visit()
    form = open_edit(page, pair, is_page=False)
    form.get_by_label("Name", exact=True).fill("Ash")
    with held_back(page, "**/edit*") as let_go:
        form.get_by_role("button", name="Save").click()
        page.keyboard.press("Escape")
        page.get_by_role("dialog", name="Leave while it is being saved?").get_by_role("button", name="Leave it").click()
        dialog = new_emby_server(page)
        dialog.get_by_label("Name", exact=True).fill("Oak")
        stay(page, let_go)
    expect(dialog.locator("#notice")).to_have_text("Ash was saved. What you have typed since is not saved.")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Oak")
    asks_before_leaving(page, is_page=False)
