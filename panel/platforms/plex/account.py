"""Whose token this is, which servers that account owns, and how many people it shares with: asked of plex.tv through PlexAPI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from xml.etree import ElementTree

import requests
from plexapi.exceptions import NotFound, PlexApiException, Unauthorized
from plexapi.myplex import MyPlexAccount, MyPlexResource

from panel.platforms.base import CredentialsRefused, NotAvailable, NotThere, PlatformError, UnexpectedAnswer, Unreachable
from panel.platforms.http import CONNECT_S, READ_S
from panel.platforms.plex import rows_v1, rows_v2
from panel.platforms.plex.cloud import WHO, PlexCloud, usable_token
from panel.platforms.plex.fields import flag, text

#: About as many people as an account may share with (friends and Home together); accounts near it were suspended.
MOST_PEOPLE = 100

#: PlexAPI lets mistakes of parsing through as what they happen to be in Python.
UNREADABLE = (ElementTree.ParseError, TypeError, AttributeError, ValueError, LookupError, OverflowError)


@dataclass(frozen=True)
class PlexIdentity:
    """A plex.tv account. `id` is its plex.tv user id; `has_plex_pass` says whether a subscription is active now."""

    id: str
    username: str
    email: str
    has_plex_pass: bool
    in_home: bool = False
    is_home_admin: bool = False


@dataclass(frozen=True)
class OwnedServer:
    """A media server this account owns, and the addresses it told plex.tv: local ones first, relays left out."""

    name: str
    machine_id: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class PlexPerson:
    """Someone connected to the account. `id` is empty for an invited address without an account."""

    id: str
    name: str
    email: str
    in_home: bool = False
    is_managed: bool = False
    pending: bool = False


def read_account(
    token: str, cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)
) -> PlexIdentity:
    """Who the token is: 1 request. Raises `CredentialsRefused` when it is nobody's, other `PlatformError`s as they come."""
    with _signed_in(token, cloud_url, client_id, timeouts) as (account, _):
        account_id = text(account.id)
        if not account_id:
            raise UnexpectedAnswer(f"{WHO} did not say whose token this is.")
        return PlexIdentity(
            id=account_id,
            username=text(account.username) or text(account.title),
            email=text(account.email),
            has_plex_pass=bool(account.subscriptionActive) or "plexpass" in account.roles,
            in_home=bool(account.home),
            is_home_admin=bool(account.homeAdmin),
        )


def owned_servers(
    token: str, cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)
) -> list[OwnedServer]:
    """The media servers the account owns: 2 requests. Servers shared with it, players and apps are left out."""
    with _signed_in(token, cloud_url, client_id, timeouts) as (account, _):
        return [_owned_server(resource) for resource in account.resources() if _is_owned_server(resource)]


def people(
    token: str, cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)
) -> list[PlexPerson]:
    """Everyone that counts towards `MOST_PEOPLE`: friends, Home members, pending invites; each once, the owner not. 4 requests."""
    with _signed_in(token, cloud_url, client_id, timeouts) as (account, cloud):
        found = [_friend(account_id, user) for account_id, user in _friends(cloud).items()]
        found += [person for person in _home_members(cloud) if person.id != text(account.id)]
        found += _invited(cloud)
    return _each_once(found)


def connected(
    token: str, cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)
) -> list[PlexPerson]:
    """Friends, Home members and whoever has accepted a share of any of the account's servers: 1 request. Raises `PlatformError`."""
    cloud = PlexCloud(token, cloud_url, client_id, timeouts=timeouts)
    try:
        return [_friend(account_id, user) for account_id, user in _friends(cloud).items()]
    finally:
        cloud.close()


@contextmanager
def _signed_in(token: str, cloud_url: str, client_id: str, timeouts: tuple[float, float]) -> Iterator[tuple[MyPlexAccount, PlexCloud]]:
    """PlexAPI's account, and the door it speaks through. Whatever PlexAPI raises leaves as a `PlatformError` without its text: it
    quotes whole answers."""
    if not usable_token(token):
        # PlexAPI would take another token out of its own configuration instead.
        raise CredentialsRefused("The Plex token is empty or has characters that no token has; nothing was sent.")
    cloud = PlexCloud(token, cloud_url, client_id, timeouts=timeouts)
    session = cloud.plexapi_session()
    try:
        yield MyPlexAccount(token=usable_token(token), session=session), cloud
    except (PlexApiException, requests.RequestException, *UNREADABLE) as error:
        raise _in_our_words(error) from Exception(type(error).__name__)
    finally:
        session.close()
        cloud.close()


def _in_our_words(error: Exception) -> PlatformError:
    if isinstance(error, Unauthorized):
        return CredentialsRefused(f"{WHO} refused the token: it was revoked or is mistyped.")
    if isinstance(error, NotFound):
        return NotThere(f"{WHO} does not know what was asked for.")
    if isinstance(error, requests.RequestException):
        return Unreachable(f"{WHO} does not answer.")
    return UnexpectedAnswer(f"{WHO} answered in a form that could not be understood.")


def _is_owned_server(resource: MyPlexResource) -> bool:
    provides = text(resource.provides).split(",")
    return bool(resource.owned) and "server" in [name.strip() for name in provides] and bool(text(resource.clientIdentifier))


def _owned_server(resource: MyPlexResource) -> OwnedServer:
    near_first = sorted((c for c in resource.connections if not c.relay and c.uri), key=lambda connection: not connection.local)
    return OwnedServer(text(resource.name), resource.clientIdentifier, tuple(dict.fromkeys(c.uri for c in near_first)))


def _friends(cloud: PlexCloud) -> dict[str, Mapping[str, str]]:
    """Not by PlexAPI, which reads half a list, or something else, as a short one."""
    root = cloud.xml("GET", "/api/users")
    if root is None:
        raise UnexpectedAnswer(f"{WHO} gave an empty answer instead of a list of people.")
    return rows_v1.users_of(root, WHO)


def _friend(account_id: str, user: Mapping[str, str]) -> PlexPerson:
    name = text(user.get("username")) or text(user.get("title"))
    return PlexPerson(account_id, name, text(user.get("email")), flag(user.get("home")), flag(user.get("restricted")))


def _home_members(cloud: PlexCloud) -> list[PlexPerson]:
    try:
        root = cloud.xml("GET", "/api/home/users")
    except (NotThere, NotAvailable):
        return []
    return [_home_member(row) for row in ([] if root is None else root.iter("User"))]


def _home_member(row: ElementTree.Element) -> PlexPerson:
    name = text(row.get("username")) or text(row.get("title"))
    return PlexPerson(text(row.get("id")), name, text(row.get("email")), True, flag(row.get("restricted")))


def _invited(cloud: PlexCloud) -> list[PlexPerson]:
    """Sent and unanswered invites: v2, else v1, else none (both have been switched off at times)."""
    try:
        rows = rows_v2.rows_of(cloud.json("GET", "/api/v2/shared_servers/owned/pending"), WHO)
        waiting = [rows_v2.member_of(row, accepted=False, who=WHO) for row in rows]
        return [PlexPerson(m.account_id, m.name, m.email, is_managed=m.is_managed, pending=True) for m in waiting]
    except (NotThere, NotAvailable):
        pass
    try:
        root = cloud.xml("GET", "/api/invites/requested")
    except (NotThere, NotAvailable):
        return []
    return [
        PlexPerson("", text(row.get("username")) or text(row.get("email")), text(row.get("email")), pending=True)
        for row in ([] if root is None else root.iter("Invite"))
    ]


def _each_once(found: list[PlexPerson]) -> list[PlexPerson]:
    """The first mention of each, by id or by address, by name where there is neither."""
    seen: set[str] = set()
    kept = []
    for person in found:
        names = {word for word in (person.id, person.email.casefold()) if word} or {f"name {person.name.casefold()}"}
        if not names & seen:
            kept.append(person)
        seen |= names
    return kept
