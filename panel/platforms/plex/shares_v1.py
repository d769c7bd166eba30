"""plex.tv's first generation of calls about shares (XML), for where the second has been switched off."""

from __future__ import annotations

from collections.abc import Mapping

from panel.platforms.base import Member, NotAllowed, NotAvailable, NotThere, UnexpectedAnswer
from panel.platforms.plex import rows_v1
from panel.platforms.plex.cloud import WHO, PlexCloud, unclear
from panel.platforms.plex.fields import sharing_settings, text
from panel.platforms.plex.settings import as_v1, differ
from panel.platforms.unreadable import require_any_readable

Settings = Mapping[str, object]


class SharesV1:
    """Shares of one server. Every call raises `NotAvailable` (410) where this generation has been switched off."""

    def __init__(self, cloud: PlexCloud, machine_id: str) -> None:
        self._cloud = cloud
        self._machine_id = machine_id
        self._shares = f"/api/servers/{machine_id}/shared_servers"

    def members(self) -> tuple[list[Member], dict[str, Settings]]:
        """All shares of this server, and the settings of everyone on the account, by id and address: 2 requests."""
        members, users = self.rows(), self._users()
        settings: dict[str, Settings] = {}
        for account_id, user in users.items():
            names = (account_id, text(user.get("email")).casefold())
            settings |= {name: sharing_settings(user) for name in names if name}
        return [rows_v1.as_listed(member, users.get(member.account_id)) for member in members], settings

    def rows(self) -> list[Member]:
        """The list of shares alone: 1 request. Raises `NotAllowed` for a server of somebody else."""
        try:
            root = self._cloud.xml("GET", self._shares)
        except NotThere:
            raise NotAllowed(f"{WHO} does not list the shares of this server: this account does not own it.") from None
        if root is None:
            raise UnexpectedAnswer(f"{WHO} gave an empty answer instead of a list of shares.")
        return require_any_readable(rows_v1.members_of(root, WHO))

    def _users(self) -> dict[str, Mapping[str, str]]:
        """Everyone of the account, for what the list of shares does not say: who is managed, and restrictions on other servers."""
        try:
            root = self._cloud.xml("GET", "/api/users")
        except (NotThere, NotAvailable):
            return {}
        return {} if root is None else rows_v1.users_of(root, WHO)

    def create(self, invitee: Mapping[str, object], section_ids: list[int], settings: Settings) -> Member:
        """A new share for `invitee` (`invitedId` or `invitedEmail`), its settings in the same request."""
        to_whom = {"invited_id": invitee["invitedId"]} if "invitedId" in invitee else {"invited_email": invitee["invitedEmail"]}
        body = {
            "server_id": self._machine_id,
            "shared_server": {"library_section_ids": section_ids, **to_whom},
            "sharing_settings": as_v1(settings),
            "skipFriendship": True,  # as in v2
        }
        root = self._cloud.xml("POST", self._shares, json=body, creates=True)
        with unclear():
            return rows_v1.made_member_of(root, WHO)

    def edit(self, known: Member, section_ids: list[int], settings: Settings) -> Member | None:
        """Replace the libraries of a share; the person's settings before, in a request of their own, if they change."""
        # Restrictions before libraries: should the second request fail, nothing is open that ought to be restricted.
        if known.account_id and differ(settings, known.settings):
            self._cloud.send("PUT", f"/api/v2/sharings/{known.account_id}", params=as_v1(settings))
        body = {"server_id": self._machine_id, "shared_server": {"library_section_ids": section_ids}}
        self._cloud.send("PUT", f"{self._shares}/{known.id}", json=body)
        return None

    def delete(self, share_id: str) -> None:
        """Remove one share. A deletion without an id is no call of this API (404)."""
        self._cloud.send("DELETE", f"{self._shares}/{share_id}")

    def is_waiting(self, known: Member) -> bool:
        """Whether an invite still stands behind a pending share; yes when that cannot be found out. Invites carry names, no share ids."""
        try:
            root = self._cloud.xml("GET", "/api/invites/requested")
        except (NotThere, NotAvailable):
            return True
        if root is None or root.tag != "MediaContainer":
            return True
        names = {text(row.get(name)).casefold() for row in root.iter("Invite") for name in ("username", "email")}
        return bool({known.name.casefold(), known.email.casefold()} & (names - {""}))
