"""Emby 4: what it does differently from Jellyfin."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote, urlsplit

from panel.platforms.base import (
    CredentialsRefused,
    NotAvailable,
    NotThere,
    Person,
    PlatformError,
    RemoteLibrary,
    ServerFault,
    TooManyRequests,
    UnexpectedAnswer,
)
from panel.platforms.emby_accounts import EmbyAccounts
from panel.platforms.mediabrowser import Linked, MediaBrowserRemote
from panel.platforms.mediabrowser_accounts import path_of
from panel.platforms.mediabrowser_rows import is_library, library_of, rows_of, text_of, total_of

log = logging.getLogger(__name__)

PAGE = 500
#: More pages than any server has, and how often a list is read that does not come whole.
MOST_PAGES, LIST_TRIES = 1000, 3
#: Linking asks Emby's cloud, which takes its time.
CONNECT_LINK_READ_S = 60.0


class EmbyRemote(MediaBrowserRemote):
    """A live connection to an Emby server, see `panel.platforms.base.Remote`."""

    platform = "emby"
    product = "Emby"
    kind_of_accounts = EmbyAccounts

    def _base_url(self, url: str) -> str:
        # The prefix is optional on the server, but proxies often pass nothing else.
        url = url.rstrip("/")
        return url if url.casefold().endswith("/emby") and urlsplit(url).path else url + "/emby"

    def _key_headers(self, secret: str) -> dict[str, str]:
        return {"X-Emby-Token": quote(secret.strip(), safe="")}

    def _ask_as_administrator(self) -> None:
        try:
            self._door.json("GET", "/Users/Query", params={"Limit": 1})
        except (NotThere, NotAvailable):
            self._door.json("GET", "/Users")

    def libraries(self) -> list[RemoteLibrary]:
        """All libraries whose access can be configured (2 requests: one list knows the access ids, the other the kinds)."""
        kinds: dict[str, Any] = {}
        folders = self._rows("/Library/VirtualFolders/Query")
        for row in folders or []:
            kinds.update({row[key]: row.get("CollectionType") for key in ("Guid", "ItemId", "Id") if isinstance(row.get(key), str)})
        found: dict[str, RemoteLibrary] = {}
        for row in self._selectable_rows(folders):
            # Access lists take the Guid; the number is stored without a word and opens nothing (reference 5).
            library_id = text_of(row, ["Guid", "Id", "ItemId"], self.who)
            kind = kinds.get(library_id, kinds.get(text_of(row, ["Id"], self.who)))
            if library_id and is_library(kind) and row.get("IsUserAccessConfigurable") is not False:
                found.setdefault(library_id, library_of(library_id, row.get("Name"), kind, self.who))
        return list(found.values())

    def _selectable_rows(self, folders: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        rows = self._rows("/Library/SelectableMediaFolders")
        if rows is None:
            rows = folders
        if rows is None:
            raise UnexpectedAnswer(f"{self.who} has no way to list its libraries: it is too old, or another program answers.")
        return rows

    def _rows(self, path: str) -> list[dict[str, Any]] | None:
        """A list, or `None` where this server does not have the route."""
        try:
            return rows_of(self._door.json("GET", path), self.who)
        except (NotThere, NotAvailable):
            return None

    def _user_rows(self) -> list[dict[str, Any]]:
        try:
            answer = self._door.json("GET", "/Users")
        except (NotThere, NotAvailable):
            return self._paged_user_rows()
        rows, total = rows_of(answer, self.who), total_of(answer, self.who)
        return rows if total is None or total <= len(rows) else self._paged_user_rows()

    def _paged_user_rows(self) -> list[dict[str, Any]]:
        """Everybody, page by page. A list that changes while it is read leaves out who moves across the border of two pages: it is read
        anew. Raises `ServerFault` for one that does not come whole."""
        for _ in range(LIST_TRIES):
            found = self._whole_list()
            if found is not None:
                return found
        raise ServerFault(f"{self.who} gave a list of accounts that is not whole, or changes all the time; it was not believed.")

    def _whole_list(self) -> list[dict[str, Any]] | None:
        """All pages of one list; `None` when they do not belong together, or do not end."""
        found: dict[str, dict[str, Any]] = {}
        total: int | None = None
        start = 0
        for page in range(MOST_PAGES):
            answer = self._door.json("GET", "/Users/Query", params={"StartIndex": start, "Limit": PAGE})
            rows, said = rows_of(answer, self.who), total_of(answer, self.who)
            if page > 0 and said != total:
                return None
            total, known = said, len(found)
            found.update({str(row.get("Id")): row for row in rows})
            start += len(rows)
            # Where no total is told, only a page that is not full is the last one.
            if len(rows) < PAGE if total is None else start >= total:
                return list(found.values()) if len(found) >= (start if total is None else total) else None
            if len(found) == known:
                return None
        return None

    def _link(self, account_id: str, person: Person, *, perhaps_linked: bool = False) -> Linked:
        if not person.email:
            return Linked()
        path = path_of(account_id)
        try:
            if perhaps_linked and self._is_linked(path):
                return Linked()
            answer = self._door.json(
                "POST",
                f"{path}/Connect/Link",
                params={"ConnectUsername": person.email},
                read_s=CONNECT_LINK_READ_S,
                quoted=False,
                fresh=True,
            )
        except PlatformError as error:
            return self._why_not_linked(path, error)
        if isinstance(answer, dict) and answer.get("IsPending") is True:
            return Linked("Emby Connect has sent an e-mail that the person has to confirm before signing in through it.")
        return Linked()

    def _why_not_linked(self, path: str, error: PlatformError) -> Linked:
        """A failure may have come after the link was made: the account tells (1 request). Not asked where nothing more may be."""
        linked: bool | None = None
        slow_down = error if isinstance(error, TooManyRequests) else None
        if not isinstance(error, (TooManyRequests, CredentialsRefused)):
            try:
                linked = self._is_linked(path)
            except PlatformError as trouble:
                slow_down = trouble if isinstance(trouble, TooManyRequests) else None
        if linked:
            return Linked()
        if isinstance(error, ServerFault) and linked is False:
            return Linked(
                "The account was not linked with Emby Connect: the person must first create an Emby Connect account with this address, or "
                "it is linked with another account of this server already."
            )
        return Linked(f"The account was perhaps not linked with Emby Connect: {error}", slow_down)

    def _is_linked(self, path: str) -> bool:
        row = self._door.json("GET", path)
        return isinstance(row, dict) and bool(row.get("ConnectUserName") or row.get("ConnectLinkType"))
