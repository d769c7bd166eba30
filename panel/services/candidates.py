"""From rows and rosters to what the rules look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload

from panel.domain.eligibility import Candidate, Pair, TargetAccess, judge, libraries_for
from panel.domain.libraries import PRIVATE, GroupedLibrary, Offer
from panel.domain.names import fold, wanted_name
from panel.domain.platform import Platform
from panel.domain.subscriptions import Period, PlanTerms
from panel.extensions import db
from panel.models import Library, LibraryGroup, Payment, Plan, Server, User
from panel.platforms.base import Member, RemoteLibrary
from panel.services.roster import Roster


def all_users() -> list[User]:
    """Every user with payments and plans, by name, in a fixed number of queries."""
    query = (
        select(User)
        .order_by(func.lower(User.name), User.id)
        .options(selectinload(User.payments).joinedload(Payment.plan).selectinload(Plan.groups))
    )
    return list(db.session.scalars(query))


def offer_of(server: Server, found: Iterable[RemoteLibrary] | None = None) -> Offer:
    """The server's libraries in groups that may be given, the Private group left out; with `found` only those still there now."""
    there = None if found is None else {library.id for library in found}
    rows = db.session.scalars(
        select(Library)
        .join(LibraryGroup)
        .where(Library.server_id == server.id, LibraryGroup.name != PRIVATE)
        .options(joinedload(Library.group))
        .order_by(Library.name)
    )
    return Offer(
        tuple(
            GroupedLibrary(row.id, row.remote_id, row.name, row.group_id)
            for row in rows
            if row.is_there and (there is None or row.remote_id in there)
        )
    )


def terms_of(plan: Plan) -> PlanTerms:
    """A plan as the rules see it."""
    return PlanTerms(plan.id, plan.name, frozenset(group.id for group in plan.groups), plan.allow_downloads)


def account_name_of(user: User, platform: Platform) -> str:
    """The account name this user is to have on an Emby or Jellyfin server; empty when no known name makes one."""
    first = user.jellyfin_name if platform is Platform.JELLYFIN else ""
    return wanted_name(first, user.name, user.plex_username, user.email, user.plex_email, user.emby_email)


def candidate_of(user: User, source: Server, target: Server, source_roster: Roster, source_offer: Offer) -> Candidate:
    """One user, as far as the source side knows them."""
    member = source_roster.of(user.id)
    return Candidate(
        id=user.id,
        name=user.name,
        permanent=user.permanent,
        must_change_plex_account=user.must_change_plex_account,
        plex_email=user.plex_email,
        emby_email=user.emby_email,
        periods=tuple(Period(terms_of(payment.plan), payment.start_at, payment.end_at) for payment in user.payments),
        shares_source=member is not None and member.has_access,
        is_owner=bool(member and member.is_owner) or owns(user, source) or owns(user, target),
        source_group_ids=_groups_seen(member, source_offer) if member else frozenset(),
    )


def beside_target(candidate: Candidate, user: User, target_roster: Roster, pair: Pair) -> Candidate:
    """The same user with what the target knows of them."""
    member = target_roster.proven(user.id)
    if member is not None:
        access = _access_of(member, libraries_for(candidate, pair))
        return replace(candidate, target_access=access, is_owner=candidate.is_owner or member.is_owner)
    if pair.target is Platform.PLEX:
        return candidate
    holder = target_roster.holder_of(account_name_of(user, pair.target))
    return replace(candidate, name_is_taken=holder is not None)


def apart(candidates: list[Candidate], users: list[User], pair: Pair) -> list[Candidate]:
    """Of two newcomers who would get the same account name on the target, the second has it taken."""
    if pair.target is Platform.PLEX:
        return candidates
    claimed: set[str] = set()
    result = []
    for candidate, user in zip(candidates, users, strict=True):
        name = fold(account_name_of(user, pair.target))
        if candidate.target_access is TargetAccess.NONE and judge(candidate, pair).moves:
            candidate = replace(candidate, name_is_taken=name in claimed)
            claimed.add(name)
        result.append(candidate)
    return result


def right_access(member: Member, wanted: Iterable[str]) -> bool:
    """Whether a member sees exactly these libraries (remote ids), each by name and not through an open door."""
    return not member.all_libraries and not member.disabled and member.library_ids == frozenset(wanted)


def owns(user: User, server: Server) -> bool:
    """Whether this user is the Plex account that owns the server."""
    account = server.plex_account
    if server.platform is not Platform.PLEX or account is None:
        return False
    if user.plex_id and account.plex_id:
        return user.plex_id == account.plex_id
    return account.email.casefold() in {email.casefold() for email in (user.plex_email, user.email) if email}


def _access_of(member: Member, wanted: tuple[GroupedLibrary, ...]) -> TargetAccess:
    if not wanted or not right_access(member, (library.remote_id for library in wanted)):
        return TargetAccess.OTHER
    return TargetAccess.RIGHT if member.accepted else TargetAccess.WAITING


def _groups_seen(member: Member, offer: Offer) -> frozenset[int]:
    if member.all_libraries:
        return offer.group_ids
    return frozenset(
        library.group_id for library in offer.libraries if library.remote_id in member.library_ids and library.group_id is not None
    )
