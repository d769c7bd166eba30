"""Every screen in a real browser: nothing that keeps people out, nothing wider than a telephone, in both themes.

Screens are found in the navigation and in the routes, so one that is added is looked at without a word here. The pictures go to the
folder that STREAMFERRY_SHOTS names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, url_for
from playwright.sync_api import Page

from panel.extensions import db
from panel.models import Role
from panel.services import admins, audit
from panel.web.access import PUBLIC
from panel.web.navigation import sections
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import PASSWORD, browser_type_launch_args, overflow, pair, panel_url, visit
from tests.scene import Scene

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is missing: pip install -r requirements-dev.txt")

__all__ = ["browser_type_launch_args", "pair", "panel_url", "visit"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400), pytest.mark.skipif(chromium_path() is None, reason=REASON)]

Open = Callable[..., Page]

SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 380, "height": 800}}
GRAVE = ("serious", "critical")


@pytest.fixture
def seeded(pair: Scene) -> Scene:
    """A stage with something on every screen: three servers, names that are too long, a run that has ended, a change."""
    pair.add_server("plex", "Oak")
    pair.person("Plexa", on=pair.sides[2])
    pair.person("W" * 120, email="w@example.test", plex_email="w@example.test", emby_email="w@example.test")
    pair.person("Invited", on=pair.sides[2], accepted=False)
    pair.move()
    pair.target.row.problem = "Birch does not answer. Check its address and that it is running."
    admins.create("vic@example.test", PASSWORD, Role.VIEWER)
    audit.note("ada@example.test", "server.edited", "Cedar", "Name: Old → Cedar")
    db.session.commit()
    return pair


@pytest.fixture
def shots() -> Path | None:
    """Where the pictures go; `None` when nobody asked for any."""
    if not (named := os.environ.get("STREAMFERRY_SHOTS")):
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def screens(app: Flask) -> dict[str, str]:
    """Name and address of each screen in the navigation."""
    with app.test_request_context():
        return {entry.endpoint: url_for(entry.endpoint) for section in sections() for entry in section.entries}


def other_pages(app: Flask) -> Iterator[tuple[str, str]]:
    """Name and address of everything else that can be opened; numbers are 1."""
    known = set(screens(app))
    for rule in app.url_map.iter_rules():
        words = [name for name, converter in rule._converters.items() if type(converter).__name__ != "IntegerConverter"]
        if "GET" in (rule.methods or ()) and rule.endpoint not in PUBLIC | known and not words:
            yield rule.endpoint, re.sub(r"<[^>]+>", "1", rule.rule)


def grave_violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical: rule, number of places, the first of them."""
    found: Any = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']} ({len(one['nodes'])}×): {one['nodes'][0]['html'][:160]}: {one['nodes'][0]['failureSummary'].splitlines()[-1].strip()}"
        for one in found
        if one["impact"] in GRAVE
    ]


def look_at(page: Page, name: str, shots: Path | None, kind: str) -> list[str]:
    """What is wrong with the page that is open."""
    if shots is not None:
        page.screenshot(path=shots / f"{name}-{kind}.png", full_page=True)
    wide = [f"{overflow(page)} pixels too wide"] if overflow(page) > 0 else []
    return [f"{name}: {problem}" for problem in [*wide, *grave_violations(page)]]


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        ("desktop", "light"),
        ("phone", "dark"),
        pytest.param("desktop", "dark", marks=pytest.mark.thorough),
        pytest.param("phone", "light", marks=pytest.mark.thorough),
    ],
)
def test_every_screen_is_open_to_everybody(visit: Open, app: Flask, seeded: Scene, shots: Path | None, size: str, theme: str) -> None:
    page, problems = visit(viewport=SIZES[size], color_scheme=theme), []
    for name, address in screens(app).items():
        answer = page.goto(address)
        if answer is None or answer.status != 200:
            problems.append(f"{name}: {answer and answer.status}")
        else:
            problems += look_at(page, name, shots, f"{size}-{theme}")
    assert problems == []


def test_every_other_page_is_open_to_everybody_on_a_telephone(visit: Open, app: Flask, seeded: Scene, shots: Path | None) -> None:
    page, problems = visit(viewport=SIZES["phone"], color_scheme="dark"), []
    for name, address in other_pages(app):
        answer = page.context.request.get(address)
        if answer.status == 200 and "<!doctype html>" in answer.text() and "/sign-in" not in answer.url:
            page.goto(address)
            problems += look_at(page, name, shots, "phone-dark")
    assert problems == []
