"""Who is who on one server: as it answered just now, or as the last sync left it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import null, select

from panel.domain.names import fold
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Account, Evidence, Library, Server, Share
from panel.models.share import share_libraries
from panel.platforms.base import Member
from panel.services.recognition import Recognition
from panel.services.servers import Look
from panel.services.user_facts import UserFacts

NO_LIBRARIES: frozenset[str] = frozenset()
_SHARE_COLUMNS = (
    Share.id,
    Share.user_id,
    Share.remote_id,
    Share.account_name,
    Share.accepted_at,
    Share.is_owner,
    Share.all_libraries,
    Share.invited_at,
)


@dataclass(frozen=True)
class Known:
    """A member of a server and how we know that it is this user."""

    member: Member
    evidence: Evidence


class Roster:
    """The members of one server, by the user they are known to be. `strangers`: members nobody knows yet, the owner left out."""

    def __init__(self, server: Server, members: tuple[Member, ...], users: Iterable[UserFacts]) -> None:
        self.server = server
        self.known: dict[int, Known] = {}
        self.strangers: list[Member] = []
        self.people_count = sum(not member.is_owner and not member.disabled for member in members)
        self._members = members
        # Of two users with one address the older one has it.
        oldest_first = sorted(users, key=lambda user: user.id)
        recognition = Recognition(server, oldest_first, _accounts(server, oldest_first))
        self._may_be_anybody: Member | None = None
        for member in members:
            recognised = recognition.recognise(member) or self._by_account_name(recognition, member)
            if recognised:
                self._note(recognised[0].id, Known(member, recognised[1]))
            elif member.unreadable and not member.id:
                self._may_be_anybody = member
            elif member.has_access and not member.is_owner:
                self.strangers.append(member)

    def _by_account_name(self, recognition: Recognition[UserFacts], member: Member) -> tuple[UserFacts, Evidence] | None:
        """Whose account has this name where a server tells nothing else of it: nothing is done about it but to say so."""
        if not member.unreadable or member.account_id or self.server.platform is Platform.PLEX:
            return None
        query = select(Account.remote_id, Account.name).where(Account.server_id == self.server.id)
        named = [recognition.by_account(remote_id) for remote_id, name in db.session.execute(query) if fold(name) == fold(member.name)]
        users = {found[0].id: found for found in named if found}
        return next(iter(users.values())) if len(users) == 1 else None

    def _note(self, user_id: int, known: Known) -> None:
        before = self.known.get(user_id)
        # Somebody with both an invite and a share: the access that works counts, and before one that does not, one that may.
        counts = known.member.has_access or bool(known.member.unreadable)
        if before is None or (counts and not before.member.has_access):
            self.known[user_id] = known

    def of(self, user_id: int) -> Member | None:
        """This user's entry, by whatever evidence (a source is left on a name alone, a target never entered)."""
        known = self.known.get(user_id)
        return known.member if known else None

    def proven(self, user_id: int) -> Member | None:
        """This user's entry where it is known to be theirs by more than its name: it may be adopted."""
        known = self.known.get(user_id)
        return known.member if known and known.evidence is not Evidence.NAME else None

    def why_unreadable(self, user_id: int) -> str:
        """Why what the server says of this user cannot be read, a sentence; empty where it can. An entry without an id may be that of
        anybody who shares the server as far as is known, and is missing from the list."""
        if member := self.of(user_id):
            return member.unreadable
        return self._may_be_anybody.unreadable if self._may_be_anybody and user_id in self._sharing else ""

    def why_not_new(self, user_id: int) -> str:
        """The same of somebody who would be given access: an account they had before may be the one that cannot be read, also where it
        gave no access any more."""
        if self._may_be_anybody and user_id in self._with_account and self.of(user_id) is None:
            return self._may_be_anybody.unreadable
        return self.why_unreadable(user_id)

    def listed(self, member_id: str) -> Member | None:
        """The entry of this id, whoever's."""
        return next((member for member in self._members if member.id == member_id), None)

    def holder_of(self, name: str) -> Member | None:
        """Whoever has this account name, case-folded."""
        return self._names.get(fold(name))

    @cached_property
    def _sharing(self) -> frozenset[int]:
        return frozenset(db.session.scalars(select(Share.user_id).where(Share.server_id == self.server.id)))

    @cached_property
    def _with_account(self) -> frozenset[int]:
        return frozenset(db.session.scalars(select(Account.user_id).where(Account.server_id == self.server.id)))

    @cached_property
    def _names(self) -> dict[str, Member]:
        return {fold(member.name): member for member in self._members if member.name}


def roster_now(server: Server, found: Look, users: Iterable[UserFacts]) -> Roster:
    """From what the server has just answered."""
    return Roster(server, found.members, users)


def roster_remembered(server: Server, users: Iterable[UserFacts], *, settings: bool = False) -> Roster:
    """From the last sync and the moves since: shares as they were, and accounts that have lost their access. A fixed number of queries.

    `settings`: with each member's own record of the platform, which is large and which only giving access needs.
    """
    by_id = {user.id: user for user in users}
    libraries = _libraries_by_share(server)
    columns = (*_SHARE_COLUMNS, Share.settings if settings else null().label("settings"))
    shares = db.session.execute(select(*columns).where(Share.server_id == server.id)).all()
    members = [
        _member_of(server, share, by_id[share.user_id], libraries.get(share.id, NO_LIBRARIES))
        for share in shares
        if share.user_id in by_id  # Whoever a sync has added since the users were read is not judged yet.
    ]
    present = {share.remote_id for share in shares}
    accounts = db.session.execute(select(Account.remote_id, Account.name).where(Account.server_id == server.id))
    members += [Member(remote_id, remote_id, name, disabled=True) for remote_id, name in accounts if remote_id not in present]
    return Roster(server, tuple(members), by_id.values())


def _accounts(server: Server, users: Iterable[UserFacts]) -> dict[str, tuple[UserFacts, Evidence]]:
    by_id = {user.id: user for user in users}
    rows = db.session.execute(select(Account.remote_id, Account.user_id, Account.known_by).where(Account.server_id == server.id))
    return {remote_id: (by_id[user_id], known_by) for remote_id, user_id, known_by in rows if user_id in by_id}


def _libraries_by_share(server: Server) -> dict[int, frozenset[str]]:
    """The platform's ids of the libraries each share opens; equal sets are one object."""
    query = (
        select(share_libraries.c.share_id, Library.remote_id)
        .join(Library, Library.id == share_libraries.c.library_id)
        .join(Share, Share.id == share_libraries.c.share_id)
        .where(Share.server_id == server.id)
    )
    found: dict[int, frozenset[str]] = {}
    larger: dict[tuple[frozenset[str], str], frozenset[str]] = {}
    for share_id, remote_id in db.session.execute(query):
        before = found.get(share_id, NO_LIBRARIES)
        found[share_id] = larger.setdefault((before, remote_id), before | {remote_id})
    return found


def _member_of(server: Server, share: Any, user: UserFacts, libraries: frozenset[str]) -> Member:
    plex = server.platform is Platform.PLEX
    return Member(
        id=share.remote_id,
        account_id=user.plex_id if plex else share.remote_id,
        name=share.account_name or user.name,
        email=(user.plex_email or user.email) if plex else "",
        accepted=share.accepted_at is not None,
        is_owner=share.is_owner,
        is_managed=user.is_managed,
        all_libraries=share.all_libraries,
        library_ids=libraries,
        invited_at=share.invited_at,
        settings=share.settings or {},
    )
