"""Whom a sync has found: members become users, by recognition where possible, and what is new or changed about them is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select

from panel.domain.platform import Platform
from panel.domain.subscriptions import days_from
from panel.extensions import db
from panel.models import Evidence, Payment, Plan, Server, Setting, User
from panel.platforms.base import Member
from panel.services import twins
from panel.services.people import People
from panel.services.sync.texts import fitting

Match = tuple[User, Evidence]


@dataclass
class Met:
    """The members by the users they are. `unpaid`: new users who got no payment because there is no default plan; `alike`: new questions
    whether a new user is one there is already."""

    users: list[tuple[Member, User]] = field(default_factory=list)
    new_users: int = 0
    unpaid: int = 0
    alike: int = 0
    unreadable: list[str] = field(default_factory=list)
    "The names of those of whom the server tells nothing that can be read: what is known of their access is left as it was."
    left: set[str | int] = field(default_factory=set)
    "The platform's ids of their access, and the ids of the users who are among them."
    left_users: list[User] = field(default_factory=list)
    "The users who are among them."
    without_id: list[str] = field(default_factory=list)
    "The names of those who come without an id and are nobody known: each may be anybody who is missing from the list."


def meet_members(server: Server, members: Iterable[Member], now: datetime) -> Met:
    """Recognise or create the user behind each member; flushed. Disabled accounts of nobody known are left out."""
    users = list(db.session.scalars(select(User).order_by(User.id)))
    people = People(server, users)
    listed = [_fitted(member) for member in members]
    found = [member for member in listed if not member.unreadable]
    matches = _recognised(people, found)
    matches |= _met_by_name(people, [member for member in listed if people.recognise(member) is None])
    met = _unreadable_left(people, [member for member in listed if member.unreadable])
    newcomers = [member for member in found if member.id not in matches and not member.disabled]
    made = _create(people, newcomers, now, met)
    # Whoever is listed has an account of their own, also where it cannot be read this time.
    present = [*(user for user, _ in matches.values()), *met.left_users]
    met.alike = twins.ask(server, {user.id: user for user, _ in made.values()}.values(), users, present)
    for member in found:
        match = matches.get(member.id)
        if match is not None:
            _refresh(people, match[0], member)
        match = match or made.get(member.id)
        if match is None:
            continue
        if server.platform is not Platform.PLEX:
            people.record(match[0], member, match[1])
        met.users.append((member, match[0]))
    db.session.flush()
    return met


def _unreadable_left(people: People, members: list[Member]) -> Met:
    """Who of those that cannot be read is known."""
    met = Met()
    for member in members:
        match = people.recognise(member)
        met.unreadable.append(match[0].name if match else member.name)
        met.left |= {key for key in (member.id, match[0].id if match else "") if key}
        if match:
            met.left_users.append(match[0])
        elif not member.id:
            met.without_id.append(member.name)
    return met


def _fitted(member: Member) -> Member:
    name = fitting(member.name or member.email or member.account_id or member.id)
    return replace(member, name=name, email=fitting(member.email))


def _recognised(people: People, members: Iterable[Member]) -> dict[str, Match]:
    found: dict[str, Match] = {}
    for member in members:
        match = people.recognise(member)
        if match is not None and match[1] is Evidence.NAME and member.email:
            # An address says more than the name by which the account was matched at first.
            better = people.by_email.get(member.email.casefold())
            match = (better, Evidence.EMAIL) if better else match
        if match is not None:
            found[member.id] = match
    return found


def _met_by_name(people: People, members: list[Member]) -> dict[str, Match]:
    """Users whom a file names. Two members of one name decide nothing, also where one of them cannot be read."""
    names = Counter(member.name.casefold() for member in members)
    found: dict[str, Match] = {}
    for member in members:
        user = people.named(member) if names[member.name.casefold()] == 1 and not member.unreadable else None
        if user is not None and not _is_contradicted(people.server, user, member):
            found[member.id] = (user, Evidence.NAME)
    return found


def _is_contradicted(server: Server, user: User, member: Member) -> bool:
    """Whether the platform knows this member by another address than the user has there."""
    expected = {Platform.PLEX: user.plex_email, Platform.EMBY: user.emby_email}.get(server.platform, "")
    return bool(expected and member.email) and expected.casefold() != member.email.casefold()


def _create(people: People, members: list[Member], now: datetime, met: Met) -> dict[str, Match]:
    permanent, plan = Setting.current().import_as_permanent, Plan.default()
    made: dict[str, Match] = {}
    for member in members:
        # Somebody new may be listed twice, by a share and an invite.
        if again := people.recognise(member):
            made[member.id] = again
            continue
        user = _new_user(people.server, member, permanent=permanent or member.is_owner)
        if not user.permanent and plan is not None:
            start, end = days_from(now.date(), plan.duration_days)
            user.payments.append(Payment(plan_id=plan.id, start_at=start, end_at=end))
        met.unpaid += not user.permanent and plan is None
        met.new_users += 1
        made[member.id] = (user, Evidence.FOUND)
        people.add(user)
    db.session.add_all(user for user, _ in made.values())
    db.session.flush()
    return made


def _new_user(server: Server, member: Member, *, permanent: bool) -> User:
    user = User(name=member.name, permanent=permanent, is_managed=member.is_managed)
    if server.platform is Platform.PLEX:
        user.plex_id, user.plex_email = member.account_id, member.email
        user.plex_username = "" if member.is_managed or not member.account_id else member.name
    elif server.platform is Platform.EMBY:
        user.emby_email = member.email
    else:
        user.jellyfin_name = member.name
    return user


def _refresh(people: People, user: User, member: Member) -> None:
    """What the platform knows of a known user: names follow it, addresses are filled in where there were none, nothing else changes."""
    if people.server.platform is Platform.PLEX:
        user.plex_id = user.plex_id or member.account_id
        user.is_managed = member.is_managed
        if member.account_id and not member.is_managed:
            user.plex_username = member.name
        user.plex_email = user.plex_email or member.email
    elif people.server.platform is Platform.EMBY and member.email and not user.emby_email:
        owner = people.by_email.get(member.email.casefold(), user)
        user.emby_email = member.email if owner is user else ""
