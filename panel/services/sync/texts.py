"""Names and addresses from media servers, as they fit into a column or a sentence."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 255
#: How many are named where there may be many.
MOST_NAMED = 5


def fitting(text: str) -> str:
    """Without NUL and halves of character pairs, which no database takes, and no longer than a column. Otherwise as it came."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST]


def some_of(names: Sequence[str]) -> str:
    """The first few of many names (one at least), for a sentence."""
    *first, last = [*names[:MOST_NAMED], "others"] if len(names) > MOST_NAMED else names
    return f"{', '.join(first)} and {last}" if first else last
