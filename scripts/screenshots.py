"""Takes the pictures of the README from the demo: `.venv/bin/python scripts/screenshots.py [FOLDER]`. Needs Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import REASON, chromium_path  # noqa: E402

WINDOW = {"width": 1200, "height": 780}
LARGEST_BYTES = 150_000
#: The picture of the run is taken when so many people are done.
ENOUGH_DONE = re.compile(r"\b([7-9]|1\d)\s+of\s+\d+\s+done")


@dataclass
class Demo:
    """A demo at work: where it is, and how to sign in."""

    url: str
    login: str
    password: str


@contextmanager
def demo() -> Iterator[Demo]:
    """`flask demo` in a folder of its own, ended with the block."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PANEL_VAR": folder, "PYTHONUNBUFFERED": "1"}
        argv = [sys.executable, "-m", "flask", "demo", "--port", "0", "--pace", "2"]
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        try:
            yield begun(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def begun(process: subprocess.Popen[str]) -> Demo:
    """What the demo prints once it stands. Raises `SystemExit` when it ends before."""
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        if found := re.search(r"Panel\s+(http\S+)", line):
            url = found[1]
        if found := re.search(r"Login\s+(\S+)\s+password\s+(\S+)", line):
            return Demo(url, found[1], found[2])
    raise SystemExit("The demo did not start.")


def take(page: Page, path: Path) -> None:
    """Save what the window shows. Raises `SystemExit` when the file is too large for a README."""
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path} ({size // 1024} KB)")
    if size > LARGEST_BYTES:
        raise SystemExit(f"{path} is too large.")


def photograph(page: Page, stage: Demo, folder: Path) -> None:
    """Sign in, and take the pictures."""
    page.goto(f"{stage.url}/sign-in")
    page.get_by_label("E-mail").fill(stage.login)
    page.get_by_label("Password").fill(stage.password)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{stage.url}/migrations/1")
    expect(page.locator("#migration-progress")).to_contain_text(ENOUGH_DONE, timeout=90_000)
    take(page, folder / "migration.png")
    page.goto(f"{stage.url}/servers")
    # The servers themselves are to be seen, not what a newcomer has still to do.
    for unfolded in page.locator("main details[open] > summary").all():
        unfolded.click()
    take(page, folder / "servers.png")


def main() -> None:
    """Both pictures, into docs/screenshots unless told otherwise."""
    if chromium_path() is None:
        raise SystemExit(REASON)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with demo() as stage, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        photograph(browser.new_page(viewport=WINDOW, color_scheme="light"), stage, folder)  # type: ignore[arg-type]
        browser.close()


if __name__ == "__main__":
    main()
