"""How a member of a server is recognised as a user: by the platform's id, then by e-mail, never by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from panel.domain.platform import Platform
from panel.models import Evidence, Server, User
from panel.platforms.base import Member
from panel.services.user_facts import UserFacts

Known = TypeVar("Known", User, UserFacts)


class Recognition(Generic[Known]):
    """Users, indexed once for many look-ups against the members of one server. `accounts`: who is known by which account on it, by the
    platform's id of the account; never asked on Plex."""

    def __init__(self, server: Server, users: Iterable[Known], accounts: dict[str, tuple[Known, Evidence]] | None = None) -> None:
        self.server = server
        self._accounts: dict[str, tuple[Known, Evidence]] = accounts or {}
        self.by_plex_id: dict[str, Known] = {}
        self.by_email: dict[str, Known] = {}
        for user in users:
            self.add(user)

    def add(self, user: Known) -> None:
        """Take a user into the indexes; the first with an e-mail keeps it."""
        if user.plex_id:
            self.by_plex_id.setdefault(user.plex_id, user)
        for email in user.emails:
            self.by_email.setdefault(email, user)

    def by_account(self, account_id: str) -> tuple[Known, Evidence] | None:
        """Who is known by this account of an Emby or Jellyfin server."""
        return self._accounts.get(account_id)

    def recognise(self, member: Member) -> tuple[Known, Evidence] | None:
        """The user this member is known to be, and how we know; a name is no knowledge here."""
        on_plex = self.server.platform is Platform.PLEX
        if on_plex:
            if member.account_id and member.account_id in self.by_plex_id:
                return self.by_plex_id[member.account_id], Evidence.FOUND
        elif found := self.by_account(member.account_id):
            return found
        user = self.by_email.get(member.email.casefold()) if member.email else None
        # The same address with another plex.tv id is another person who took it over.
        if user and on_plex and user.plex_id and member.account_id and user.plex_id != member.account_id:
            return None
        return (user, Evidence.EMAIL) if user else None
