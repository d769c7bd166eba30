"""Names and addresses from media servers, as they fit into a column."""

from __future__ import annotations

LONGEST = 255


def fitting(text: str) -> str:
    """Without NUL and halves of character pairs, which no database takes, and no longer than a column. Otherwise as it came."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST]
