"""Jellyfin 10.10 to 12.0: what it does differently from Emby."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from panel.platforms.base import Member, RemoteLibrary, Unreadable
from panel.platforms.jellyfin_accounts import JellyfinAccounts, blocked_in
from panel.platforms.mediabrowser import MediaBrowserRemote
from panel.platforms.mediabrowser_rows import is_library, library_of, rows_of, text_of
from panel.platforms.unreadable import as_unreadable


class JellyfinRemote(MediaBrowserRemote):
    """A live connection to a Jellyfin server, see `panel.platforms.base.Remote`."""

    platform = "jellyfin"
    product = "Jellyfin"
    kind_of_accounts = JellyfinAccounts

    def _key_headers(self, secret: str) -> dict[str, str]:
        # The only carrier that 12.0 still takes. With an API key nothing but the token belongs in it (reference 2.1).
        return {"Authorization": f'MediaBrowser Token="{quote(secret.strip(), safe="")}"'}

    def _ask_as_administrator(self) -> None:
        # The list of users is open to everybody; that of the libraries is not.
        self._folder_rows()

    def libraries(self) -> list[RemoteLibrary]:
        """All libraries (1 request), without those that were never scanned: they have no id yet."""
        found: dict[str, RemoteLibrary] = {}
        for row in self._folder_rows():
            library_id, kind = text_of(row, ["ItemId"], self.who), row.get("CollectionType")
            if library_id and is_library(kind):
                found.setdefault(library_id, library_of(library_id, row.get("Name"), kind, self.who))
        return list(found.values())

    def members(self) -> list[Member]:
        """See `MediaBrowserRemote.members`; 1 request more where an account has a list of blocked libraries from old times."""
        members = super().members()
        if not any(blocked_in(member, self.who) for member in members if not member.unreadable):
            return members
        everything = {library.id for library in self.libraries()}
        return [self._as_visible(member, everything) for member in members]

    def member(self, member_id: str) -> Member:
        """See `MediaBrowserRemote.member`; 1 request more where the account has a list of blocked libraries from old times."""
        member = super().member(member_id)
        return self._as_visible(member, {library.id for library in self.libraries()}) if blocked_in(member, self.who) else member

    def _checked(self, member: Member) -> Member:
        try:
            blocked_in(member, self.who)
        except Unreadable as error:
            return as_unreadable(member, str(error))
        return member

    def _folder_rows(self) -> list[dict[str, Any]]:
        return rows_of(self._door.json("GET", "/Library/VirtualFolders"), self.who)

    def _as_visible(self, member: Member, everything: set[str]) -> Member:
        # A list of blocked libraries that is not empty is the only one the server looks at (reference 5).
        blocked = [] if member.unreadable else blocked_in(member, self.who)
        return replace(member, all_libraries=False, library_ids=frozenset(everything.difference(blocked))) if blocked else member
