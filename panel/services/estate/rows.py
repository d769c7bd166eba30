"""How an entry of an estate file gets into a row, and the tally of what that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

PLURALS = {"library": "libraries"}


class Summary:
    """What an import did: how many rows of each kind were `created` and `updated`; `str` makes a sentence of it."""

    def __init__(self) -> None:
        self.created: Counter[str] = Counter()
        self.updated: Counter[str] = Counter()

    def note(self, kind: str, *, is_new: bool, changed: bool) -> None:
        """Count one row."""
        if is_new:
            self.created[kind] += 1
        elif changed:
            self.updated[kind] += 1

    def __str__(self) -> str:
        parts = [
            f"{verb} {', '.join(_counted(kind, count) for kind, count in counts.items())}"
            for verb, counts in (("created", self.created), ("updated", self.updated))
            if counts
        ]
        sentence = "; ".join(parts)
        return f"{sentence[0].upper()}{sentence[1:]}." if parts else "Everything was as the file says already."


def write(row: Any, entry: BaseModel, columns: Mapping[str, str]) -> bool:
    """Put the keys that were given into their columns; a key that is absent leaves its column alone. Answers whether any changed."""
    changed = False
    for key, column in columns.items():
        if key not in entry.model_fields_set:
            continue
        value = getattr(entry, key)
        value = value.get_secret_value() if isinstance(value, SecretStr) else value
        if getattr(row, column) != value:
            setattr(row, column, value)
            changed = True
    return changed


def _counted(kind: str, count: int) -> str:
    return f"{count} {kind}" if count == 1 else f"{count} {PLURALS.get(kind, kind + 's')}"
