"""Following the panel's own links and search forms, so that no screen, filter or order is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

#: How many addresses that differ by nothing but the ids in their path or query are followed.
ALIKE = 1
#: Which list somebody came from: the page is the same.
WHENCE = {"next"}
#: What says whom a page is about; anything else in a query narrows or sorts a list, one at a time.
ABOUT = {"source", "target", "user", "ids", "all", "platform", "account"}


class Found(HTMLParser):
    """The addresses a page leads to without a change: links, what HTMX fetches, and search forms with each choice of their lists."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self._page, self._form, self._select = page, "", ""
        self._fields: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes addresses and the fields of search forms."""
        given = {name: value or "" for name, value in attrs}
        for name in ("href", "hx-get"):
            if given.get(name):
                self.addresses.append(urljoin(self._page, given[name]))
        if tag == "form" and given.get("method", "get") == "get":
            self._form, self._fields = urljoin(self._page, given.get("action", "")), {}
        elif self._form and tag == "select":
            self._select = given["name"]
            self._fields[self._select] = []
        elif self._form and tag == "option" and self._select:
            self._fields[self._select].append(given.get("value", ""))
        elif self._form and tag == "input" and given.get("name") and given.get("type") in ("hidden", "search", "radio"):
            self._fields.setdefault(given["name"], []).append("e" if given["type"] == "search" else given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        """A form's end: each choice of each field, the others left alone."""
        if tag == "select":
            self._select = ""
        if tag != "form" or not self._form:
            return
        always = {name: values[0] for name, values in self._fields.items() if len(values) == 1 and values[0] and name != "q"}
        for name, values in self._fields.items():
            self.addresses += [f"{self._form}?{urlencode({**always, name: value})}" for value in values if value]
        self._form = ""


@dataclass
class Crawl:
    """A walk over addresses of one host; each is given out once, of those alike only one."""

    waiting: list[str]
    seen: set[str] = field(default_factory=set)
    _alike: dict[tuple[object, ...], int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        while self.waiting:
            address = self.waiting.pop(0)
            if address not in self.seen and self._is_new(address):
                self.seen.add(address)
                yield address

    def read(self, address: str, page: str) -> None:
        """Take up what a page leads to."""
        found = Found(address)
        found.feed(page)
        self.waiting += [f"{urlsplit(each).path}?{urlsplit(each).query}".rstrip("?") for each in found.addresses if _is_ours(each)]

    def _is_new(self, address: str) -> bool:
        parts = urlsplit(address)
        asked = [(name, "" if name in WHENCE else value) for name, value in parse_qsl(parts.query) if name != "since"]
        if len({name for name, _ in asked} - ABOUT - WHENCE) > 1:
            return False
        path = tuple("#" if step.isdigit() else step for step in parts.path.split("/"))
        query = tuple(sorted((name, "#" if value.isdigit() else value) for name, value in asked))
        self._alike[path, query] = self._alike.get((path, query), 0) + 1
        return self._alike[path, query] <= ALIKE


def _is_ours(address: str) -> bool:
    parts = urlsplit(address)
    return not parts.netloc and parts.path.startswith("/") and not parts.path.startswith(("/static", "/bootstrap"))
