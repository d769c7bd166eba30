"""What is new on the live page of a run is drawn once for all who are to hear the same: open pages ask within the same two seconds."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Hashable
from concurrent.futures import Future

from flask import Flask, current_app, render_template
from flask_login import current_user
from flask_wtf.csrf import generate_csrf

from panel import patience
from panel.web.live import Live

#: Seconds after which nobody asks for the same any more: each page asks once in two.
KEPT_S = 2.0


class _Drawing:
    """One time that something is drawn, or was: of whoever waits for it each gets the same, also where it fails."""

    def __init__(self) -> None:
        self.text: Future[str] = Future()
        self.kept_until = float("inf")


class SharedLook:
    """The parts of the page that have changed, by what the browser has and what it gets. Whoever asks while they are being drawn waits,
    no longer than for the database."""

    def __init__(self) -> None:
        # The forms of each page carry the token of its own session. Nobody can guess what stands in its place, so that no name holds it.
        self._stands_for_token = secrets.token_hex(16)
        self._lock = threading.Lock()
        self._drawings: dict[Hashable, _Drawing] = {}

    def show(self, live: Live) -> str:
        """The HTML for this session. Raises `TimeoutError` where somebody else's drawing does not end, and what that one raises."""
        # Of a run that is over the marker does not tell all: its mail is still on the way. And each page begins with a marker.
        is_shared = live.since and not live.is_over
        drawn = self._draw_once(live) if is_shared else self._draw(live)
        return drawn.replace(self._stands_for_token, generate_csrf())

    def _draw_once(self, live: Live) -> str:
        mine, key = _Drawing(), _same(live)
        with self._lock:
            now = time.monotonic()
            self._drawings = {name: kept for name, kept in self._drawings.items() if now < kept.kept_until}
            drawing = self._drawings.setdefault(key, mine)
        if drawing is not mine:
            return drawing.text.result(patience.left_s())
        try:
            mine.text.set_result(self._draw(live))
        except BaseException as error:
            mine.text.set_exception(error)
            raise
        finally:
            self._keep(key, mine)
        return mine.text.result()

    def _keep(self, key: Hashable, drawing: _Drawing) -> None:
        """For a moment; a failure for nobody but those who wait."""
        with self._lock:
            drawing.kept_until = time.monotonic() + KEPT_S
            if drawing.text.exception() is not None:
                del self._drawings[key]

    def _draw(self, live: Live) -> str:
        return render_template("migrations/_update.html", live=live, run=live.run, csrf_token=lambda: self._stands_for_token)


def _same(live: Live) -> Hashable:
    return live.run.id, live.page, live.since, live.marker, current_user.role


def register(app: Flask) -> None:
    """Bind what is shared to an app."""
    app.extensions["panel_looks"] = SharedLook()


def show(live: Live) -> str:
    """What is new on this page, as HTML for whoever asks."""
    looks: SharedLook = current_app.extensions["panel_looks"]
    return looks.show(live)
