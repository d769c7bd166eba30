"""A library's group is saved a moment after it was chosen: it is never lost, however quickly somebody goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from playwright.sync_api import Page, Route, expect

from panel.extensions import db
from panel.models import Library, LibraryGroup
from panel.services import basics
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, pair, panel_url, sign_in, sign_out, visit
from tests.journeys.test_unreachable import UNREACHABLE, cut_off, refuse
from tests.scene import Scene

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]


@pytest.fixture
def films(pair: Scene) -> int:
    """The id of a library in the group Standard, with the other groups beside it."""
    basics.ensure_basics()
    db.session.commit()
    return db.session.scalars(db.select(Library.id).where(Library.name == "Films", Library.server_id == pair.source.row.id)).one()


def group_of(library_id: int) -> str:
    db.session.rollback()
    name = db.session.scalar(db.select(LibraryGroup.name).join(Library).where(Library.id == library_id))
    return name or ""


def await_group(library_id: int, name: str) -> None:
    """Wait until the database has it."""
    deadline = time.monotonic() + 30
    while group_of(library_id) != name and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group_of(library_id) == name


def test_saves_what_was_chosen_when_the_page_is_left_at_once(visit: Open, films: int) -> None:
    page = visit()
    page.goto("/libraries")
    page.locator(f"#group-{films}").select_option("Private")
    page.goto("/users")
    await_group(films, "Private")
    page.goto("/libraries")
    expect(page.locator(f"#group-{films} option:checked")).to_have_text("Private")


def test_saves_what_was_chosen_before_the_list_is_narrowed(visit: Open, films: int) -> None:
    page = visit()
    page.goto("/libraries")
    page.locator(f"#group-{films}").focus()
    page.locator(f"#group-{films}").select_option("Private")
    page.get_by_label("Name of a library").fill("Shows")
    page.get_by_label("Name of a library").press("Enter")
    expect(page.locator(f"#group-{films}")).to_have_count(0)
    await_group(films, "Private")


def test_keeps_the_last_choice_while_the_one_before_is_still_being_saved(visit: Open, films: int) -> None:
    # The choice before is given up where it has not been answered by then, which the browser is told.
    page = visit(forgiven=("htmx:sendAbort", "htmx:afterRequest"))
    page.goto("/libraries")
    held: list[Route] = []
    page.route(f"**/libraries/{films}/group", lambda route: route.continue_() if held else held.append(route))
    group = page.locator(f"#group-{films}")
    with page.expect_request(f"**/libraries/{films}/group"):
        group.select_option("Private")
    with page.expect_response(f"**/libraries/{films}/group"):
        group.select_option("Premium 4K")
        held[0].continue_()
    expect(page.locator(f"#library-{films} .is-valid option:checked")).to_have_text("Premium 4K")
    await_group(films, "Premium 4K")


def test_says_that_a_choice_is_not_saved_until_it_has_arrived(visit: Open, films: int) -> None:
    page = visit(forgiven=UNREACHABLE)
    page.goto("/libraries")
    group, row = page.locator(f"#group-{films}"), page.locator(f"#library-{films}")
    with cut_off(page, f"**/libraries/{films}/group"):
        group.select_option("Private")
        expect(row.get_by_text("Not saved yet")).to_be_visible()
        expect(group).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#notice")).to_contain_text("trying again")
    expect(row.locator(".is-valid option:checked")).to_have_text("Private")
    expect(row.get_by_text("Not saved")).to_have_count(0)
    expect(page.locator("#notice")).to_be_hidden()
    assert group_of(films) == "Private"


def test_saves_a_choice_that_has_not_arrived_though_its_row_is_gone(visit: Open, films: int) -> None:
    page = visit(forgiven=UNREACHABLE)
    page.goto("/libraries")
    with cut_off(page, f"**/libraries/{films}/group"):
        page.locator(f"#group-{films}").select_option("Private")
        expect(page.get_by_text("Not saved yet")).to_be_visible()
        page.get_by_label("Name of a library").fill("Shows")
        page.get_by_label("Name of a library").press("Enter")
        expect(page.locator(f"#group-{films}")).to_have_count(0)
    await_group(films, "Private")


def test_says_that_a_choice_was_refused_and_takes_the_next(visit: Open, films: int) -> None:
    page = visit(forgiven=("500",))
    page.goto("/libraries")
    row, address = page.locator(f"#library-{films}"), f"**/libraries/{films}/group"
    page.route(address, partial(refuse, 500))
    page.locator(f"#group-{films}").select_option("Private")
    expect(row.get_by_text("Not saved", exact=True)).to_be_visible()
    expect(page.locator("#notice")).to_have_text("Said 500.")
    page.unroute(address)
    page.locator(f"#group-{films}").select_option("Premium 4K")
    expect(row.locator(".is-valid option:checked")).to_have_text("Premium 4K")
    expect(row.get_by_text("Not saved")).to_have_count(0)
    await_group(films, "Premium 4K")


def test_keeps_what_is_ticked_and_the_group_that_was_chosen_for_it(visit: Open, films: int) -> None:
    page = visit()
    page.goto("/libraries")
    into = page.get_by_label("Put the selected libraries into")
    into.select_option("Private")
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.get_by_text("Select the libraries first.")).to_be_visible()
    expect(into.locator("option:checked")).to_have_text("Private")
    row = page.locator(f"#library-{films}")
    row.get_by_role("checkbox").check()
    for group in ("Premium 4K", "Standard"):
        row.locator("select").select_option(group)
        expect(row.locator(".is-valid option:checked")).to_have_text(group)
        expect(row.get_by_role("checkbox")).to_be_checked()
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.locator("#told")).to_contain_text("1 library moved to Private.")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    expect(into).to_have_value("")


def test_shows_in_a_fresh_list_what_has_not_arrived_and_lets_the_next_choice_win(visit: Open, films: int) -> None:
    page = visit(forgiven=UNREACHABLE)
    page.clock.install()
    page.goto("/libraries?sort=name")
    address, group, row = f"**/libraries/{films}/group", page.locator(f"#group-{films}"), page.locator(f"#library-{films}")
    search, sent = page.get_by_label("Name of a library"), list[str]()
    page.on("request", lambda request: sent.append(request.post_data or "") if request.method == "POST" else None)

    def choose_and_search(name: str, text: str) -> None:
        with cut_off(page, address):
            group.select_option(name)
            expect(row.get_by_text("Not saved yet")).to_be_visible()
            search.fill(text)
            with page.expect_response("**/libraries?*"):
                search.press("Enter")
            expect(row.get_by_text("Not saved yet")).to_be_visible()
            expect(row.locator(".is-invalid option:checked")).to_have_text(name)

    choose_and_search("Private", "Film")
    page.clock.fast_forward(4000)
    expect(row.locator(".is-valid option:checked")).to_have_text("Private")
    await_group(films, "Private")
    choose_and_search("No group", "Films")
    group.select_option("Premium 4K")
    expect(row.locator(".is-valid option:checked")).to_have_text("Premium 4K")
    number = len(sent)
    page.clock.fast_forward(8000)
    page.goto("/libraries")
    expect(page.locator(f"#group-{films} option:checked")).to_have_text("Premium 4K")
    assert len(sent) == number, sent[number:]


def test_says_that_a_choice_was_refused_though_its_row_is_gone(visit: Open, films: int) -> None:
    page = visit(forgiven=(*UNREACHABLE, "409"))
    page.clock.install()
    page.goto("/libraries")
    address = f"**/libraries/{films}/group"
    with cut_off(page, address):
        page.locator(f"#group-{films}").select_option("Private")
        expect(page.get_by_text("Not saved yet")).to_be_visible()
        page.get_by_label("Name of a library").fill("Shows")
        page.get_by_label("Name of a library").press("Enter")
        expect(page.locator(f"#group-{films}")).to_have_count(0)
    page.route(address, partial(refuse, 409))
    page.clock.fast_forward(4000)
    expect(page.locator("#notice")).to_have_text("Group of Films: not saved. Said 409.")


def test_saves_what_was_chosen_while_signed_out_once_somebody_has_signed_in_again(app: Flask, visit: Open, films: int) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    page = visit(forgiven=["400"])
    page.goto("/libraries")
    choice, notice = page.locator(f"#group-{films}"), page.locator("#notice")
    sign_out(page.context)
    choice.select_option("Private")
    expect(notice).to_have_text("You are signed out. Sign in in another tab, then go on.")
    expect(page.locator(f"#library-{films} [data-unsaved]")).to_have_text("Not saved yet")
    sign_in(page.context)
    await_group(films, "Private")
    expect(page.locator("[data-unsaved]")).to_have_count(0)
    expect(notice).to_be_hidden()
    sign_out(page.context)
    sign_in(page.context)
    choice.select_option("Standard")
    await_group(films, "Standard")
    expect(page.locator("[data-unsaved]")).to_have_count(0)
