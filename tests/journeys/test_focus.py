"""Where the focus is when what was in hand is gone, and on which field it is when something is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from panel import jobs
from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import db
from panel.models import Setting
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import EMAIL, browser_type_launch_args, new_emby_server, pair, panel_url, visit, with_one_who_failed
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]


def test_stays_with_the_run_when_the_button_in_hand_goes_with_its_end(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    cancel = page.get_by_role("link", name="Cancel…")
    cancel.focus()
    pair.finish(run)
    expect(page.locator("#migration-progress").get_by_text("finished", exact=True)).to_be_visible()
    expect(cancel).to_have_count(0)
    expect(page.locator("#migration-progress h1")).to_be_focused()


def test_stays_with_what_was_tried_or_sent_again(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for wake in ("wake", "wake_mail"):
        monkeypatch.setattr(jobs, wake, lambda row_id: True)
    setting = Setting.current()
    setting.admin_email, setting.smtp_host = "ada@example.test", "mail.example.test"
    run = with_one_who_failed(pair)
    page = visit(viewport={"width": 380, "height": 500})
    page.goto(f"/migrations/{run.id}?status=failed")
    send = page.locator("#send-mail")
    send.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#migration-mail[hx-trigger]")).to_have_count(1)
    with page.expect_response("**/mail"):
        expect(send).to_be_focused()
    expect(send).to_be_focused()
    page.get_by_role("link", name="Actions for Alice").focus()
    page.keyboard.press("Enter")
    retry = page.get_by_role("dialog").get_by_role("button", name="Retry")
    retry.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("Alice is tried again.")).to_be_in_viewport()
    expect(page.locator("#moves").get_by_text("Nobody is listed here now.")).to_be_visible()
    expect(page.locator("#tab-failed")).to_be_focused()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Alice is tried again.")).to_have_count(0)


#: What htmx waits before it settles what it swapped in, as long as on a machine that is very busy.
SLOW_TO_SETTLE = (
    "(() => { const soon = setTimeout; window.setTimeout = (act, ms, ...more) => soon(act, ms === 20 ? 1500 : ms, ...more); })()"
)


def test_what_an_answer_brings_works_before_htmx_has_settled_it(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda row_id: True)
    run = with_one_who_failed(pair)
    page = visit()
    page.add_init_script(SLOW_TO_SETTLE)
    page.goto(f"/migrations/{run.id}?status=failed")
    page.evaluate("window.isStillHere = true")
    page.get_by_role("link", name="Actions for Alice").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Retry").press("Enter")
    expect(page.get_by_role("status").get_by_text("Alice is tried again.")).to_be_in_viewport()
    assert page.evaluate("window.isStillHere")
    expect(page.locator("#tab-failed")).to_be_focused()
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert page.evaluate("window.isStillHere")


def test_comes_back_to_what_stands_for_a_list_that_the_row_has_left(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake", lambda row_id: True)
    run = with_one_who_failed(pair)
    page = visit()
    page.goto(f"/migrations/{run.id}?status=failed")
    page.get_by_role("link", name="Actions for Alice").press("Enter")
    retry = page.get_by_role("dialog").get_by_role("button", name="Retry")
    retry.evaluate(
        "button => { for (const name of button.form.getAttributeNames()) if (name.startsWith('hx-')) button.form.removeAttribute(name);"
        " htmx.process(button.form); }"
    )
    retry.press("Enter")
    expect(page.get_by_text("Nobody is listed here now.")).to_be_visible()
    expect(page.locator("#tab-failed")).to_be_focused()


def test_leaves_the_focus_alone_that_is_elsewhere(visit: Open, pair: Scene) -> None:
    run = pair.start()
    page = visit()
    page.goto(f"/migrations/{run.id}")
    elsewhere = page.get_by_role("link", name="Download as CSV")
    elsewhere.focus()
    pair.finish(run)
    expect(page.locator("#migration-progress").get_by_text("finished", exact=True)).to_be_visible()
    expect(elsewhere).to_be_focused()


def test_goes_to_what_stands_for_a_list_that_the_row_leaves_by_itself(visit: Open, pair: Scene) -> None:
    run = with_one_who_failed(pair)
    run.status, run.ended_at = MigrationStatus.PAUSED, None
    db.session.commit()
    page = visit()
    page.goto(f"/migrations/{run.id}?status=failed")
    page.get_by_role("link", name="Actions for Alice").focus()
    run.moves[0].status = MoveStatus.PENDING
    db.session.commit()
    expect(page.get_by_text("Nobody is listed here now.")).to_be_visible()
    expect(page.locator("#tab-failed")).to_be_focused()


def test_keeps_sync_all_in_hand(visit: Open, pair: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wake_sync", lambda server_id: True)
    page = visit()
    button = page.get_by_role("button", name="Sync all")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Sync waits for a worker…")).to_have_count(2)
    expect(button).to_be_focused()


def test_takes_the_marks_away_with_the_next_answer_and_keeps_the_key(visit: Open, pair: Scene) -> None:
    sim = pair.source.sim
    page = visit()
    dialog = new_emby_server(page)
    test = dialog.get_by_role("button", name="Test connection")
    test.click()
    address, key = dialog.get_by_label("Address"), dialog.get_by_label("API key")
    expect(dialog.locator(".is-invalid")).to_have_count(2)
    expect(address).to_be_focused()
    expect(key).to_have_class("form-control is-invalid")
    key.fill(sim.api_key)
    test.click()
    expect(dialog.locator(".is-invalid")).to_have_count(1)
    expect(key).to_have_value(sim.api_key)
    address.fill(sim.url)
    test.click()
    expect(dialog.get_by_text("It takes the key: yes")).to_be_visible()
    expect(dialog.locator(".is-invalid, .invalid-feedback, [aria-describedby*=error]")).to_have_count(0)
    expect(key).to_have_value(sim.api_key)


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, {"width": 380, "height": 500}])
def test_says_in_the_dialog_what_is_wrong_and_goes_there(visit: Open, pair: Scene, size: dict[str, int]) -> None:
    page = visit(viewport=size)
    page.goto("/plans")
    page.get_by_role("link", name="New plan…").click()
    dialog = page.get_by_role("dialog", name="New plan")
    dialog.get_by_label("Name", exact=True).fill("Premium")
    dialog.get_by_label("Standard", exact=True).check()
    days = dialog.get_by_label("Duration of one payment in days")
    days.fill("0")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("The duration is a whole number of days")).to_be_visible()
    expect(days).to_be_focused()
    expect(days).to_be_in_viewport()


@pytest.mark.parametrize("script", [True, False])
def test_goes_to_the_wrong_field_of_a_page(visit: Open, pair: Scene, script: bool) -> None:
    page = visit(java_script_enabled=script)
    page.goto("/account/password")
    page.get_by_label("Your password now").fill("a long enough password")
    page.get_by_label("New password, at least").fill("short")
    page.get_by_role("button", name="Change it").click()
    expect(page.get_by_text("needs at least")).to_be_visible()
    expect(page.get_by_label("New password, at least")).to_be_focused()


@pytest.mark.parametrize("script", [True, False])
def test_goes_to_the_password_that_was_wrong(visit: Open, script: bool) -> None:
    page = visit(java_script_enabled=script)
    page.context.clear_cookies()
    page.goto("/sign-in")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("do not belong together")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)
