"""Who has access to the source now, looked up for those whose access is to go."""

from __future__ import annotations

from collections.abc import Iterable

from panel.models import Move
from panel.platforms.base import Member


class Present:
    """Who has access to the source now, by the id of the access. `shares`: a person's share may have been made anew under another id; it is
    known by their plex.tv account then, or by the address that was invited."""

    def __init__(self, members: Iterable[Member], *, shares: bool) -> None:
        self._shares = shares
        self._by_id: dict[str, Member] = {}
        self._by_person: dict[str, Member] = {}
        # Of two of a person the one that can be read counts.
        for member in sorted(members, key=lambda member: not member.unreadable):
            if member.id:
                self._by_id[member.id] = member
            self._by_person |= {name: member for name in (member.account_id, member.email.casefold()) if name}

    def of(self, move: Move) -> Member | None:
        """This user's access, `None` when it is gone."""
        found = self._by_id.get(move.source_member_id)
        if found is None and self._shares:
            found = self._by_person.get(move.user.plex_id) or self._by_address(move.user.plex_id, move.user.plex_email)
        return found

    def _by_address(self, plex_id: str, address: str) -> Member | None:
        """Whom this address was shared with, unless it is known to be another person's by now."""
        found = self._by_person.get(address.casefold())
        return None if found and plex_id and found.account_id not in ("", plex_id) else found
