"""Which requests that change something have left: told to whoever collects them, with nothing secret in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TypeVar

from panel.platforms import answers
from panel.platforms.base import PlatformError

#: What a call says until its end is known.
UNKNOWN = "It is not known how this ended."
#: The longest path that is kept, in characters.
LONGEST_PATH = 500

E = TypeVar("E", bound=PlatformError)


class Unnoted:
    """A call nobody collects."""

    def __enter__(self) -> Unnoted:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def answered(self, status: int) -> None:
        """Take note of the HTTP status that came."""


@dataclass
class SentCall(Unnoted):
    """One changing request; as a context manager it learns how it ended. `at`: when it was sent (UTC). `path`: without query and keys.
    `status`: the answer's, `None` when none came. `result`: what went wrong, in a sentence; empty when it was done."""

    at: datetime
    method: str
    path: str
    status: int | None = None
    result: str = UNKNOWN

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.result = ""
        elif isinstance(error, PlatformError):
            self.result = sentence_of(error)

    def answered(self, status: int) -> None:
        """Take note of the HTTP status that came."""
        self.status = status


UNNOTED = Unnoted()

_collected: ContextVar[list[SentCall] | None] = ContextVar("collected", default=None)


@contextmanager
def collecting(calls: list[SentCall]) -> Iterator[list[SentCall]]:
    """The changing requests that this thread sends inside are appended to `calls` as they leave; whoever collects around this is told of
    them at the end."""
    around, before = _collected.get(), len(calls)
    mark = _collected.set(calls)
    try:
        yield calls
    finally:
        _collected.reset(mark)
        if around is not None:
            around.extend(calls[before:])


def noted(method: str, path: str, headers: Mapping[str, str]) -> Unnoted:
    """Around one request: collected where it changes something and somebody collects. `headers`: whose keys must not be told."""
    calls = _collected.get()
    if calls is None or method == "GET":
        return UNNOTED
    bare = answers.without(answers.secrets_in(headers), path.partition("?")[0])
    call = SentCall(datetime.now(UTC), method, bare[:LONGEST_PATH])
    calls.append(call)
    return call


def misread(error: E) -> E:
    """The last request was answered, but with something nobody can go by: `error` becomes its result, and is given back to be raised."""
    calls = _collected.get()
    if calls and not calls[-1].result:
        calls[-1].result = sentence_of(error)
    return error


def sentence_of(error: PlatformError) -> str:
    """What an error says, as every database can store it."""
    return str(answers.storable(str(error)))
