"""Who of a run is which member of the target, looked up in one list for many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from panel.domain.names import fold
from panel.extensions import db
from panel.models import Account, Move
from panel.models.types import utc_now
from panel.platforms.base import Member, NotThere, PlatformError, Remote
from panel.platforms.unreadable import require_readable


@dataclass
class Found:
    """What a look has told about the users of a run, by the id of the move. Who is in none of these was not asked for."""

    members: dict[int, Member | None] = field(default_factory=dict)
    "Their access; `None`: there is none, said so by the target."
    asked_at: dict[int, datetime] = field(default_factory=dict)
    "When about those who were asked for by their id an answer came."
    unanswered: dict[int, PlatformError] = field(default_factory=dict)
    "About whom alone the target gives no answer."
    trouble: tuple[Move, PlatformError] | None = None
    "Why it could not be asked any more, and about whom that was."

    @property
    def present(self) -> list[Member]:
        """Everyone who has access."""
        return [member for member in self.members.values() if member is not None]


class Listed:
    """The target's members, indexed once; of several that would do, the first that can be read counts. `names`: whether a name is an
    account's there (on Plex anybody may call themselves anything)."""

    def __init__(self, members: Sequence[Member], *, names: bool) -> None:
        self._names = names
        self._nameless = [member for member in members if member.unreadable and not member.name]
        self._by_id: dict[str, Member] = {}
        self._by_account: dict[str, Member] = {}
        self._by_email: dict[str, Member] = {}
        self._by_name: dict[str, Member] = {}
        for member in sorted(members, key=lambda member: bool(member.unreadable)):
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

    def or_asked_for(self, move: Move, remote: Remote) -> Member | None:
        """A user's entry; whose account is known and missing from the list, or cannot be read in it, is asked for by its id (1 request,
        what was flushed is committed before): no list is whole enough for another account to be made, and what is known of this one
        forgotten, by it alone. A list of Plex is all that tells. Raises `PlatformError` when it cannot be found out."""
        if not self._has_to_ask(move):
            found = self.of(move)
            if found is not None:
                require_readable(found)
            elif self._names and move.created_account:
                self.require_named(move)
            return found
        # Nothing is locked while the target is asked; a crash leaves the claim.
        db.session.commit()
        try:
            return remote.member(move.target_member_id)
        except NotThere:
            return None

    def require_named(self, move: Move) -> None:
        """To be asked where the account that may have been made for a user is in the list by no name: raises `Unreadable` where one that is
        not known as somebody else's stands there without a name that can be read."""
        ids = [member.id for member in self._nameless]
        # As their own a sync knows what a lost request has made as well.
        others = Account.server_id == move.migration.target_id, Account.user_id != move.user_id
        known = set(db.session.scalars(select(Account.remote_id).where(*others, Account.remote_id.in_(ids)))) if ids else set()
        for member in self._nameless:
            if member.id not in known:
                require_readable(member)

    def found(self, moves: Iterable[Move], remote: Remote) -> Found:
        """Who is there; whoever is missing in the list is asked for by id. Of the target's own trouble, a request to slow down above all,
        nobody is judged: those who would have to be asked for after it are not."""
        found = Found()
        for move in moves:
            if found.trouble and self._has_to_ask(move):
                continue
            try:
                found.members[move.id] = self.or_asked_for(move, remote)
                if self._has_to_ask(move):
                    found.asked_at[move.id] = utc_now()
            except PlatformError as error:
                if error.about_server:
                    found.trouble = (move, error)
                else:
                    found.unanswered[move.id] = error
        return found

    def _has_to_ask(self, move: Move) -> bool:
        found = self.of(move)
        return (found is None or bool(found.unreadable)) and self._names and bool(move.target_member_id)
