"""Jellyfin: libraries, and what a user sees of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.http import Answer
from panel.simulators.jellyfin_answers import own_account
from panel.simulators.mediabrowser_accounts import Library
from panel.simulators.mediabrowser_routes import Asked, Need, Routes

if TYPE_CHECKING:
    from panel.simulators.jellyfin import Jellyfin

ROUTES: Routes[Jellyfin] = Routes()


@ROUTES.add("GET", "/Library/VirtualFolders")
def virtual_folders(server: Jellyfin, asked: Asked) -> Answer:
    """All libraries; one that was never scanned has no id yet."""
    return Answer.of_json([_virtual_folder(library) for library in server.libraries])


@ROUTES.add("GET", "/Library/MediaFolders")
def media_folders(server: Jellyfin, asked: Asked) -> Answer:
    """Libraries as items, Collections among them."""
    rows = [_folder_item(server, library) for library in server.libraries if library.scanned]
    return _page([*rows, _collections(server)])


@ROUTES.add("GET", "/UserViews", "/Users/{id}/Views", need=Need.TOKEN)
def views(server: Jellyfin, asked: Asked) -> Answer:
    """What the user sees: the libraries granted, and Collections always."""
    seen = server.visible(own_account(server, asked))
    rows = [_folder_item(server, library) for library in server.libraries if library.name in seen]
    return _page([*rows, _collections(server)])


def _page(rows: list[dict[str, Any]]) -> Answer:
    return Answer.of_json({"Items": rows, "TotalRecordCount": len(rows), "StartIndex": 0})


def _virtual_folder(library: Library) -> dict[str, Any]:
    options = {"Enabled": True, "PathInfos": [{"Path": place} for place in library.locations]}
    shown: dict[str, Any] = {
        "Name": library.name,
        "Locations": library.locations,
        "CollectionType": library.kind,
        "LibraryOptions": options,
        "RefreshStatus": "Idle",
    }
    if library.scanned:
        shown |= {"ItemId": library.item_id, "PrimaryImageItemId": library.item_id}
    return shown


def _collections(server: Jellyfin) -> dict[str, Any]:
    return _folder_item(server, Library("Collections", "boxsets", server.collections_id, "", []))


def _folder_item(server: Jellyfin, library: Library) -> dict[str, Any]:
    shown = {
        "Name": library.name,
        "ServerId": server.server_id,
        "Id": library.item_id,
        "IsFolder": True,
        "Type": "CollectionFolder",
        "ImageTags": {},
        "BackdropImageTags": [],
    }
    return shown if library.kind == "mixed" else {**shown, "CollectionType": library.kind}
