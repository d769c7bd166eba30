"""How menus, forms and dialogs behave under the fingers: the same wherever they are opened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, new_emby_server, overflow, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 380, "height": 700}}


def await_new_rows(page: Page, run: Migration) -> None:
    """Change all rows of a run and what stands above them, and wait until the page has them."""
    run.note = f"{run.note or ''} Something has changed."
    for move in run.moves:
        move.changed_at = utc_now()
    db.session.commit()
    expect(page.locator("#migration-progress", has_text=run.note.strip())).to_be_attached()
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)


def move_of(run: Migration, name: str) -> Move:
    return next(move for move in run.moves if move.name == name)


def menu(page: Page) -> Locator:
    """The entries of the menu that is open."""
    return page.get_by_role("dialog").locator(".action:enabled, a.action")


def test_goes_through_a_menu_by_the_keyboard(visit: Open, pair: Scene) -> None:
    page = visit()
    button = page.get_by_role("link", name="Actions for Cedar")
    button.focus()
    page.keyboard.press("ArrowDown")
    entries = menu(page)
    expect(entries.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(entries.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(entries.last).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(entries.first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(entries.last).to_be_focused()
    page.keyboard.press("Home")
    expect(entries.first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(entries.first).to_be_focused()


@pytest.mark.parametrize(("key", "name", "beside"), [("Tab", "Birch", "Cedar"), ("Shift+Tab", "Cedar", "Birch")])
def test_leaves_a_menu_by_tab(visit: Open, pair: Scene, key: str, name: str, beside: str) -> None:
    page = visit()
    page.get_by_role("link", name=f"Actions for {name}").press("ArrowDown")
    expect(menu(page).first).to_be_focused()
    page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name=f"Actions for {beside}")).to_be_focused()


@pytest.mark.parametrize("size", SIZES)
def test_does_with_a_user_of_a_run_what_the_menu_of_the_row_offers(visit: Open, pair: Scene, size: str) -> None:
    run = pair.move()
    page = visit(viewport=SIZES[size])
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Alice").click()
    page.get_by_role("dialog", name="Alice").get_by_role("button", name="Password link").click()
    link = page.get_by_role("dialog").get_by_label("The link")
    expect(link).to_be_visible()
    assert overflow(page) <= 0
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Actions for Alice").click()
    page.get_by_role("dialog").get_by_role("link", name="Take back…").click()
    expect(page.get_by_role("dialog").get_by_text("gets their access to Cedar back")).to_be_visible()


def test_retries_a_user_from_the_menu_without_leaving_the_place(visit: Open, pair: Scene) -> None:
    run = pair.move()
    alice = move_of(run, "Alice")
    alice.status, alice.step, alice.detail = MoveStatus.FAILED, Step.GIVE, "Birch was away."
    db.session.commit()
    page = visit(viewport=SIZES["phone"])
    page.goto(f"/migrations/{run.id}?status=failed")
    page.evaluate("window.isStillHere = true")
    page.get_by_role("link", name="Actions for Alice").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("Nobody is listed here now.")).to_be_visible()
    expect(page.locator("#migration-progress")).to_have_count(1)
    assert page.evaluate("window.isStillHere")


def test_keeps_a_menu_open_while_its_row_is_replaced_and_gives_the_focus_to_the_new_one(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Alice").press("ArrowDown")
    expect(menu(page).first).to_be_focused()
    page.keyboard.press("ArrowDown")
    held = menu(page).nth(1)
    expect(held).to_be_focused()
    await_new_rows(page, run)
    expect(held).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Actions for Alice")).to_be_focused()


@pytest.mark.parametrize("leaving", ["Escape", "Let it go on", "Close"])
def test_gives_the_focus_to_the_new_cancel_button_when_its_question_is_closed(visit: Open, pair: Scene, leaving: str) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Cancel…").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    await_new_rows(page, run)
    if leaving == "Escape":
        page.keyboard.press("Escape")
    else:
        dialog.get_by_text(leaving, exact=True).or_(dialog.get_by_label(leaving, exact=True)).click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Cancel…")).to_be_focused()


def test_gives_the_focus_to_what_is_nearest_where_the_button_is_gone(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Cancel…").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    pair.finish(run)
    expect(page.locator("#migration-progress").get_by_text("finished", exact=True)).to_be_attached()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Take back…")).to_be_focused()


def _escape(page: Page) -> None:
    page.keyboard.press("Escape")


def _cross(page: Page) -> None:
    page.locator("#dialog").get_by_label("Close", exact=True).click()


def _cancel(page: Page) -> None:
    page.locator("#dialog").get_by_text("Cancel", exact=True).click()


def _beside(page: Page) -> None:
    page.mouse.click(5, 5)


@pytest.mark.parametrize("leave", [_escape, _cross, _cancel, _beside])
def test_asks_once_before_what_was_typed_is_lost(visit: Open, pair: Scene, leave: Callable[[Page], None]) -> None:
    page = visit()
    page.on("dialog", lambda question: pytest.fail(f"The browser asks: {question.message}"))
    page.goto("/users")
    form, question = page.locator("#dialog"), page.locator("#leaving")
    page.get_by_role("link", name="New user…").click()
    expect(form.get_by_label("Name", exact=True)).to_be_focused()
    leave(page)
    expect(form).to_be_hidden()
    expect(page.get_by_role("link", name="New user…")).to_be_focused()

    page.get_by_role("link", name="New user…").click()
    form.get_by_label("Name", exact=True).fill("Dora")
    leave(page)
    expect(question.get_by_text("What you have typed is lost.")).to_be_visible()
    question.get_by_role("button", name="Go on typing").click()
    expect(question).to_be_hidden()
    expect(form.get_by_label("Name", exact=True)).to_have_value("Dora")
    leave(page)
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(form.get_by_label("Name", exact=True)).to_have_value("Dora")
    leave(page)
    question.get_by_role("button", name="Leave it").click()
    expect(form).to_be_hidden()
    expect(page.get_by_role("link", name="New user…")).to_be_focused()


@pytest.mark.parametrize("size", SIZES)
def test_edits_a_server_in_the_dialog(visit: Open, pair: Scene, size: str) -> None:
    page = visit(viewport=SIZES[size])
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("dialog").get_by_role("link", name="Edit…").click()
    dialog = page.get_by_role("dialog", name="Edit Cedar")
    dialog.get_by_label("API key").fill("half a key")
    dialog.get_by_label("Name", exact=True).fill("BIRCH")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("There is a server named BIRCH already.")).to_be_visible()
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("BIRCH")
    expect(dialog.get_by_label("API key")).to_have_value("half a key")
    assert overflow(page) <= 0
    page.keyboard.press("Escape")
    page.locator("#leaving").get_by_role("button", name="Go on typing").click()
    dialog.get_by_label("Name", exact=True).fill("Ash")
    dialog.get_by_label("API key").fill("")
    dialog.get_by_role("button", name="Test connection").click()
    expect(dialog.get_by_text("It takes the key: yes")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ash was saved.")).to_be_visible()
    db.session.rollback()
    assert Server.by_name("Ash")


def test_adds_a_server_in_the_dialog(visit: Open, pair: Scene) -> None:
    sim = pair.source.sim
    page = visit()
    dialog = new_emby_server(page)
    dialog.get_by_label("Address").fill(sim.url)
    dialog.get_by_label("API key").fill(sim.api_key)
    dialog.get_by_role("button", name="Test connection").click()
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Cedar")
    dialog.get_by_role("button", name="Add the server").click()
    expect(dialog.get_by_text("There is a server named Cedar already.")).to_be_visible()
    expect(dialog.get_by_label("API key")).to_have_value(sim.api_key)
    assert page.url.endswith("/servers")


def test_adds_and_edits_a_plex_account_in_the_dialog(visit: Open, scene: Scene) -> None:
    olga = scene.tv.add_account("olga", "olga@example.test", plex_pass=True)
    page = visit(viewport=SIZES["phone"])
    page.goto("/plex-accounts")
    page.get_by_role("link", name="Add a Plex account…").click()
    dialog = page.get_by_role("dialog", name="Add a Plex account")
    dialog.get_by_text("Use a token instead").click()
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Add the account").click()
    expect(dialog.get_by_text("refused the token")).to_be_visible()
    expect(dialog.get_by_label("Token")).to_have_value("wrong")
    dialog.get_by_label("Token").fill(olga.token)
    dialog.get_by_role("button", name="Add the account").click()
    expect(page.get_by_text("olga@example.test was added.")).to_be_visible()
    page.goto("/plex-accounts")
    page.get_by_role("link", name="Actions for olga@example.test").click()
    page.get_by_role("dialog").get_by_role("link", name="Edit…").click()
    dialog = page.get_by_role("dialog", name="Edit olga@example.test")
    dialog.get_by_label("Enabled").uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("olga@example.test was saved.")).to_be_visible()


def test_asks_before_signing_in_takes_a_typed_token_along(visit: Open, scene: Scene) -> None:
    scene.add_server("plex", "Maple")
    page = visit()
    page.goto("/plex-accounts")
    page.get_by_role("link", name="Actions for").click()
    page.get_by_role("dialog").get_by_role("link", name="Edit…").click()
    form, question = page.locator("#dialog"), page.locator("#leaving")
    sign_in = form.get_by_role("button", name="Sign in with Plex")
    form.get_by_label("Token").fill("typed by hand")
    sign_in.click()
    expect(question.get_by_text("What you have typed is lost.")).to_be_visible()
    question.get_by_role("button", name="Go on typing").click()
    expect(form.get_by_label("Token")).to_have_value("typed by hand")
    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    sign_in.click()
    question.get_by_role("button", name="Leave it").click()
    page.wait_for_url("**/plex-accounts/sign-in")


def test_does_all_of_it_without_javascript(visit: Open, pair: Scene) -> None:
    run = pair.move()
    page = visit(java_script_enabled=False, viewport=SIZES["phone"])
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("link", name="Edit…").click()
    page.get_by_label("Name", exact=True).fill("Ash")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Ash was saved.")).to_be_visible()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Alice").click()
    expect(page.get_by_role("button", name="Password link")).to_be_visible()
    assert overflow(page) <= 0
    page.get_by_role("button", name="Password link").click()
    expect(page.get_by_label("The link")).to_be_visible()


def test_brings_into_sight_why_nobody_can_be_retried_now(visit: Open, pair: Scene) -> None:
    run = pair.move()
    alice, bob = move_of(run, "Alice"), move_of(run, "Bob")
    alice.detail, bob.status, bob.step = "Everything went slowly. " * 100, MoveStatus.FAILED, Step.GIVE
    db.session.commit()
    page = visit(viewport=SIZES["phone"])
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Bob").click()
    pair.start()
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Another migration or a sync is using one of the two servers")).to_be_in_viewport()
    expect(page.locator("#migration-progress")).to_have_count(1)
