"""What the keyboard has pressed stays in hand on the page that comes back, no message outlives what it speaks of, and without JavaScript
the page is as dark as the system wants it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from panel import jobs
from panel.extensions import db
from panel.models import Admin, Payment, PossibleTwin, Role, Server, User
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]


def user(name: str) -> User:
    return db.session.scalars(db.select(User).where(User.name == name)).one()


def press(page: Page, what: Locator) -> None:
    """By the keyboard, until the page that this leads to is there."""
    with page.expect_navigation():
        what.press("Enter")


def test_keeps_the_link_in_hand_that_shows_the_same_page_otherwise(visit: Open, pair: Scene) -> None:
    db.session.add_all(User(name=f"Member {number:03}") for number in range(120))
    db.session.commit()
    run = pair.move()
    page = visit()
    page.goto("/users")
    press(page, page.locator("#sort-paid"))
    expect(page.locator("#sort-paid")).to_be_focused()
    press(page, page.locator(":focus"))
    expect(page.get_by_role("columnheader", name="Paid until")).to_have_attribute("aria-sort", "descending")
    press(page, page.locator("#page-after"))
    expect(page.locator("#page-after")).to_be_focused()
    expect(page.locator("#page-after")).to_be_in_viewport()
    press(page, page.locator(":focus"))
    expect(page.get_by_text("Page 3 of 3")).to_be_visible()
    expect(page.locator("#page-before")).to_be_focused()
    page.goto(f"/migrations/{run.id}")
    press(page, page.locator("#tab-moved"))
    expect(page.locator("#tab-moved")).to_be_focused()
    page.goto("/users")
    with page.expect_navigation():
        page.locator("#sort-paid").click()
    expect(page.locator("body")).to_be_focused()


def test_leaves_in_hand_nothing_that_was_opened_beside_the_page(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/users")
    with page.context.expect_page():
        page.locator("#sort-paid").press("Control+Enter")
    page.reload()
    expect(page.locator("body")).to_be_focused()


def test_has_signing_in_with_plex_in_hand_where_its_token_has_expired(visit: Open, scene: Scene) -> None:
    den = scene.add_server("plex", "Den")
    den.row.plex_account.problem = "plex.tv refused the token."
    db.session.commit()
    page = visit()
    page.goto("/plex-accounts")
    again = page.get_by_role("link", name="Sign in again…")
    again.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="Sign in with Plex")).to_be_focused()
    page.goto(again.get_attribute("href") or "")
    expect(page.get_by_role("button", name="Sign in with Plex")).to_be_focused()
    db.session.scalars(db.select(Admin)).one().role = Role.VIEWER
    db.session.commit()
    page.goto("/plex-accounts")
    expect(page.get_by_text("plex.tv refused the token.")).to_be_visible()
    expect(again).to_have_count(0)


def test_goes_on_with_the_next_question_when_one_is_answered(visit: Open, pair: Scene) -> None:
    new = [User(name=name) for name in ("Ali", "Bobby")]
    db.session.add_all(new)
    db.session.flush()
    pairs = zip(new, (user("Alice"), user("Bob")), strict=True)
    db.session.add_all(PossibleTwin(user_id=twin.id, other_id=known.id, why="One name.") for twin, known in pairs)
    db.session.commit()
    page = visit()
    page.goto("/same-person")
    different = page.get_by_role("button", name="Different people")
    press(page, different.first)
    expect(page.get_by_text("Noted: two people. 1 question is left.")).to_be_in_viewport()
    expect(page.get_by_role("link", name="Same person: merge…")).to_be_focused()
    press(page, different)
    expect(page.get_by_text("That was the last question.")).to_be_in_viewport()
    expect(page.get_by_role("heading", name="Same person?")).to_be_focused()


def test_stays_on_the_page_of_a_user_with_what_was_in_hand(visit: Open, pair: Scene) -> None:
    alice = user("Alice")
    page = visit()
    page.goto(f"/users/{alice.id}")
    dialog = page.get_by_role("dialog")
    page.locator("#add-payment").press("Enter")
    expect(dialog.get_by_label("Plan")).to_be_focused()
    press(page, dialog.get_by_role("button", name="Add", exact=True))
    expect(page.locator("#add-payment")).to_be_focused()
    newest, oldest = (db.session.scalars(db.select(Payment).where(Payment.user_id == alice.id).order_by(Payment.id.desc()))).all()
    page.locator(f"#actions-{newest.id}").press("Enter")
    expect(dialog.get_by_role("link", name="Delete…")).to_be_visible()
    expect(page.locator(".htmx-added, .htmx-settling, .htmx-request")).to_have_count(0)
    expect(dialog.get_by_role("link", name="Show the user")).to_have_count(0)
    dialog.get_by_role("link", name="Delete…").press("Enter")
    press(page, dialog.get_by_role("button", name="Delete", exact=True))
    expect(page.get_by_text("The payment is deleted.")).to_be_in_viewport()
    assert page.url.endswith(f"/users/{alice.id}")
    expect(page.locator(f"#actions-{oldest.id}")).to_be_focused()
    page.goto(f"/users/bulk?ids={alice.id}")
    expect(page.locator("#change")).to_be_focused()


def test_begins_at_the_heading_where_what_was_done_in_a_dialog_leads_to_another_page(visit: Open, pair: Scene) -> None:
    db.session.add(User(name="Zoe"))
    db.session.commit()
    page = visit()
    page.goto(f"/users/{user('Zoe').id}")
    dialog = page.get_by_role("dialog")
    page.get_by_role("link", name="Actions", exact=True).press("Enter")
    dialog.get_by_role("link", name="Delete…").press("Enter")
    press(page, dialog.get_by_role("button", name="Delete", exact=True))
    expect(page).to_have_url(re.compile("/users$"))
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.reload()
    expect(page.locator("body")).to_be_focused()


def test_takes_a_message_away_that_is_over(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake_sync", lambda server_id: True)
    monkeypatch.setattr("panel.web.servers.workers_problem", lambda: "")
    page = visit()
    told, waits = page.locator("#told .alert"), page.get_by_text("Sync waits for a worker…")

    def end_all_syncs() -> None:
        db.session.execute(db.update(Server).values(sync_queued_at=None))
        db.session.commit()
        expect(waits).to_have_count(0)

    def choose(server: str, verb: str) -> None:
        page.get_by_role("link", name=f"Actions for {server}").click()
        page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{verb}")).click()

    choose("Cedar", "Sync")
    expect(told).to_have_text("Cedar is being synced in the background.")
    end_all_syncs()
    expect(told).to_have_count(0)
    choose("Cedar", "Sync")
    expect(waits).to_have_count(1)
    choose("Birch", "Disable")
    expect(told).to_have_text("Birch is disabled now.")
    end_all_syncs()
    expect(told).to_have_text("Birch is disabled now.")
    page.get_by_role("button", name="Sync all").click()
    expect(waits).to_have_count(2)
    expect(told).to_have_count(0)


COLOURS = """() => [...new Set([...document.querySelectorAll("body, body *:not(option)")].map((element) => {
  const { color, backgroundColor, borderTopColor, borderTopWidth } = getComputedStyle(element);
  return [color, backgroundColor, borderTopWidth === "0px" ? "" : borderTopColor].join(" ");
}))]"""


def test_is_as_dark_without_javascript_as_with_it(visit: Open, pair: Scene) -> None:
    pair.move()
    pair.source.row.problem = "Cedar does not answer."
    db.session.commit()
    scripted, plain = visit(color_scheme="dark"), visit(color_scheme="dark", java_script_enabled=False)
    for address in ("/servers", "/users", "/users/1", "/users/1/delete", "/settings", "/migrations/1", "/libraries"):
        seen: list[set[Any]] = []
        for page in (scripted, plain):
            page.goto(address)
            seen.append(set(page.evaluate(COLOURS)))
        assert seen[1] <= seen[0], (address, seen[1] - seen[0])
