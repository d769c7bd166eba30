"""What the panel keeps about access on a target once it is proved: under the platform's own ids, so that a later sync knows everyone."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Account, Evidence, Move, Server, Share
from panel.models.types import utc_now
from panel.platforms.base import Member
from panel.services.people import shares_of


class Ledger:
    """The shares and accounts of one server, read once for all `members` that are about to be written down."""

    def __init__(self, server: Server, members: Iterable[Member]) -> None:
        self.server = server
        self._shares = shares_of(server, [member.id for member in members])
        self._libraries = {library.remote_id: library for library in server.libraries if library.remote_id}
        accounts = db.session.scalars(select(Account).where(Account.server_id == server.id))
        self._accounts = {account.remote_id: account for account in accounts}

    def write(self, move: Move, member: Member) -> None:
        """Who has what; flushed by the caller."""
        share = self._shares.get(member.id)
        if share is None:
            share = Share(server_id=self.server.id, remote_id=member.id, invited_at=member.invited_at or move.given_at)
            self._shares[member.id] = share
            db.session.add(share)
        share.user_id, share.account_name = move.user_id, member.name
        share.accepted_at = (share.accepted_at or utc_now()) if member.accepted else None
        share.all_libraries, share.settings = member.all_libraries, dict(member.settings)
        share.libraries = [self._libraries[remote_id] for remote_id in sorted(member.library_ids) if remote_id in self._libraries]
        if self.server.platform is Platform.PLEX:
            move.user.plex_id = move.user.plex_id or member.account_id
        else:
            self._write_account(move, member)

    def _write_account(self, move: Move, member: Member) -> None:
        account = self._accounts.get(member.account_id)
        if account is None:
            account = Account(server_id=self.server.id, remote_id=member.account_id)
            self._accounts[member.account_id] = account
            db.session.add(account)
        account.user_id, account.name, account.known_by = move.user_id, member.name, Evidence.MOVE
