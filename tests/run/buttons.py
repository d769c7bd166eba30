"""Buttons that somebody else presses while the worker is at work, and how far each of the two has come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text

from panel.extensions import db
from panel.models import Migration
from tests.processes import wait_until


class Button:
    """A button that somebody else presses while the worker is at work, each with a transaction of its own."""

    def __init__(self, app: Flask, run: Migration, act: Callable[[Migration], object]) -> None:
        self.app, self.run_id, self.act = app, run.id, act
        self.is_held = threading.Event()
        "What it changes is written and not yet committed."
        self.asked = threading.Event()
        "The first change has been sent to the database."
        self.let_go = threading.Event()
        self.refusal = ""
        "What came of it instead."
        self._thread = threading.Thread(target=self._press, daemon=True)

    def press(self) -> None:
        """Without waiting for it."""
        self._thread.start()

    def wait(self) -> None:
        """Until it is committed or refused."""
        self.let_go.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def is_through_or_waits(self) -> bool:
        """Whether it has been carried out but for the commit, or waits for what somebody else has locked."""
        return self.is_held.is_set() or (self.asked.is_set() and (is_sqlite() or anybody_waits()))

    def _press(self) -> None:
        with self.app.app_context(), told(self.asked):
            try:
                self.act(db.session.get_one(Migration, self.run_id))
                self.is_held.set()
                assert self.let_go.wait(30)
                db.session.commit()
            except Exception as error:  # Whatever it is, the test is to fail with it and not to wait for ever.
                self.refusal = repr(error)
            finally:
                self.is_held.set()


def is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"


def anybody_waits() -> bool:
    """Whether somebody waits for a lock of this database (PostgreSQL)."""
    with db.engine.connect() as asking:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return asking.execute(text(query)).first() is not None


@contextmanager
def told(asked: threading.Event, *, after: threading.Event | None = None) -> Iterator[None]:
    """The event is set as soon as this thread sends a change to the database, or the first one after another event."""
    mine = threading.get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        is_late = after is None or after.is_set()
        if is_late and threading.get_ident() == mine and statement.lstrip().upper().startswith(("UPDATE", "INSERT", "DELETE")):
            asked.set()

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def before(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, do: Callable[[], object]) -> threading.Event:
    """Something happens once, right before the worker calls this; answers the event that tells whether it has."""
    original, done = getattr(place, name), threading.Event()

    def called(*args: Any, **options: Any) -> Any:
        if not done.is_set():
            done.set()
            do()
        return original(*args, **options)

    monkeypatch.setattr(place, name, called)
    return done


def hold(button: Button) -> None:
    """Press it; what it changes is written, and not committed."""
    button.press()
    assert button.is_held.wait(30)


def press_and_see(button: Button) -> None:
    """Press it, and go on once it waits for the worker or has been carried out, all but the commit."""
    button.press()
    wait_until(button.is_through_or_waits, 30)
    button.let_go.set()


@contextmanager
def let_go_once_the_worker_waits(button: Button) -> Iterator[None]:
    """A button that was held is committed as soon as the worker waits for it, or has got by without."""
    asked, through = threading.Event(), threading.Event()

    def watch() -> None:
        with button.app.app_context():
            assert button.is_held.wait(60)
            wait_until(lambda: through.is_set() or (asked.is_set() and (is_sqlite() or anybody_waits())), 30)
            button.let_go.set()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with told(asked, after=button.is_held):
        try:
            yield
        finally:
            through.set()
            watcher.join(60)


def pressed(app: Flask, run: Migration, *acts: Callable[[Migration], object]) -> str:
    """One after another is pressed and committed by somebody else; answers what came of it instead."""

    def act(fresh: Migration) -> None:
        for each in acts:
            each(fresh)
            db.session.commit()

    button = Button(app, run, act)
    button.press()
    button.wait()
    return button.refusal
