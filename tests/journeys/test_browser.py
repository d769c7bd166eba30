"""From the Servers panel to the end of a run, as somebody with a browser sees it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from panel.extensions import db
from panel.models import Migration
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import EMAIL, PASSWORD, browser_type_launch_args, overflow, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]


def the_run() -> Migration:
    """The only run."""
    db.session.rollback()
    return db.session.scalars(db.select(Migration)).one()


# M1, M17
def test_moves_everybody_in_a_few_clicks_and_watches(visit: Open, pair: Scene) -> None:
    page = visit()
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("dialog").get_by_role("link", name="Migrate users…").click()
    dialog = page.get_by_role("dialog", name="Migrate users of Cedar")
    dialog.get_by_role("radio", name="Birch").check()
    expect(dialog.get_by_text("2 people move")).to_be_visible()
    expect(dialog.get_by_text("1 person stays: they have no active subscription")).to_be_visible()
    dialog.get_by_role("button", name="OK, migrate 2 users").click()
    page.wait_for_url("**/migrations/*")

    live = page.locator("#migration-progress")
    expect(live.get_by_text("queued", exact=True)).to_be_visible()
    expect(live).to_have_attribute("hx-trigger", "every 2s")
    pair.finish(the_run())
    expect(live.get_by_text("finished", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="Alice").get_by_text("moved", exact=True)).to_be_visible()
    expect(live).not_to_have_attribute("hx-trigger", "every 2s")
    assert pair.opened("Alice") == {"Films", "Shows"}


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without"])
def test_signs_in_and_out_by_the_form(visit: Open, scripts: bool) -> None:
    page = visit(java_script_enabled=scripts)
    page.context.clear_cookies()
    page.goto("/migrations")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/migrations")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto("/migrations")
    page.wait_for_url(re.compile(r"/sign-in\?next="))


def test_works_the_same_without_javascript(visit: Open, pair: Scene) -> None:
    page = visit(java_script_enabled=False)
    page.get_by_role("link", name="Actions for Cedar").click()
    page.get_by_role("link", name="Migrate users…").click()
    page.get_by_role("radio", name="Birch").check()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("2 people move")).to_be_visible()
    page.get_by_role("button", name="OK, migrate 2 users").click()
    page.wait_for_url("**/migrations/*")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("link", name="Cancel…").click()
    expect(page.get_by_text("nobody is in hand")).to_be_visible()
    page.get_by_role("link", name="Let it go on").click()
    expect(page.get_by_role("link", name="Cancel…")).to_be_visible()
    pair.finish(the_run())
    expect(page.get_by_text("finished", exact=True)).to_be_visible()
    assert page.locator("meta[http-equiv=refresh]").count() == 0


def test_shows_a_refusal_in_the_dialog(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/migrations")
    page.get_by_role("link", name="New migration…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("link", name="Cedar").click()
    dialog.get_by_role("radio", name="Birch").check()
    expect(dialog.get_by_role("button", name="OK, migrate")).to_be_enabled()
    pair.target.row.enabled = False
    db.session.commit()
    with page.expect_response("**/migrations") as answer:
        dialog.get_by_role("button", name="OK, migrate").click()
    assert answer.value.status == 422
    expect(dialog.get_by_role("alert").get_by_text("Birch is switched off.")).to_be_visible()
    assert page.url.endswith("/migrations")


def test_reckons_anew_when_the_pace_changes(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/migrations/new?source=1&target=2")
    page.get_by_label("Seconds between two users").fill("120")
    page.get_by_label("Seconds between two users").blur()
    expect(page.locator("#duration")).to_contain_text("One user every 120 s: it takes about 2 min.")
    page.get_by_role("button", name="OK, migrate 2 users").click()
    page.wait_for_url("**/migrations/1")
    assert the_run().pace_s == 120.0


def test_steers_the_run_from_its_page(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("#migration-progress").get_by_text("paused", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_focused()
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("dialog").get_by_role("link", name="Let it go on").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("link", name="Cancel…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the migration").click()
    expect(page.locator("#migration-progress").get_by_text("cancelled", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="Alice").get_by_text("cancelled", exact=True)).to_be_visible()


def test_takes_a_press_during_which_the_run_goes_on(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("button", name="Pause").hover()
    page.mouse.down()
    run.note = "Something has changed meanwhile."
    db.session.commit()
    with page.expect_response(lambda answer: "/progress" in answer.url and answer.status == 200):
        pass
    page.mouse.up()
    live = page.locator("#migration-progress")
    expect(live.get_by_text("paused", exact=True)).to_be_visible()
    expect(live.get_by_text("Something has changed meanwhile.")).to_be_visible()


def test_leaves_a_look_that_was_overtaken_by_a_press(visit: Open, pair: Scene) -> None:
    run, held = pair.start(), list[Route]()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.route("**/progress*", lambda look: held.append(look))
    run.note = "Something has changed meanwhile."
    db.session.commit()
    while not held:
        page.wait_for_timeout(50)
    overtaken = held[0].fetch()
    page.get_by_role("button", name="Pause").click()
    live = page.locator("#migration-progress")
    expect(live.get_by_text("paused", exact=True)).to_be_visible()
    held[0].fulfill(response=overtaken)
    with page.expect_request("**/progress*"):
        pass
    expect(live.get_by_text("paused", exact=True)).to_be_visible()


def test_closes_the_dialog_with_escape_and_gives_the_focus_back(visit: Open, pair: Scene) -> None:
    page = visit()
    opener = page.get_by_role("link", name="Actions for Cedar")
    opener.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()


def test_keeps_what_was_typed_until_the_dialog_is_left_on_purpose(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/settings/admins")
    page.get_by_role("link", name="Add somebody…").click()
    dialog = page.locator("#dialog")
    field = dialog.get_by_label("E-mail")
    expect(field).to_be_visible()
    page.mouse.click(5, 5)
    expect(dialog).to_be_hidden()

    page.get_by_role("link", name="Add somebody…").click()
    box = field.bounding_box()
    assert box
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(5, 5)
    page.mouse.up()
    expect(dialog).to_be_visible()
    field.fill("bob@example.test")
    question = page.locator("#leaving")
    for _ in range(3):
        page.keyboard.press("Escape")
        expect(question).to_be_visible()
        page.keyboard.press("Escape")
        expect(question).to_be_hidden()
    expect(field).to_have_value("bob@example.test")
    page.keyboard.press("Escape")
    question.get_by_role("button", name="Leave it").click()
    expect(dialog).to_be_hidden()


def test_keeps_the_key_in_the_form_of_a_new_server_until_it_is_added(visit: Open, pair: Scene) -> None:
    sim = pair.source.sim
    page = visit()
    page.goto("/servers/new?platform=emby")
    page.get_by_label("Address").fill(sim.url)
    page.get_by_label("API key").fill(sim.api_key)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It takes the key: yes")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Cedar")
    page.get_by_role("button", name="Add the server").click()
    expect(page.get_by_text("There is a server named Cedar already.")).to_be_visible()
    expect(page.get_by_label("API key")).to_have_value(sim.api_key)


@contextmanager
def late_htmx(page: Page, address: str) -> Iterator[None]:
    """Opens an address whose page is there before htmx is; it comes at the end."""
    late: list[Route] = []
    page.route("**/htmx*.js*", lambda script: late.append(script))
    page.goto(address, wait_until="commit")
    yield
    assert late
    for script in late:
        script.continue_()


def test_keeps_the_key_that_is_sent_before_the_scripts_have_come(visit: Open, pair: Scene) -> None:
    sim, page = pair.source.sim, visit()
    with late_htmx(page, "/servers/new?platform=emby"):
        page.get_by_label("Address").fill(sim.url)
        page.get_by_label("API key").fill(sim.api_key)
        page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It takes the key: yes")).to_be_visible()
    expect(page.get_by_label("API key")).to_have_value(sim.api_key)


def test_opens_the_dialog_that_is_asked_for_before_the_scripts_have_come(visit: Open, pair: Scene) -> None:
    page = visit()
    with late_htmx(page, "/servers"):
        page.get_by_role("link", name="Actions for Cedar").click()
    expect(page.get_by_role("dialog", name="Cedar")).to_be_visible()
    assert page.url.endswith("/servers")


def test_judges_the_target_that_is_chosen_before_the_scripts_have_come(visit: Open, pair: Scene) -> None:
    page = visit()
    with late_htmx(page, "/migrations/new?source=1"):
        page.get_by_role("radio", name="Birch").check()
    expect(page.get_by_text("2 people move")).to_be_visible()


def test_works_as_without_javascript_where_htmx_does_not_come(visit: Open, pair: Scene) -> None:
    page = visit()
    page.route("**/htmx*.js*", lambda script: script.fulfill(body="", content_type="text/javascript"))
    page.goto("/migrations/new?source=1")
    page.get_by_role("radio", name="Birch").check()
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("2 people move")).to_be_visible()


def test_gives_a_link_to_choose_a_password(visit: Open, pair: Scene) -> None:
    run = pair.move()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    page.get_by_role("link", name="Actions for Alice").click()
    page.get_by_role("dialog").get_by_role("button", name="Password link").click()
    link = page.get_by_role("dialog").get_by_label("The link").input_value()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.goto(link)
    page.get_by_label("New password").fill("my own password")
    page.get_by_label("The same password again").fill("my own password")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", name="Your password is set")).to_be_visible()
    assert pair.target.sim.can_sign_in("Alice", "my own password")


def test_follows_the_system_theme_until_another_is_chosen(visit: Open) -> None:
    page = visit(color_scheme="dark")
    root = page.locator("html")
    expect(root).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="Change the theme").click()
    expect(root).to_have_attribute("data-bs-theme", "light")
    page.reload()
    expect(root).to_have_attribute("data-bs-theme", "light")


def test_fits_a_small_telephone(visit: Open, pair: Scene) -> None:
    pair.person("W" * 200, email="w@example.test", plex_email="w@example.test", emby_email="w@example.test")
    pair.source.row.name = "Server" * 30
    db.session.commit()
    run = pair.start()
    page = visit(viewport={"width": 380, "height": 800})
    for address in ("/servers", "/servers/1/actions", "/migrations/new?source=1&target=2", "/migrations", f"/migrations/{run.id}"):
        page.goto(address)
        assert overflow(page) <= 0, address
    assert re.search("Server", page.title())
