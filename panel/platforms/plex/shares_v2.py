"""plex.tv's second generation of calls about shares (JSON), as its own web client uses it."""

from __future__ import annotations

from collections.abc import Mapping

from panel.platforms import sent
from panel.platforms.base import Member, NotAvailable, NotThere, Unreadable
from panel.platforms.plex import rows_v2
from panel.platforms.plex.cloud import WHO, PlexCloud, unclear
from panel.platforms.unreadable import require_any_readable

SHARES = "/api/v2/shared_servers"
Settings = Mapping[str, object]


class OwnedLists:
    """The lists of an account's shares, of all its servers, each asked for once."""

    def __init__(self, cloud: PlexCloud) -> None:
        self._cloud = cloud
        self._known: dict[str, list[Mapping[str, object]]] = {}

    def rows(self, state: str) -> list[Mapping[str, object]]:
        """Those that are `pending` or `accepted`: 1 request the first time."""
        if state not in self._known:
            self._known[state] = list(rows_v2.rows_of(self._cloud.json("GET", f"{SHARES}/owned/{state}"), WHO))
        return self._known[state]


class SharesV2:
    """Shares of one server. Every call raises `NotThere` (404) or `NotAvailable` (410) where this generation has been switched off.
    `lists`: for whoever looks at several servers at one moment; else each look asks anew."""

    def __init__(self, cloud: PlexCloud, machine_id: str, lists: OwnedLists | None = None) -> None:
        self._cloud = cloud
        self._machine_id = machine_id
        self._lists = lists

    def members(self) -> tuple[list[Member], dict[str, Settings]]:
        """Pending and accepted shares of this server (2 requests), and the settings of everyone on the account, by id and address."""
        # Pending first: whoever accepts between the two requests is then in both lists, never in neither.
        lists = self._lists or OwnedLists(self._cloud)
        found: dict[str, Member] = {}
        settings: dict[str, Settings] = {}
        for state in ("pending", "accepted"):
            for row in lists.rows(state):
                settings |= rows_v2.settings_by_person(row)
                member = rows_v2.listed_member_of(row, self._machine_id, accepted=state == "accepted", who=WHO)
                if member is not None:
                    found[member.id or f"{member.account_id} {member.email}"] = member
        return require_any_readable(list(found.values())), settings

    def create(self, invitee: Mapping[str, object], section_ids: list[int], settings: Settings) -> Member:
        """A new share for `invitee` (`invitedId` or `invitedEmail`)."""
        body = {
            "machineIdentifier": self._machine_id,
            **invitee,
            "librarySectionIds": section_ids,
            "settings": dict(settings),
            # Access is what is being moved. A friendship also shows people's watching to each other: that is theirs to begin, and one
            # that exists is not ended by this.
            "skipFriendship": True,
        }
        answer = self._cloud.json("POST", SHARES, json=body, creates=True)
        row = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
        with unclear():
            return rows_v2.made_member_of(row, accepted=False, who=WHO)

    def edit(self, known: Member, section_ids: list[int], settings: Settings) -> Member | None:
        """Replace libraries and settings of a share; `None` where the answer does not describe it."""
        body = {"librarySectionIds": section_ids, "settings": dict(settings)}
        answer = self._cloud.json("POST", f"{SHARES}/{known.id}", json=body)
        if not isinstance(answer, dict) or not answer.get("id"):
            return None
        try:
            return rows_v2.edited_member_of(answer, accepted=known.accepted, who=WHO)
        except Unreadable as error:
            raise sent.misread(error) from None

    def delete(self, share_id: str) -> None:
        """Remove one share or withdraw its invite."""
        self._cloud.send_v2("DELETE", f"{SHARES}/{share_id}")

    def is_waiting(self, known: Member) -> bool:
        """Whether an invite still stands behind a pending share; yes when that cannot be found out."""
        try:
            invited = rows_v2.invited_share_ids(self._cloud.json("GET", f"{SHARES}/invites/owned/pending"))
        except (NotThere, NotAvailable):
            return True
        return invited is None or known.id in invited
