"""From rows and rosters to what the rules look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from panel.domain.eligibility import Candidate, Pair, TargetAccess, judge, libraries_for, plan_of
from panel.domain.libraries import PRIVATE, GroupedLibrary, Offer
from panel.domain.names import fold, wanted_name
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Library, LibraryGroup, Server
from panel.platforms.base import Access, Member, RemoteLibrary
from panel.platforms.present import holds
from panel.services.roster import Roster
from panel.services.user_facts import UserFacts


def offer_of(server: Server, found: Iterable[RemoteLibrary] | None = None) -> Offer:
    """The server's libraries in groups that may be given, the Private group left out; with `found` only those still there now."""
    offer = offers_of([server])[server.id]
    if found is None:
        return offer
    there = {library.id for library in found}
    return Offer(tuple(library for library in offer.libraries if library.remote_id in there))


def offers_of(servers: Iterable[Server]) -> dict[int, Offer]:
    """What each of these servers offers by its last sync, by id; 1 query for all."""
    found: dict[int, list[GroupedLibrary]] = {server.id: [] for server in servers}
    rows = db.session.scalars(
        select(Library)
        .join(LibraryGroup)
        .where(Library.server_id.in_(found), LibraryGroup.name != PRIVATE)
        .options(joinedload(Library.group))
        .order_by(Library.name)
    )
    for row in rows:
        if row.is_there:
            found[row.server_id].append(GroupedLibrary(row.id, row.remote_id, row.name, row.group_id))
    return {server_id: Offer(tuple(libraries)) for server_id, libraries in found.items()}


def account_name_of(user: UserFacts, platform: Platform) -> str:
    """The account name this user is to have on an Emby or Jellyfin server; empty when no known name makes one."""
    first = user.jellyfin_name if platform is Platform.JELLYFIN else ""
    return wanted_name(first, user.name, user.plex_username, user.email, user.plex_email, user.emby_email)


def candidate_of(user: UserFacts, source: Server, target: Server, source_roster: Roster, source_offer: Offer) -> Candidate:
    """One user, as far as the source side knows them."""
    member = source_roster.of(user.id)
    unreadable = bool(source_roster.why_unreadable(user.id))
    return Candidate(
        id=user.id,
        name=user.name,
        permanent=user.permanent,
        must_change_plex_account=user.must_change_plex_account,
        plex_email=user.plex_email,
        emby_email=user.emby_email,
        periods=user.periods,
        shares_source=unreadable or (member is not None and member.has_access),
        is_owner=bool(member and member.is_owner) or owns(user, source) or owns(user, target),
        source_group_ids=_groups_seen(member, source_offer) if member else frozenset(),
        unreadable=unreadable,
        restrictions=member.settings if member and _speak_alike(source, target) else {},
    )


def beside_target(candidate: Candidate, user: UserFacts, target_roster: Roster, pair: Pair) -> Candidate:
    """The same user with what the target knows of them."""
    candidate = replace(candidate, unreadable=candidate.unreadable or bool(target_roster.why_not_new(user.id)))
    member = target_roster.proven(user.id)
    if member is not None:
        return replace(
            candidate,
            target_access=_access_of(member, candidate, pair),
            closed_there=member.disabled,
            is_owner=candidate.is_owner or member.is_owner,
        )
    if pair.target is Platform.PLEX:
        return candidate
    holder = target_roster.holder_of(account_name_of(user, pair.target))
    return replace(candidate, name_is_taken=True) if holder else candidate


def apart(candidates: list[Candidate], users: list[UserFacts], pair: Pair) -> list[Candidate]:
    """Of two newcomers who would get the same account name on the target, the second has it taken."""
    if pair.target is Platform.PLEX:
        return candidates
    claimed: set[str] = set()
    result = []
    for candidate, user in zip(candidates, users, strict=True):
        if candidate.target_access is TargetAccess.NONE and judge(candidate, pair).moves:
            name = fold(account_name_of(user, pair.target))
            if name in claimed:
                candidate = replace(candidate, name_is_taken=True)
            claimed.add(name)
        result.append(candidate)
    return result


def right_access(member: Member, wanted: Iterable[str]) -> bool:
    """Whether a member sees exactly these libraries (remote ids), each by name and not through an open door."""
    return not member.all_libraries and not member.disabled and member.library_ids == frozenset(wanted)


def is_settled(member: Member, access: Access) -> bool:
    """Whether nothing has to be sent: exactly the libraries, and no restriction or permission that an edit would change."""
    return right_access(member, access.library_ids) and holds(member.settings, access)


def owns(user: UserFacts, server: Server) -> bool:
    """Whether this user is the Plex account that owns the server."""
    account = server.plex_account
    if server.platform is not Platform.PLEX or account is None:
        return False
    if user.plex_id and account.plex_id:
        return user.plex_id == account.plex_id
    return account.email.casefold() in {email.casefold() for email in (user.plex_email, user.email) if email}


def _access_of(member: Member, candidate: Candidate, pair: Pair) -> TargetAccess:
    wanted, plan = libraries_for(candidate, pair), plan_of(candidate, pair)
    access = Access(frozenset(library.remote_id for library in wanted), plan.allow_downloads if plan else None, candidate.restrictions)
    if not wanted or not is_settled(member, access):
        return TargetAccess.OTHER
    return TargetAccess.RIGHT if member.accepted else TargetAccess.WAITING


def _speak_alike(source: Server, target: Server) -> bool:
    """Whether the source's own settings mean something on the target: Plex to Plex, or among Emby and Jellyfin."""
    return (source.platform is Platform.PLEX) is (target.platform is Platform.PLEX)


def _groups_seen(member: Member, offer: Offer) -> frozenset[int]:
    if member.all_libraries:
        return offer.group_ids
    return frozenset(
        library.group_id for library in offer.libraries if library.remote_id in member.library_ids and library.group_id is not None
    )
