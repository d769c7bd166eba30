"""Rows by their natural key, and what to say when a name is not among them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_NAMED = 12


class Names(Generic[T]):
    """Things by name: exactly, else upper and lower case alike where that is unambiguous."""

    def __init__(self, rows: Iterable[tuple[str, T]] = ()) -> None:
        self._exact: dict[str, T] = {}
        self._folded: dict[str, list[str]] = {}
        for name, row in rows:
            self.add(name, row)

    def add(self, name: str, row: T) -> None:
        """Take one in; a later one with exactly this name replaces an earlier one."""
        if name not in self._exact:
            self._folded.setdefault(name.casefold(), []).append(name)
        self._exact[name] = row

    def find(self, name: str) -> T | None:
        """The one with this name."""
        alike = self._folded.get(name.casefold(), [])
        if name not in self._exact and len(alike) == 1:
            return self._exact[alike[0]]
        return self._exact.get(name)

    def unknown(self, kind: str, name: str) -> str:
        """A sentence for a name that is not here: what is."""
        if not self._exact:
            return f"there is no {kind} named “{name}”, and none at all yet"
        if len(self._exact) <= MOST_NAMED:
            return f"there is no {kind} named “{name}”; known: {', '.join(sorted(self._exact))}"
        near = difflib.get_close_matches(name, self._exact, 3) or sorted(self._exact)[:MOST_NAMED]
        return f"there is no {kind} named “{name}” among {len(self._exact)}; perhaps: {', '.join(near)}"
