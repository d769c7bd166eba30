"""Questions to parts that may hang: asked in a thread, one at a time, and answered for within a bounded time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Flight(Generic[T]):
    """One asking, which any number of requests wait for."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self.answer: T | None = None
        self._ask = ask
        self.thread = threading.Thread(target=self._fly, daemon=True)
        self.thread.start()

    def _fly(self) -> None:
        self.answer = self._ask()


class Probe(Generic[T]):
    """A question that may take forever. However many ask it, one thread at most waits for the answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    def ask(self, question: Callable[[], T], within_s: float) -> T | None:
        """The answer, or `None` when there is none in time."""
        with self._lock:
            if self._flight is None or not self._flight.thread.is_alive():
                self._flight = _Flight(question)
            flight = self._flight
        flight.thread.join(within_s)
        return flight.answer
