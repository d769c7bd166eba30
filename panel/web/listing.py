"""A list's address: filters, order and page stand in the query, so that every view of a list can be bookmarked."""

from __future__ import annotations

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

    def address(self, **changes: Any) -> str:
        """The same list with something changed (`None` leaves it out); anything but the page itself goes back to page 1."""
        values = {"q": self.search, "sort": self.sort, **self.filters, "page": self.page if "page" in changes else None, **changes}
        return url_for(request.endpoint or "", **(request.view_args or {}), **{key: value for key, value in values.items() if value})

    def sorted_by(self, key: str) -> str:
        """The address that sorts by this column, the other way round when it does already."""
        return self.address(sort=f"-{key}" if self.sort == key else key)

    @property
    def is_narrowed(self) -> bool:
        """Whether a search or a filter is on."""
        return bool(self.search or self.filters)


def asked(*filters: str) -> Asked:
    """Read `q`, `sort`, `page` and the named filters from the query; what makes no sense counts as not given."""
    page = request.args.get("page", 1, int)
    chosen = {name: value.strip()[:100] for name in filters if (value := request.args.get(name, ""))}
    return Asked(request.args.get("q", "").strip()[:100], request.args.get("sort", "")[:40], max(1, page or 1), chosen)
