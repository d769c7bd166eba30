"""Jellyfin 10.10 to 12.0: what it does differently from Emby."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from panel.platforms import policy
from panel.platforms.base import Access, Member, NotAllowed, RemoteLibrary
from panel.platforms.http import Guard
from panel.platforms.mediabrowser import MediaBrowserRemote
from panel.platforms.mediabrowser_rows import is_library, library_of, rows_of, text_of, texts


class JellyfinRemote(MediaBrowserRemote):
    """A live connection to a Jellyfin server, see `panel.platforms.base.Remote`."""

    platform = "jellyfin"
    product = "Jellyfin"

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
        if not any(self._blocked(member) for member in members):
            return members
        everything = {library.id for library in self.libraries()}
        return [self._as_visible(member, everything) for member in members]

    def member(self, member_id: str) -> Member:
        """See `MediaBrowserRemote.member`; 1 request more where the account has a list of blocked libraries from old times."""
        member = super().member(member_id)
        return self._as_visible(member, {library.id for library in self.libraries()}) if self._blocked(member) else member

    def _folder_rows(self) -> list[dict[str, Any]]:
        return rows_of(self._door.json("GET", "/Library/VirtualFolders"), self.who)

    def _new_account_body(self, name: str, password: str) -> dict[str, object]:
        return {"Name": name, "Password": password}

    def _write_password(self, account_id: str, password: str, guard: Guard | None = None) -> None:
        self._post("/Users/Password", params={"userId": account_id}, json={"NewPw": password}, quoted=False, guard=guard)

    def _exact(self, member: Member, access: Access) -> policy.Policy:
        if self._blocked(member):
            raise NotAllowed(
                f"“{member.name}” on {self.who} has a list of blocked libraries from an old version, which overrides every other list and "
                "cannot be changed from outside; remove that account first."
            )
        return super()._exact(member, access)

    def _blocked(self, member: Member) -> list[str]:
        return texts(member.settings.get("BlockedMediaFolders"), self.who)

    def _as_visible(self, member: Member, everything: set[str]) -> Member:
        # A list of blocked libraries that is not empty is the only one the server looks at (reference 5).
        blocked = self._blocked(member)
        return replace(member, all_libraries=False, library_ids=frozenset(everything.difference(blocked))) if blocked else member
