"""Rows of plex.tv's first generation of calls (XML), read into values: the server, its shares, and everyone connected to the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree

from panel.platforms.answers import cut_name, whole_address
from panel.platforms.base import Member, UnexpectedAnswer
from panel.platforms.plex.containers import elements_of
from panel.platforms.plex.fields import flag, id_of, moment, required_id, sharing_settings, text
from panel.platforms.plex.sections import CloudServer, section_of
from panel.platforms.plex.unreadable import unreadable_share


def cloud_server_of(root: ElementTree.Element, machine_id: str, who: str) -> CloudServer:
    """From `GET /api/servers/{machineIdentifier}`. Raises `UnexpectedAnswer` where another server is described."""
    server = root.find("Server")
    if server is None or text(server.get("machineIdentifier") or machine_id) != machine_id:
        raise UnexpectedAnswer(f"{who} did not describe the server it was asked about.")
    owned = None if server.get("owned") is None else flag(server.get("owned"))
    return CloudServer(text(server.get("name")), owned, tuple(section_of(row.attrib, who) for row in server.findall("Section")))


def members_of(root: ElementTree.Element, who: str) -> list[Member]:
    """From `GET /api/servers/{machineIdentifier}/shared_servers`. A share that cannot be read is `unreadable`. Raises `ServerFault` for
    half a list, `UnexpectedAnswer` for none, or where a share does not even tell whose it is."""
    return [_listed_member_of(row, who) for row in elements_of(root, "SharedServer", who)]


def _listed_member_of(row: ElementTree.Element, who: str) -> Member:
    try:
        return member_of(row, who)
    except UnexpectedAnswer as error:
        account_id, email = id_of(row.get("userID")), whole_address(text(row.get("email")))
        name = cut_name(text(row.get("username")) or email or account_id)
        return unreadable_share(id_of(row.get("id")), account_id, name, email, accepted=_is_accepted(row), error=error, who=who)


def member_of(row: ElementTree.Element, who: str) -> Member:
    """A share: all sections of the server are listed, `shared` marks those given. A row with an account but neither name nor address is a
    managed user's (the list of users knows better, see `as_listed`). Raises `UnexpectedAnswer` where an id is missing."""
    account_id, username, email = id_of(row.get("userID")), text(row.get("username")), whole_address(text(row.get("email")))
    given = [section for section in row.findall("Section") if flag(section.get("shared", "1"))]
    return Member(
        id=required_id(row.get("id"), who),
        account_id=account_id,
        name=cut_name(username or text(row.get("title")) or email or account_id),
        email=email,
        accepted=_is_accepted(row),
        is_managed=flag(row.get("restricted")) or bool(account_id and not username and not email),
        all_libraries=flag(row.get("allLibraries")),
        library_ids=frozenset(required_id(section.get("id"), who) for section in given),
        invited_at=moment(row.get("invitedAt")),
        settings=sharing_settings(row.attrib),
    )


def made_member_of(root: ElementTree.Element | None, who: str) -> Member:
    """The share a creation answered with. Raises `UnexpectedAnswer` where it cannot be read."""
    row = None if root is None else root if root.tag == "SharedServer" else root.find("SharedServer")
    if row is None:
        raise UnexpectedAnswer(f"{who} did not describe the share it made.")
    return member_of(row, who)


def users_of(root: ElementTree.Element, who: str) -> dict[str, Mapping[str, str]]:
    """From `GET /api/users`: the attributes of everyone connected to the account, by plex.tv user id. Raises as `members_of` does for a
    list that is none or not whole."""
    return {id_of(row.get("id")): dict(row.attrib) for row in elements_of(root, "User", who) if id_of(row.get("id"))}


def as_listed(member: Member, user: Mapping[str, str] | None) -> Member:
    """A member, completed from the list of users: what managed users are called, and that they are managed."""
    if user is None:
        return member
    settings = {**sharing_settings(user), **member.settings}
    named = member.name if member.name and member.name != member.account_id else cut_name(text(user.get("title"))) or member.name
    managed = flag(user.get("restricted")) if user.get("restricted") is not None else member.is_managed
    return replace(member, name=named, settings=settings, is_managed=managed)


def _is_accepted(row: ElementTree.Element) -> bool:
    """A share is pending while `acceptedAt` is missing, empty or 0."""
    return text(row.get("acceptedAt")) not in ("", "0")
