"""Lists under the fingers: they keep their place, follow what goes on, and can be sorted on a telephone too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from panel.domain.statuses import MigrationStatus
from panel.extensions import db
from panel.models import Migration
from panel.models.types import utc_now
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, overflow, pair, panel_url, visit
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]
PHONE = {"width": 380, "height": 700}
#: Links and buttons that Tab reaches although they, or what they are in, take up no room; the link past the navigation shows itself.
UNSEEN = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")].filter((element) => {
  if (!element.checkVisibility({ visibilityProperty: true }) || element.disabled) return false;
  if (element.type === "hidden" || element.tabIndex < 0) return false;
  for (let place = element; place; place = place.parentElement) {
    if (place.matches(".visually-hidden-focusable")) return false;
    const { width, height } = place.getBoundingClientRect();
    if (width <= 1 || height <= 1) return true;
  }
  return false;
}).map((element) => element.outerHTML.slice(0, 100))"""


def finish(run: Migration) -> None:
    run.status, run.started_at, run.ended_at = MigrationStatus.FINISHED, run.created_at, utc_now()
    db.session.commit()


def test_follows_a_run_and_leaves_the_focus_and_everything_in_its_place(visit: Open, pair: Scene) -> None:
    pair.move()
    run = pair.start()
    page = visit()
    page.goto("/migrations?q=cedar")
    row = page.locator(f"#migration-{run.id}")
    for held in (row.get_by_role("link"), page.get_by_role("link", name="Took"), page.get_by_role("link", name="Show all")):
        held.focus()
        run.status, run.ended_at = MigrationStatus.RUNNING, None
        db.session.commit()
        expect(row).to_contain_text("running")
        before = page.locator("#migrations").bounding_box(), row.bounding_box()
        finish(run)
        expect(row).to_contain_text("finished")
        expect(held).to_be_focused()
        assert row.bounding_box() == before[1]
        run.status, run.ended_at = MigrationStatus.RUNNING, None
        db.session.commit()
        page.reload()


def test_a_press_goes_before_a_look_at_the_runs(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto("/migrations")
    page.locator(f"#migration-{run.id}").get_by_role("link").hover()
    page.mouse.down()
    finish(run)
    with page.expect_response(lambda answer: "since=" in answer.url and answer.status == 200):
        pass
    page.mouse.up()
    page.wait_for_url(f"**/migrations/{run.id}?next=**")


@pytest.mark.parametrize(
    ("address", "choice"),
    [("/users", "Paid until"), ("/payments", "First day"), ("/shares", "Accepted"), ("/libraries", "Group"), ("/migrations", "Took")],
)
def test_sorts_on_a_telephone_and_hides_nothing_that_takes_the_focus(visit: Open, pair: Scene, address: str, choice: str) -> None:
    pair.move()
    page = visit(viewport=PHONE)
    page.goto(address)
    assert page.evaluate(UNSEEN) == []
    page.get_by_role("link", name=choice, exact=True).click()
    chosen = page.get_by_role("link", name=f"{choice} ascending")
    expect(chosen).to_be_visible()
    chosen.click()
    expect(page.get_by_role("link", name=f"{choice} descending")).to_be_visible()
    assert overflow(page) <= 0


def test_comes_back_from_the_dialog_to_the_list_as_it_was_narrowed_last(visit: Open, pair: Scene) -> None:
    page = visit()
    page.goto("/users?sort=-name")
    page.get_by_label("Name or e-mail").fill("ali")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 user found")).to_be_visible()
    page.get_by_role("link", name="Actions for Alice").click()
    page.get_by_role("dialog").get_by_role("link", name="Edit…").click()
    page.get_by_role("dialog").get_by_label("Notes").fill("Called.")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Alice is saved.")).to_be_visible()
    expect(page.get_by_text("1 user found")).to_be_visible()
    page.wait_for_url(lambda address: "q=ali" in address and "sort=-name" in address)
    page.get_by_label("Name or e-mail").fill("bob")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Actions for Bob")).to_be_visible()
    page.get_by_role("link", name="Fill in e-mails…").click()
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url("**/users?q=bob&sort=-name*")
