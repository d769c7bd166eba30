"""Account names on Emby and Jellyfin: which one a person gets, and when two are the same."""

import functools
import re
import unicodedata

MOST_CHARACTERS = 255
#: What most names are: nothing in them has to be left out or brought into another form.
_PLAIN = re.compile(r"[A-Za-z0-9]+(?:[ _\-'.@+][A-Za-z0-9]+)*")
_ALLOWED_BESIDE_LETTERS = frozenset(" _-'.@+")


def fold(name: str) -> str:
    """The form in which names are compared: compatibility-normalised, case-folded, without surrounding space."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


@functools.lru_cache(maxsize=4096)
def is_allowed(character: str) -> bool:
    """Whether Jellyfin takes this character in a name (emby-jellyfin.md §4.1); Emby takes more, but one rule keeps people movable."""
    if character in _ALLOWED_BESIDE_LETTERS:
        return True
    category = unicodedata.category(character)
    return ord(character) < 0x10000 and (category.startswith("L") or category in ("Nd", "Mn", "Mc"))


def wanted_name(*wishes: str) -> str:
    """The first of the wishes that makes a name: composed, other characters left out, single spaces, at most 255 characters.
    Empty when none does."""
    for wish in wishes:
        if len(wish) <= MOST_CHARACTERS and _PLAIN.fullmatch(wish):
            return wish
        kept = "".join(character if is_allowed(character) else " " for character in unicodedata.normalize("NFC", wish))
        name = re.sub(r"\s+", " ", kept).strip()[:MOST_CHARACTERS].strip()
        if name.strip(". "):
            return name
    return ""


def same_name(one: str, other: str) -> bool:
    """Whether a media server would take these for one account."""
    return fold(one) == fold(other)
