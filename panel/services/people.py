"""The accounts and shares by which users are known; by name only where a file names the user, and never to adopt."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Account, Evidence, Server, Share, User
from panel.platforms.base import Member
from panel.services.recognition import Recognition

#: Databases take a limited number of values in one query.
AT_ONCE = 500


class People(Recognition[User]):
    """All users, indexed once for many look-ups against the members of one server, and the accounts they are known by."""

    def __init__(self, server: Server, users: Iterable[User]) -> None:
        self._rows = _accounts_on(server)
        self._with_account = {account.user_id for account in self._rows.values()}
        self.by_name: dict[str, list[User]] = {}
        super().__init__(server, users)

    def add(self, user: User) -> None:
        """Take a user into the indexes; the first with an e-mail keeps it."""
        super().add(user)
        if user.imported:
            for name in {user.name.casefold(), (user.jellyfin_name or user.name).casefold()}:
                self.by_name.setdefault(name, []).append(user)

    def by_account(self, account_id: str) -> tuple[User, Evidence] | None:
        """Who is known by this account, as it is now: `record` may have replaced a mere name by better evidence."""
        account = self._rows.get(account_id)
        return (account.user, account.known_by) if account else None

    def named(self, member: Member) -> User | None:
        """The one user whom a file gives this name, if no account on this server is known to be theirs yet."""
        alike = [user for user in self.by_name.get(member.name.casefold(), []) if user.id not in self._with_account]
        if self.server.platform is Platform.PLEX:
            alike = [user for user in alike if not user.plex_id]
        return alike[0] if len(alike) == 1 else None

    def record(self, user: User, member: Member, evidence: Evidence) -> None:
        """Remember by which account this stored user is known on this Emby or Jellyfin server; flushed by the caller. Evidence is only
        ever replaced by better one."""
        account = self._rows.get(member.account_id)
        if account is None:
            account = Account(server_id=self.server.id, user_id=user.id, remote_id=member.account_id, name=member.name, known_by=evidence)
            db.session.add(account)
            self._rows[member.account_id] = account
        elif account.known_by is Evidence.NAME and evidence is not Evidence.NAME:
            account.user, account.known_by = user, evidence
        account.name = member.name
        self._with_account.add(user.id)


def _accounts_on(server: Server) -> dict[str, Account]:
    rows = db.session.scalars(select(Account).where(Account.server_id == server.id))
    return {account.remote_id: account for account in rows}


def record_account(server: Server, user: User, remote_id: str, name: str, evidence: Evidence) -> None:
    """Remember by which account this user is known on an Emby or Jellyfin server (flushed); better evidence replaces a mere name."""
    account = db.session.scalar(select(Account).where(Account.server_id == server.id, Account.remote_id == remote_id))
    if account is None:
        db.session.add(Account(server_id=server.id, user_id=user.id, remote_id=remote_id, name=name, known_by=evidence))
    elif evidence is Evidence.MOVE or account.known_by is Evidence.NAME:
        account.user_id, account.name, account.known_by = user.id, name, evidence
    db.session.flush()


def shares_of(server: Server, remote_ids: Iterable[str]) -> dict[str, Share]:
    """The stored shares with these ids of the platform, with their libraries, in a fixed number of queries."""
    wanted = list(remote_ids)
    found: dict[str, Share] = {}
    for start in range(0, len(wanted), AT_ONCE):
        query = select(Share).where(Share.server_id == server.id, Share.remote_id.in_(wanted[start : start + AT_ONCE]))
        found |= {share.remote_id: share for share in db.session.scalars(query.options(selectinload(Share.libraries)))}
    return found
