"""A list's address: filters, order and page stand in the query, so that every view of a list can be bookmarked."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from flask import request, url_for


@dataclass(frozen=True)
class Asked:
    """What the address of a list asks for."""

    search: str
    sort: str
    page: int
    filters: dict[str, str]
    default: str = ""

    @property
    def order(self) -> str:
        """The order the list is in: the one asked for, else its own."""
        return self.sort or self.default

    def address(self, **changes: Any) -> str:
        """The same list with something changed (`None` leaves it out); anything but the page itself goes back to page 1."""
        values = {"q": self.search, "sort": self.sort, **self.filters, "page": self.page if "page" in changes else None, **changes}
        return url_for(request.endpoint or "", **(request.view_args or {}), **{key: value for key, value in values.items() if value})

    def sorted_by(self, key: str) -> str:
        """The address that sorts by this column, the other way round when it does already."""
        return self.address(sort=f"-{key}" if self.order == key else key)

    @property
    def is_narrowed(self) -> bool:
        """Whether a search or a filter is on."""
        return bool(self.search or self.filters)


class Ids:
    """What a filter by a row knows: the ids rows may have, and these words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __contains__(self, value: object) -> bool:
        return value in self.words or (isinstance(value, str) and value.isdecimal() and len(value) < 10)


class Anything:
    """What a filter by free text knows."""

    def __contains__(self, value: object) -> bool:
        return True


def asked(default: str = "", sorts: Container[str] = (), /, **filters: Container[str]) -> Asked:
    """Read `q`, `sort`, `page` and the filters (each with the values it knows) from the query; what makes no sense counts as not given.
    `default`: the order of the list where none is asked for; `sorts`: the others it knows."""
    page = request.args.get("page", 1, int)
    given = {name: request.args.get(name, "").strip()[:100] for name in filters}
    chosen = {name: value for name, value in given.items() if value and value in filters[name]}
    sort = request.args.get("sort", "")
    known = sort if sort.removeprefix("-") in sorts else ""
    return Asked(request.args.get("q", "").strip()[:100], known, max(1, page or 1), chosen, default)
