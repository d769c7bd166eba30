"""What servers say at any length is taken in as it can be stored: names cut, addresses whole or not at all, identities refused."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from panel.platforms.base import UnexpectedAnswer
from panel.platforms.mediabrowser_rows import identity_of, library_of, member_of
from panel.platforms.plex import rows_v1, rows_v2, server_rows
from panel.platforms.plex.sections import Section

WHO = "The server"
POLICY = {"IsAdministrator": False, "IsDisabled": False, "EnableAllFolders": False, "EnabledFolders": []}


def test_a_long_name_is_cut_and_a_long_address_is_none_on_emby_and_jellyfin() -> None:
    found = member_of({"Id": "7", "Name": "n" * 300, "ConnectUserName": f"{'a' * 300}@example.test", "Policy": POLICY}, WHO)
    assert (found.name, found.email) == ("n" * 255, "")
    assert library_of("7", "n" * 300, "movies", WHO).name == "n" * 255


@pytest.mark.parametrize("address", ["ada@example.test", f"{'a' * 300}@example.test"])
def test_a_long_name_is_cut_and_a_long_address_is_none_on_plex(address: str) -> None:
    kept = address if len(address) < 255 else ""
    person = {"id": 7, "username": "n" * 300, "email": address}
    of_v2 = rows_v2.member_of({"id": 5, "invited": person, "libraries": []}, accepted=True, who=WHO)
    row = ElementTree.Element("SharedServer", {"id": "5", "userID": "7", "username": "n" * 300, "email": address})
    of_v1 = rows_v1.member_of(row, WHO)
    assert [(found.name, found.email) for found in (of_v1, of_v2)] == [("n" * 255, kept)] * 2
    unnamed = rows_v1.member_of(ElementTree.Element("SharedServer", {"id": "5", "userID": "7"}), WHO)
    assert rows_v1.as_listed(unnamed, {"title": "t" * 300}).name == "t" * 255
    assert Section("5", "1", "n" * 300, "movie").library.name == "n" * 255


def about_emby(machine_id: str, version: str) -> dict[str, Any]:
    """What an Emby server says of itself."""
    return {"Id": machine_id, "Version": version, "ServerName": "New", "LocalAddresses": []}


def about_plex(machine_id: str, version: str) -> ElementTree.Element:
    """What a Plex Media Server says of itself."""
    return ElementTree.Element("MediaContainer", {"machineIdentifier": machine_id, "version": version})


def test_a_long_version_is_cut() -> None:
    assert identity_of(about_emby("i" * 80, "4." * 100), "emby", WHO).version == ("4." * 100)[:40]
    assert server_rows.identity_of(about_plex("i" * 80, "1." * 100), WHO).version == ("1." * 100)[:40]


def test_an_identity_that_cannot_be_stored_whole_is_refused() -> None:
    with pytest.raises(UnexpectedAnswer, match="system information"):
        identity_of(about_emby("i" * 81, "4.9"), "emby", WHO)
    with pytest.raises(UnexpectedAnswer, match="does not answer like"):
        server_rows.identity_of(about_plex("i" * 81, "1.41"), WHO)
