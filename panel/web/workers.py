"""Whether anybody works: asked in the background, so that a queue that is away never slows a page."""

from __future__ import annotations

import threading
import time

from flask import Flask, current_app
from sqlalchemy import exists, select

from panel import jobs
from panel.domain.statuses import WORKABLE
from panel.extensions import db
from panel.models import Migration

FRESH_S = 5.0
#: A page waits this long for the answer; a Redis nearby needs far less.
PATIENCE_S = 0.25

SENTENCE = "No worker is running, so migrations wait. Start everything with “flask up”, or a worker with “python worker.py”."


class Watch:
    """What is known about the workers, and since when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_at = -FRESH_S
        self._alive: int | None = None
        self._known = False
        self._asking: threading.Thread | None = None

    def nobody_works(self, app: Flask) -> bool:
        """Whether it is known that no worker is alive."""
        with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_S and (self._asking is None or not self._asking.is_alive()):
                self._asked_at = time.monotonic()
                self._asking = threading.Thread(target=self._ask, args=(app,), daemon=True)
                self._asking.start()
            asking = self._asking
        if asking and not self._known:
            asking.join(PATIENCE_S)
        return self._known and not self._alive

    def _ask(self, app: Flask) -> None:
        with app.app_context():
            self._alive = jobs.workers_alive()
        self._known = True


def register(app: Flask) -> None:
    """Bind the watch, and the sentence templates show, to an app."""
    app.extensions["panel_workers"] = Watch()
    app.add_template_global(workers_problem)


def workers_problem() -> str:
    """The sentence for a banner while a run waits and no worker is alive; else empty."""
    waits = db.session.scalar(select(exists().where(Migration.status.in_(WORKABLE))))
    if not waits:
        return ""
    watch: Watch = current_app.extensions["panel_workers"]
    return SENTENCE if watch.nobody_works(current_app._get_current_object()) else ""  # type: ignore[attr-defined]
