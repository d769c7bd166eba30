"""Account names on Emby and Jellyfin: which are allowed, and when two are the same."""

from __future__ import annotations

import unicodedata

from panel.domain.names import MOST_CHARACTERS, is_allowed
from panel.platforms.base import Refused


def allowed_name(name: str) -> str:
    """The name as it is sent: composed (NFC), without white space around it. Raises `Refused` with a sentence where Jellyfin would not
    take it.

    Jellyfin allows Unicode letters, digits, underscore, space and `- ' . @ +`, and 12.0 refuses `.` and `..`; Emby 4's own rule is not
    known, so that this one serves for both (reference 4.1).
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise Refused("An account needs a name, and this one is empty.")
    if cleaned in (".", ".."):
        raise Refused(f"“{cleaned}” cannot be the name of an account.")
    if len(cleaned) > MOST_CHARACTERS:
        raise Refused(f"An account's name may have {MOST_CHARACTERS} characters at most; this one has {len(cleaned)}.")
    odd = sorted({char for char in cleaned if not is_allowed(char)})
    if odd:
        shown = " ".join(char if char.isprintable() else f"U+{ord(char):04X}" for char in odd[:5])
        raise Refused(f"An account's name may hold letters, digits, spaces and _ - ' . @ + only, not: {shown}")
    return cleaned
