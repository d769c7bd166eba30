"""A library's group is saved a moment after it was chosen: it is never lost, however quickly somebody goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from panel.extensions import db
from panel.models import Library, LibraryGroup
from panel.services import basics
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args, pair, panel_url, visit
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
    deadline = time.monotonic() + 10
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
    page = visit()
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
