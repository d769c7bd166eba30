"""Whether anybody works: asked in the background, so that a queue that is away never slows a page. An open page hears of it too."""

from __future__ import annotations

import threading
import time

from flask import Blueprint, Flask, Response, current_app, make_response, render_template, request
from flask_login import current_user
from sqlalchemy import exists, select

from panel import jobs
from panel.domain.statuses import WORKABLE
from panel.extensions import db
from panel.models import Migration
from panel.services.shared_clock import clock_problem
from panel.web import htmx

screen = Blueprint("workers", __name__, url_prefix="/workers")

FRESH_S = 5.0
#: A page waits this long for an answer where there is none yet, or an old one; a Redis nearby needs far less.
PATIENCE_S = 0.25
#: Web and worker start together, and the worker needs a moment longer: so long its absence is told only where something waits for it.
GRACE_S = 15.0
#: Between two looks whether the clock of this machine is right.
CLOCK_EVERY_S = 60.0

NO_WORKER = "No worker is running: migrations, syncs and mails wait. Start everything with “flask up”, or a worker with “python worker.py”."
NO_REDIS = "Redis does not answer, so nothing new is begun. Migrations go on by themselves once it is back; “flask up” brings its own."


class Watch:
    """What is known about the workers, and since when; and whether this machine, where one may be at work, has the right time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._born = time.monotonic()
        self._asked_at = -FRESH_S
        self._alive: int | None = None
        self._known = False
        self._answered_at = -FRESH_S
        self._asking: threading.Thread | None = None
        self._clock = ""
        self._compared_at = -CLOCK_EVERY_S

    def problem(self, app: Flask) -> str:
        """What is known to be wrong, as a sentence; else empty. Asks Redis every 5 s at most, and waits a moment for the answer where what
        is known is older: somebody may have been away from the panel for long."""
        if time.monotonic() - self._born < GRACE_S and not _anything_waits():
            return ""
        with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_S and (self._asking is None or not self._asking.is_alive()):
                self._asked_at = time.monotonic()
                self._asking = threading.Thread(target=self._ask, args=(app,), daemon=True)
                self._asking.start()
            asking = self._asking
        if asking and (not self._known or time.monotonic() - self._answered_at >= FRESH_S):
            asking.join(PATIENCE_S)
        if not self._known or self._alive:
            return ""
        return NO_REDIS if self._alive is None else NO_WORKER

    @property
    def clock(self) -> str:
        """What was wrong with this machine's clock at the last look, as a sentence; else empty. It keeps nobody from working."""
        return self._clock

    def compare_clocks(self) -> None:
        """Once in a while; 2 queries."""
        if time.monotonic() - self._compared_at >= CLOCK_EVERY_S:
            self._compared_at = time.monotonic()
            self._clock = clock_problem()

    def _ask(self, app: Flask) -> None:
        with app.app_context():
            self._alive = jobs.workers_alive()
        self._answered_at = time.monotonic()
        self._known = True


def _anything_waits() -> bool:
    return bool(db.session.scalar(select(exists().where(Migration.status.in_(WORKABLE)))))


@screen.get("/banner")
def banner() -> Response:
    """The banner for a page that shows one of `shown` characters, where it is another one by now: what stays is not read out again."""
    if current_user.is_authenticated:
        _watch().compare_clocks()
    is_shown = request.args.get("shown", type=int) == len(banner_text())
    response = Response(status=204) if is_shown else make_response(render_template("_workers.html"))
    return htmx.renew_token(response)


def register(app: Flask) -> None:
    """Bind the watch, the banner, and the sentence it shows, to an app."""
    app.register_blueprint(screen)
    app.extensions["panel_workers"] = Watch()
    app.add_template_global(banner_text)


def banner_text() -> str:
    """What every page is to tell: that nobody can work, else that this machine's clock is wrong; nothing to who is not signed in."""
    return workers_problem() or (_watch().clock if current_user.is_authenticated else "")


def workers_problem() -> str:
    """The sentence while nobody can work; empty for visitors who are not signed in."""
    if not current_user.is_authenticated:
        return ""
    return _watch().problem(current_app._get_current_object())  # type: ignore[attr-defined]


def _watch() -> Watch:
    watch: Watch = current_app.extensions["panel_workers"]
    return watch
