"""How long PostgreSQL is waited for: a bounded time for each question, also where the connection stands and nothing comes any more.

The kernel notices a host that is gone (`WHILE_THERE`), but not one that takes everything and says nothing, as a proxy does whose own way
onward is gone, or a server whose disk hangs. Whoever gives up has an error like any other of the database, and asks the next time over a
new connection: a page, a chore, a run, each of their threads. What somebody waits for meanwhile of a media server does not count.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import click

#: Longer than PostgreSQL leaves rows to somebody who says nothing (`extensions.SILENT_S`): what was pressed, or is at work, gets its turn.
QUESTION_S = 40.0

_within_s: ContextVar[float | None] = ContextVar("within_s", default=None)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """No statement of this thread is waited for any longer inside."""
    mark = _within_s.set(min(seconds, _within_s.get() or seconds))
    try:
        yield
    finally:
        _within_s.reset(mark)


def left_s() -> float | None:
    """How many seconds the next statement may take; `None`: as many as it needs, in a command. Its statements may be about all there is
    (a restore, a new schema), and whoever has typed it can end it."""
    return _within_s.get() or (None if click.get_current_context(silent=True) else QUESTION_S)
