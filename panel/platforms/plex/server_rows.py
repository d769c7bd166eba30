"""What a Plex Media Server says of itself and of its libraries (XML), read into values."""

from __future__ import annotations

from xml.etree import ElementTree

from panel.platforms.answers import MOST_ID, MOST_VERSION
from panel.platforms.base import Identity, UnexpectedAnswer
from panel.platforms.plex.containers import elements_of
from panel.platforms.plex.fields import text
from panel.platforms.plex.sections import Section, own_section_of


def identity_of(root: ElementTree.Element, who: str) -> Identity:
    """From `GET /identity`, which has no name. Raises `UnexpectedAnswer` where something else answers."""
    machine_id = text(root.get("machineIdentifier"))
    if not machine_id or len(machine_id) > MOST_ID:
        raise UnexpectedAnswer(f"{who} does not answer like a Plex Media Server: perhaps another program answers at this URL.")
    return Identity(machine_id, text(root.get("friendlyName")), text(root.get("version"))[:MOST_VERSION])


def sections_of(root: ElementTree.Element, who: str) -> list[Section]:
    """From `GET /library/sections`. Raises `ServerFault` for half a list, `UnexpectedAnswer` for none."""
    return [own_section_of(row.attrib, who) for row in elements_of(root, "Directory", who)]
