"""Which machine answers behind the URL of an Emby or Jellyfin server, and which rows of its lists are another one's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from panel.platforms.base import Member, WrongServer
from panel.platforms.mediabrowser_rows import called, listed_member_of, same_id, unreadable
from panel.platforms.unreadable import as_unreadable


@dataclass(frozen=True)
class KnownMachine:
    """The machine that has to answer. `id` is the server's as known, `None` where any will do; `who` names the server in sentences."""

    id: str | None
    who: str

    def require(self, found: str) -> None:
        """Raises `WrongServer` where `found` is the id of another machine."""
        if self._is_other(found):
            raise WrongServer(f"Another server than the known one answers at the URL of {self.who}; nothing was sent to it.")

    def accounts_in(self, rows: list[dict[str, Any]]) -> list[Member]:
        """The accounts of a list. One that cannot be read, or names another machine, is `unreadable`. Raises `WrongServer` where all that
        name a machine name another one, `UnexpectedAnswer` where not even whose a row is can be told."""
        strange = self._strange(rows)
        return [self._strangers(row) if number in strange else listed_member_of(row, self.who) for number, row in enumerate(rows)]

    def _strange(self, rows: list[dict[str, Any]]) -> set[int]:
        """The numbers of the rows that name another machine."""
        named = {number: row["ServerId"] for number, row in enumerate(rows) if isinstance(row.get("ServerId"), str)}
        others = {number for number, found in named.items() if self._is_other(found)}
        if others and others == set(named):
            self.require(named[min(others)])
        return others

    def _strangers(self, row: dict[str, Any]) -> Member:
        member = listed_member_of(row, self.who)
        return as_unreadable(member, str(unreadable(self.who, called(member.id, member.name))))

    def _is_other(self, found: str) -> bool:
        return bool(self.id) and not same_id(found, self.id)
