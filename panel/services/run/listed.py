"""Who of a run is which member of the target, looked up in one list for many."""

from __future__ import annotations

from collections.abc import Iterable

from panel.domain.names import fold
from panel.models import Move
from panel.platforms.base import Member


class Listed:
    """The target's members, indexed once; of several that would do, the first counts. `names`: whether a name is an account's there (on
    Plex anybody may call themselves anything)."""

    def __init__(self, members: Iterable[Member], *, names: bool) -> None:
        self._names = names
        self._by_id: dict[str, Member] = {}
        self._by_account: dict[str, Member] = {}
        self._by_email: dict[str, Member] = {}
        self._by_name: dict[str, Member] = {}
        for member in members:
            self._by_id.setdefault(member.id, member)
            self._by_account.setdefault(member.account_id, member)
            self._by_email.setdefault(member.email.casefold(), member)
            self._by_name.setdefault(fold(member.name), member)

    def of(self, move: Move) -> Member | None:
        """A user's entry: by the platform's ids first, then by the address invited, and by the account name only where this run meant to
        make that very account and nobody knows its id yet."""
        found = self._by_id.get(move.target_member_id) if move.target_member_id else None
        if found is None and move.target_account_id:
            found = self._by_account.get(move.target_account_id)
        elif found is None and move.address:
            found = self._by_email.get(move.address.casefold())
        if found is None and self._names and move.created_account and not move.target_member_id and move.account_name:
            found = self._by_name.get(fold(move.account_name))
        return found
