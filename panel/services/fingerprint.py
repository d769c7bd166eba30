"""A short sum over what somebody was shown, sent back with their confirmation: what has become something else is asked again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def fingerprint(*parts: Iterable[int]) -> str:
    """The same for the same numbers in whatever order within each part; another one for other numbers, however many."""
    said = ";".join(",".join(map(str, sorted(part))) for part in parts)
    return hashlib.blake2s(said.encode(), digest_size=12).hexdigest()
