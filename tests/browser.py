"""Where the browser for the journeys is."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REASON = "no Chromium found: install the package chromium, or name one in PANEL_TEST_CHROMIUM"


def chromium_path() -> str | None:
    """The path of a Chromium or Chrome on this machine, or `None` (skip with `REASON`). `PANEL_TEST_CHROMIUM` goes first."""
    named = os.environ.get("PANEL_TEST_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)
