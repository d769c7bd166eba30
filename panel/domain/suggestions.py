"""Which group a library that is in none may belong to: by its name and kind beside the libraries of other servers."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from panel.domain.libraries import PREMIUM_4K, PRIVATE, STANDARD

#: Words that mean the same in the name of a library.
ALIKE = {
    **dict.fromkeys(("films", "film", "movies", "movie", "cinema", "filme"), "films"),
    **dict.fromkeys(("shows", "show", "series", "serien", "tvshows", "tv"), "shows"),
    **dict.fromkeys(("kids", "kid", "children", "kinder"), "kids"),
    **dict.fromkeys(("docs", "documentary", "documentaries", "doku", "dokus"), "documentaries"),
    **dict.fromkeys(("4k", "uhd", "2160p"), "4k"),
}
IDLE = {"the", "my", "our", "library", "libraries", "and", "in"}
#: Words of names whose library is nobody's business unless an admin says otherwise.
PERSONAL = {"home", "homevideos", "private", "personal", "family", "wedding", "holidays"}


@dataclass(frozen=True)
class NamedLibrary:
    """A library, the server it is on, its kind, and the name of its group (empty: none yet)."""

    id: int
    server_id: int
    name: str
    kind: str
    group: str = ""


def suggestions(libraries: Iterable[NamedLibrary], groups: Iterable[str]) -> dict[int, str]:
    """Library id to the name of a group for each library in none: the group most libraries of this name and kind have on other servers,
    else Private for what sounds personal, Premium 4K for 4K and UHD, and Standard. Only groups that exist are suggested."""
    rows, there = list(libraries), set(groups)
    exact, alike = _by_name(rows, _folded), _by_name(rows, _meaning)
    found: dict[int, str] = {}
    for library in rows:
        if library.group:
            continue
        group = _most(exact, _folded(library.name), library) or _most(alike, _meaning(library.name), library) or _by_words(library)
        if group in there:
            found[library.id] = group
    return found


Namesakes = dict[tuple[Hashable, str], list[NamedLibrary]]


def _by_name(libraries: Iterable[NamedLibrary], key: Callable[[str], Hashable]) -> Namesakes:
    found: Namesakes = {}
    for library in libraries:
        if library.group:
            found.setdefault((key(library.name), library.kind), []).append(library)
    return found


def _most(namesakes: Namesakes, name: Hashable, library: NamedLibrary) -> str:
    """The group most of the namesakes on other servers have; where two are even, Private goes first, as it opens nothing."""
    counts = Counter(other.group for other in namesakes.get((name, library.kind), ()) if name and other.server_id != library.server_id)
    return min(counts, key=lambda group: (-counts[group], group != PRIVATE, group), default="")


def _by_words(library: NamedLibrary) -> str:
    words = _words(library.name)
    if library.kind == "photos" or words & PERSONAL:
        return PRIVATE
    return PREMIUM_4K if "4k" in words else STANDARD


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _meaning(name: str) -> frozenset[str]:
    return frozenset(_words(name) - IDLE)


def _words(name: str) -> set[str]:
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(letter))
    return {ALIKE.get(word, word) for word in re.findall(r"\w+", plain.replace("_", " "))}
