"""Which rows of a list were checked, or that all are meant that match its filters: read from a request, carried on from page to page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from sqlalchemy import Select

from panel.web.access import safe_next

#: More cannot be checked on one page.
MOST = 500


@dataclass(frozen=True)
class Picked:
    """The choice. `ids` counts unless `everything` is set; then `search` and `filters` do. `back`: the list
    they were picked from as it was, its order and page included; empty where that is not known."""

    ids: tuple[int, ...]
    everything: bool
    search: str
    filters: dict[str, str]
    back: str = ""

    def rows_of(self, matching: Callable[[str, Mapping[str, str]], Select[Any]], model: Any) -> Select[Any]:
        """The query for the rows meant, out of the one that fills the list."""
        if self.everything:
            return matching(self.search, self.filters)
        return matching("", {}).where(model.id.in_(self.ids))

    def address(self, endpoint: str) -> str:
        """The list they were picked from, narrowed as it was."""
        values: dict[str, Any] = {**self.filters, "q": self.search or None}
        return safe_next(self.back, url_for(endpoint, **values))

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Names and values that say the same again, for hidden inputs."""
        back = [("next", self.back)] if self.back else []
        if self.everything:
            return [("all", "1"), *((key, value) for key, value in {"q": self.search, **self.filters}.items() if value), *back]
        return [*(("ids", str(number)) for number in self.ids), *back]


def picked(*filters: str) -> Picked:
    """Read `ids`, `all`, `q`, `next` and the named filters from query or form; what makes no sense is left out."""
    ids = [int(value) for value in request.values.getlist("ids")[:MOST] if value.isdecimal() and len(value) < 10]
    chosen = {name: value[:100] for name in filters if (value := request.values.get(name, ""))}
    search, everything = request.values.get("q", "").strip()[:100], request.values.get("all") == "1"
    return Picked(tuple(dict.fromkeys(ids)), everything, search, chosen, request.values.get("next", ""))
