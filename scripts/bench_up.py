"""A panel as `flask up` runs it, with a run of very many users under way, and admins who are signed in to it."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import LOOK_EVERY_S, ROOT, begin, family, prepare, simulators
from flask import Flask

from panel import create_app
from panel.config import Config
from panel.extensions import db
from panel.models import Admin, Migration, Role
from panel.services.run import steer

START_S = 60.0


@dataclass(frozen=True)
class Panel:
    """Where it answers, its web process, the run, and a `Cookie` header for each admin."""

    url: str
    web_pid: int
    run_id: int
    cookies: list[str]

    @property
    def page(self) -> str:
        """The path of the run's live page."""
        return f"/migrations/{self.run_id}"

    def connection(self) -> http.client.HTTPConnection:
        """A connection of a browser's, not yet open."""
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    def pause(self) -> None:
        """The run rests as soon as nobody is in hand."""
        steer.pause(db.session.get_one(Migration, self.run_id, populate_existing=True))
        db.session.commit()


@contextlib.contextmanager
def panel(users: int, admins: int, pace_s: float) -> Iterator[Panel]:
    """Everything freshly made in a folder of its own, the simulators in a process of their own; ends with everything."""
    with tempfile.TemporaryDirectory() as folder, simulators(users) as hosts:
        config = Config.from_env({"PANEL_VAR": folder}).ensure()
        app = create_app(config)
        with app.app_context():
            prepare(users, hosts)
            cookies = signed_in(app, admins)
            with up(config) as (url, pid):
                run_id = begin(pace_s)
                yield Panel(url, part(pid, "panel.serve"), run_id, cookies)
            db.session.remove()
            db.engine.dispose()


def signed_in(app: Flask, number: int) -> list[str]:
    """So many admins, and the cookie that signing in leaves each of them."""
    made = [Admin(email=f"admin{n}@example.test", role=Role.ADMINISTRATOR, password_hash="", session_key="key") for n in range(number)]
    db.session.add_all(made)
    db.session.commit()
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    return [f"{app.config['SESSION_COOKIE_NAME']}={signer.dumps({'_user_id': admin.get_id(), '_fresh': True})}" for admin in made]


@contextlib.contextmanager
def up(config: Config) -> Iterator[tuple[str, int]]:
    """`flask up`: its address and its process id."""
    log = config.var / "up.log"
    argv = [sys.executable, "-m", "flask", "up", "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(argv, cwd=ROOT, env=config.child_environ(), stdout=out, stderr=out, start_new_session=True)
    try:
        yield address(process, log), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it answers, as it says itself once it does."""
    deadline = time.monotonic() + START_S
    while not (said := re.search(r"ready at (\S+)", log.read_text(errors="replace"))):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The panel did not start:\n{log.read_text(errors='replace')}")
        time.sleep(LOOK_EVERY_S)
    return said[1]


def part(pid: int, word: str) -> int:
    """The process below `pid` with this word on its command line."""
    found = [each for each in family(pid) if word.encode() in command(each)]
    if len(found) != 1:
        raise SystemExit(f"{len(found)} processes are called {word}.")
    return found[0]


def command(pid: int) -> bytes:
    """The command line of a process; nothing where it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
