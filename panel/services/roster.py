"""Who is who on one server: as it answered just now, or as the last sync left it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from panel.domain.names import fold
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Account, Evidence, Server, Share, User
from panel.platforms.base import Member
from panel.services.people import People
from panel.services.servers import Look


@dataclass(frozen=True)
class Known:
    """A member of a server and how we know that it is this user."""

    member: Member
    evidence: Evidence


class Roster:
    """The members of one server, by the user they are known to be. `strangers`: members nobody knows yet, the owner left out."""

    def __init__(self, server: Server, members: tuple[Member, ...]) -> None:
        self.server = server
        self.known: dict[int, Known] = {}
        self.strangers: list[Member] = []
        self._names = {fold(member.name): member for member in members if member.name}
        self.people_count = sum(not member.is_owner and not member.disabled for member in members)
        people = People(server)
        for member in members:
            recognised = people.recognise(member)
            if recognised:
                self._note(recognised[0], Known(member, recognised[1]))
            elif member.has_access and not member.is_owner:
                self.strangers.append(member)

    def _note(self, user: User, known: Known) -> None:
        before = self.known.get(user.id)
        # Somebody with both an invite and a share: the access that works counts.
        if before is None or (known.member.has_access and not before.member.has_access):
            self.known[user.id] = known

    def of(self, user_id: int) -> Member | None:
        """This user's entry, by whatever evidence (a source is left on a name alone, a target never entered)."""
        known = self.known.get(user_id)
        return known.member if known else None

    def proven(self, user_id: int) -> Member | None:
        """This user's entry where it is known to be theirs by more than its name: it may be adopted."""
        known = self.known.get(user_id)
        return known.member if known and known.evidence is not Evidence.NAME else None

    def holder_of(self, name: str) -> Member | None:
        """Whoever has this account name, case-folded."""
        return self._names.get(fold(name))


def roster_now(server: Server, found: Look) -> Roster:
    """From what the server has just answered."""
    return Roster(server, found.members)


def roster_remembered(server: Server) -> Roster:
    """From the last sync and the moves since: shares as they were, and accounts that have lost their access."""
    shares = db.session.scalars(
        select(Share).where(Share.server_id == server.id).options(selectinload(Share.libraries), selectinload(Share.user))
    ).all()
    members = [_member_of(server, share) for share in shares]
    present = {share.remote_id for share in shares}
    accounts = db.session.scalars(select(Account).where(Account.server_id == server.id))
    members += [
        Member(account.remote_id, account.remote_id, account.name, disabled=True)
        for account in accounts
        if account.remote_id not in present
    ]
    return Roster(server, tuple(members))


def _member_of(server: Server, share: Share) -> Member:
    plex = server.platform is Platform.PLEX
    return Member(
        id=share.remote_id,
        account_id=share.user.plex_id if plex else share.remote_id,
        name=share.account_name or share.user.name,
        email=(share.user.plex_email or share.user.email) if plex else "",
        accepted=share.accepted_at is not None,
        is_owner=share.is_owner,
        is_managed=share.user.is_managed,
        all_libraries=share.all_libraries,
        library_ids=frozenset(library.remote_id for library in share.libraries),
        invited_at=share.invited_at,
        settings=share.settings,
    )
