"""Emby: libraries in their several listings, and what a user sees of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.emby_answers import own_account_in_path, page
from panel.simulators.http import Answer
from panel.simulators.mediabrowser_accounts import Library
from panel.simulators.mediabrowser_routes import Asked, Need, Routes

if TYPE_CHECKING:
    from panel.simulators.emby import Emby

ROUTES: Routes[Emby] = Routes()

COLLECTIONS_NUMBER = "2"


def _identity(server: Emby, library: Library) -> dict[str, Any]:
    return {"Name": library.name, "Id": library.number} | ({} if server.guidless else {"Guid": library.id})


def _kind(library: Library) -> dict[str, Any]:
    return {} if library.kind == "mixed" else {"CollectionType": library.kind}


def _virtual_folder(server: Emby, library: Library) -> dict[str, Any]:
    more = {"Locations": library.locations, "LibraryOptions": {}, "ItemId": library.number, "RefreshStatus": "Idle"}
    return {**_identity(server, library), **_kind(library), **more}


def _folder_item(server: Emby, library: Library) -> dict[str, Any]:
    more = {"ServerId": server.server_id, "IsFolder": True, "Type": "CollectionFolder", "ImageTags": {}, "BackdropImageTags": []}
    return {**_identity(server, library), **_kind(library), **more}


@ROUTES.add("GET", "/Library/VirtualFolders")
def virtual_folders(server: Emby, asked: Asked) -> Answer:
    """All libraries, bare."""
    return Answer.of_json([_virtual_folder(server, library) for library in server.libraries])


@ROUTES.add("GET", "/Library/VirtualFolders/Query")
def virtual_folders_query(server: Emby, asked: Asked) -> Answer:
    """All libraries in pages."""
    rows, total = page(asked, server.libraries)
    return Answer.of_json({"Items": [_virtual_folder(server, library) for library in rows], "TotalRecordCount": total})


@ROUTES.add("GET", "/Library/MediaFolders")
def media_folders(server: Emby, asked: Asked) -> Answer:
    """Libraries as items."""
    rows = [_folder_item(server, library) for library in server.libraries]
    return Answer.of_json({"Items": rows, "TotalRecordCount": len(rows)})


@ROUTES.add("GET", "/Library/SelectableMediaFolders")
def selectable_folders(server: Emby, asked: Asked) -> Answer:
    """Libraries as the access page offers them, with their folders."""
    return Answer.of_json(
        [
            {**_identity(server, library), "SubFolders": _sub_folders(library), "IsUserAccessConfigurable": True}
            for library in server.libraries
        ]
    )


@ROUTES.add("GET", "/Users/{id}/Views", need=Need.TOKEN)
def views(server: Emby, asked: Asked) -> Answer:
    """What the user sees: the libraries granted, and Collections always."""
    seen = server.visible(own_account_in_path(server, asked))
    rows = [_folder_item(server, library) for library in server.libraries if library.name in seen]
    rows.append(_folder_item(server, Library("Collections", "boxsets", server.collections_id, COLLECTIONS_NUMBER, [])))
    return Answer.of_json({"Items": rows, "TotalRecordCount": len(rows)})


def _sub_folders(library: Library) -> list[dict[str, Any]]:
    return [
        {"Name": place.rpartition("/")[2], "Id": f"{library.number}{nth:02}", "Path": place, "IsUserAccessConfigurable": True}
        for nth, place in enumerate(library.locations, 1)
    ]
