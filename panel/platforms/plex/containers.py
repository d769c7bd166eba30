"""XML as plex.tv v1 and a Plex Media Server send it: the root of an answer, and the rows of a `MediaContainer`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from panel.platforms.base import ServerFault, UnexpectedAnswer


def xml_root(body: bytes, who: str) -> ElementTree.Element:
    """The root element. Raises `UnexpectedAnswer` for anything that is not plain XML; a document type (a page, or an entity bomb) is
    refused unread."""
    if b"<!doctype" in body[:2000].lower() or b"<!entity" in body[:2000].lower():
        raise UnexpectedAnswer(f"{who} answered with a page where data was expected: perhaps another program answers at this URL.")
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise UnexpectedAnswer(f"{who} answered with something that is not data: perhaps another program answers at this URL.") from None


def elements_of(root: ElementTree.Element, tag: str, who: str) -> list[ElementTree.Element]:
    """The rows of a container. Raises `UnexpectedAnswer` for something else, `ServerFault` for fewer rows than it says it holds: that is
    half an answer."""
    if root.tag != "MediaContainer":
        raise UnexpectedAnswer(f"{who} answered with something else than the list asked for.")
    rows = root.findall(tag)
    if len(rows) < max(_counts(root.get(name) for name in ("size", "totalSize"))):
        raise ServerFault(f"{who} answered with only a part of a list.")
    return rows


def _counts(values: Iterable[str | None]) -> list[int]:
    return [int(value) if value and re.fullmatch(r"[0-9]{1,9}", value) else 0 for value in values]
