"""How many more people a server takes: its own maximum, and on Plex whom its account shares with already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import PlexAccount, Server, Share
from panel.platforms.base import Member
from panel.services.roster import Roster
from panel.services.user_facts import UserFacts

if TYPE_CHECKING:
    from panel.platforms.plex.account import PlexPerson

#: How many people one Plex account can share with, all its servers and its Home together (accounts near it were suspended).
PLEX_PEOPLE_LIMIT = 100


@dataclass(frozen=True)
class Room:
    """How many more fit on the server, and how many more people the account may have (`None`: no limit). `on_account`: users it has
    already, who need no new place there."""

    server: int | None = None
    account: int | None = None
    on_account: frozenset[int] = frozenset()


def room_on(server: Server, rosters: Iterable[Roster], users: Iterable[UserFacts], people: Iterable[PlexPerson] | None = None) -> Room:
    """The room on `server`. `rosters`: who is on it, first, and on other servers that were looked at; `people`: who plex.tv says is
    connected to its account. Where nobody was asked these are the shares that the last sync has left, waiting invites among them: people
    whom the panel does not know take no room then, and the pages say that the last sync is what counts."""
    target, *others = rosters
    on_server = None if server.max_users is None else max(0, server.max_users - target.people_count)
    account = server.plex_account
    if server.platform is not Platform.PLEX or account is None:
        return Room(on_server)
    counted = _Counted(account, users)
    counted.add_shares()
    for roster in (target, *(other for other in others if other.server.plex_account_id == account.id)):
        counted.add_roster(roster)
    for person in people or ():
        counted.add(person.id, person.email, person.name)
    return Room(on_server, max(0, PLEX_PEOPLE_LIMIT - len(counted.user_ids) - len(counted.strangers)), frozenset(counted.user_ids))


class _Counted:
    """Everyone who takes a place on one Plex account, each once however many of its servers they see."""

    def __init__(self, account: PlexAccount, users: Iterable[UserFacts]) -> None:
        self._account = account
        self._by_id: dict[str, int] = {}
        self._by_email: dict[str, int] = {}
        for user in users:
            self._by_id.setdefault(user.plex_id, user.id)
            self._by_email.setdefault((user.plex_email or user.email).casefold(), user.id)
        self.user_ids: set[int] = set()
        self.strangers: set[str] = set()
        self._met: dict[str, str] = {}

    def add_shares(self) -> None:
        """By the last sync of each of the account's servers."""
        query = select(Share.user_id).join(Server, Server.id == Share.server_id)
        mine = (Server.plex_account_id == self._account.id, Share.is_owner.is_(False))
        self.user_ids |= set(db.session.scalars(query.where(*mine).distinct()))

    def add_roster(self, roster: Roster) -> None:
        """By what a server of the account has answered."""
        present = {user_id: known.member for user_id, known in roster.known.items()}
        self.user_ids |= {user_id for user_id, member in present.items() if _counts(member)}
        for member in roster.strangers:
            self.add(member.account_id, member.email, member.name)

    def add(self, plex_id: str, email: str, name: str) -> None:
        """Somebody the account is connected to, known to the panel or not."""
        if plex_id and plex_id == self._account.plex_id:
            return
        email = email.casefold()
        user_id = (plex_id and self._by_id.get(plex_id)) or (email and self._by_email.get(email)) or None
        if user_id:
            self.user_ids.add(user_id)
            return
        keys = [key for key in (plex_id, email) if key] or [f"name {name.casefold()}"]
        first = next((self._met[key] for key in keys if key in self._met), keys[0])
        self._met.update(dict.fromkeys(keys, first))
        self.strangers.add(first)


def _counts(member: Member) -> bool:
    return not member.is_owner and not member.disabled
