"""What stands on a page, read out of its HTML."""

from __future__ import annotations

import re
from html import unescape


def fields(text: str) -> dict[str, list[str]]:
    """The hidden inputs of a page's question."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text):
        found.setdefault(name, []).append(unescape(value))
    return found


def names(text: str) -> list[str]:
    """Who is listed, in this order."""
    return re.findall(r'href="/users/\d+[^"]*"><bdi>([^<]+)</bdi>', text)


def link(text: str, path: str) -> str:
    """The address of the link that leads to `path`."""
    found = re.search(rf'href="({re.escape(path)}(?:\?[^"]*)?)"', text)
    assert found, path
    return unescape(found[1])


def target_of(form: str) -> str:
    """Where this page's form by POST is sent."""
    found = re.search(r'<form method="post" action="([^"]*)" novalidate', form)
    assert found
    return unescape(found[1])


def way_back(page: str) -> str:
    """Where the link above the title leads."""
    found = re.search(r'<p class="mb-2[^"]*"><a href="([^"]*)"', page)
    assert found
    return unescape(found[1])
