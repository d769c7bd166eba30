"""Whoever changes something at Plex takes turns: of several changing requests that make up one step, each has a turn of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

#: Waits for one more turn, or raises where none is to be waited for: then the request does not leave.
Another = Callable[[], None]


@dataclass
class _Taken:
    another: Another
    is_used: bool = False


_taken: ContextVar[_Taken | None] = ContextVar("taken", default=None)


@contextmanager
def one_taken(another: Another) -> Iterator[None]:
    """A turn was taken for the first changing request that this thread sends to plex.tv inside; `another` is called before each further
    one, also where the one before it was refused."""
    mark = _taken.set(_Taken(another))
    try:
        yield
    finally:
        _taken.reset(mark)


def require_one(method: str) -> None:
    """Before a request to plex.tv: where it changes something and turns are taken, its own. Raises what `another` does."""
    taken = _taken.get()
    if taken is None or method == "GET":
        return
    if taken.is_used:
        taken.another()
    taken.is_used = True
