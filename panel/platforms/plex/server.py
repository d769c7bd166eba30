"""A Plex server: what it is and holds is asked of the server itself, who may see it of plex.tv."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn

from panel.platforms.base import (
    Access,
    CredentialsRefused,
    Given,
    Identity,
    Kept,
    LibraryGone,
    Member,
    NotAllowed,
    NotAvailable,
    NotThere,
    Person,
    Refused,
    RemoteLibrary,
    ServerFault,
    UnexpectedAnswer,
    WrongServer,
    nothing_noted,
    require_libraries,
)
from panel.platforms.http import CONNECT_S, READ_S, Guard, HttpDoor, host_of, unguarded
from panel.platforms.masked import Masked
from panel.platforms.plex import rows_v1, rows_v2, server_rows
from panel.platforms.plex.cloud import WHO, PlexCloud, of_plex_tv, plex_headers, usable_token
from panel.platforms.plex.containers import xml_root
from panel.platforms.plex.fields import sharing_settings
from panel.platforms.plex.sections import CloudServer, Section
from panel.platforms.plex.settings import replaces_filters, settings_to_send
from panel.platforms.plex.shares import Shares
from panel.platforms.unreadable import require_readable


class PlexRemote:
    """The Plex Media Server at `url`, shared through the plex.tv account whose token is `server_token`.

    `machine_id`: the one we know it by, `None` to take what answers. `cloud_url`: another host in place of plex.tv, empty for the real
    one. `client_id`: this installation's fixed client identifier. `timeouts` is (connect, read) in seconds, `None` for the usual ones.
    One thread at a time.
    """

    platform = "plex"

    def __init__(
        self,
        url: str,
        server_token: str,
        *,
        machine_id: str | None = None,
        cloud_url: str = "",
        client_id: str,
        guard: Guard = unguarded,
        timeouts: tuple[float, float] | None = None,
    ) -> None:
        timeouts = timeouts or (CONNECT_S, READ_S)
        self._who = f"The Plex server at {host_of(url)}"
        self._token = Masked(usable_token(server_token))
        self._door = HttpDoor(url, plex_headers(client_id), self._who, timeouts=timeouts, guard=guard)
        self._cloud = PlexCloud(server_token, cloud_url, client_id, timeouts=timeouts, guard=guard)
        self._machine_id = machine_id or ""
        self._met: Identity | None = None
        self._section_ids: frozenset[str] | None = None
        self._known_shares: Shares | None = None

    def identity(self) -> Identity:
        """`GET /identity`, which needs no token: 1 request. The name is empty, only plex.tv and a token would tell it."""
        try:
            body = self._door.send("GET", "/identity")
        except (CredentialsRefused, NotAllowed, NotThere, NotAvailable, Refused):
            raise UnexpectedAnswer(f"{self._who} does not answer like a Plex Media Server.") from None
        return server_rows.identity_of(xml_root(body, self._who), self._who)

    def check(self) -> Identity:
        """The identity, and that the account owns this server: 2 requests. Raises `WrongServer`, `CredentialsRefused`, `NotAllowed`."""
        self._met = None
        met = self._meet()
        server = self._cloud_server(met.machine_id)
        return replace(met, name=server.name or met.name)

    def libraries(self) -> list[RemoteLibrary]:
        """The server's libraries under the ids plex.tv shares them by: 2 requests, 3 the first time.

        Raises `ServerFault` while plex.tv lists fewer libraries than the server has (its list is at times partial, and a new library
        is published a little later): half a list would look as if libraries were gone.
        """
        machine_id = self._meet().machine_id
        own = self._own_sections()
        published = {section.key: section for section in self._cloud_server(machine_id).sections}
        if own.keys() - published.keys():
            published |= self._second_opinion(machine_id)
        missing = [section.title for key, section in own.items() if key not in published]
        if missing:
            with of_plex_tv():
                raise ServerFault(f"{WHO} does not list all libraries of this server ({len(missing)} missing): try again in a few minutes.")
        if published and not own:
            raise ServerFault(f"{self._who} lists no libraries although {WHO} knows some: it may still be starting.")
        return [replace(published[key], title=section.title or published[key].title).library for key, section in own.items()]

    def members(self) -> list[Member]:
        """Everyone with a share of this server, pending ones too; Plex does not list the owner. 2 requests."""
        return self._shares.members()

    def member(self, member_id: str) -> NoReturn:
        """Raises `NotAvailable`: a share is known by the lists alone."""
        raise NotAvailable("Plex tells about a share in its lists only.")

    def give(self, person: Person, access: Access, known: Member | None = None, *, ours: bool = False) -> Given:
        """Share exactly these libraries: 1 request (v1: 2 for an edit that changes settings). `ours` is for platforms with passwords."""
        ids = require_libraries(access.library_ids)
        if known is not None:
            require_readable(known)
            if known.is_owner:
                raise NotAllowed("A server cannot be shared with its owner.")
        sections = self._sections_to_send(ids)
        current = (known.settings if known is not None else {}) or self._shares.settings_of(person)
        settings = settings_to_send(access, current)
        if known is None:
            given = self._shares.create(person, sections, settings)
        else:
            given = self._shares.edit(known, person, sections, settings)
        if replaces_filters(settings, current):
            note = "Other restrictions of this person on this Plex account were replaced; they hold for all of its servers."
            return replace(given, note=note)
        return given

    def take(self, member: Member) -> None:
        """Delete this share only, or withdraw its invite: 1 request. Already gone is done."""
        require_readable(member)
        if member.is_owner:
            raise NotAllowed("The owner's access to a server cannot be removed.")
        self._shares.delete(member.id)

    def restore(self, member: Member, kept: Kept) -> None:
        """See `Remote.restore`: the libraries and settings of then."""
        person = Person(member.name, member.email, member.account_id)
        downloads = sharing_settings(kept.settings).get("allowSync")
        self.give(person, Access(kept.library_ids, bool(downloads), kept.settings), member)

    def set_password(
        self,
        account_id: str,
        password: str,
        *,
        switched_on: bool = False,
        was: Kept | None = None,
        closing: Callable[[Member], object] = nothing_noted,
    ) -> NoReturn:
        """Raises `NotAllowed`: Plex accounts are people's own."""
        raise NotAllowed("Plex passwords belong to the people's own accounts and cannot be set.")

    def reopen(self, account_id: str, was: Kept) -> NoReturn:
        """Raises `NotAllowed`: nothing is ever closed for a moment here."""
        raise NotAllowed("Plex shares are never closed for a moment; nothing was sent.")

    def restrictions_for(self, person: Person, settings: Mapping[str, object]) -> Mapping[str, object]:
        """The source's sharing settings merged with what this account keeps for the person already, on whichever of its servers: a
        share sent with fewer settings would lift them everywhere. Goes by the last `members`."""
        return settings_to_send(Access(frozenset(), None, settings), self._shares.settings_of(person))

    def close(self) -> None:
        """Close the kept connections."""
        self._door.close()
        self._cloud.close()

    @property
    def _shares(self) -> Shares:
        if self._known_shares is None:
            self._known_shares = Shares(self._cloud, self._machine_id or self._meet().machine_id)
        return self._known_shares

    def _meet(self) -> Identity:
        """Who answers at the address, asked once. Raises `WrongServer` before another machine is sent a token."""
        if self._met is None:
            met = self.identity()
            if self._machine_id and met.machine_id != self._machine_id:
                raise WrongServer(f"{self._who} is another server than the one known by this address; nothing was sent to it.")
            self._met, self._machine_id = met, met.machine_id
        return self._met

    def _own_sections(self) -> dict[str, Section]:
        try:
            body = self._door.send("GET", "/library/sections", headers={"X-Plex-Token": self._token})
        except NotThere:
            raise UnexpectedAnswer(f"{self._who} does not list its libraries.") from None
        return {section.key: section for section in server_rows.sections_of(xml_root(body, self._who), self._who)}

    @of_plex_tv()
    def _cloud_server(self, machine_id: str) -> CloudServer:
        """The server as plex.tv knows it, by v1, else v2. Raises `NotAllowed` unless the account owns it."""
        server = self._cloud_server_v1(machine_id) or self._cloud_server_v2(machine_id)
        if server is None or server.owned is False:
            raise NotAllowed(f"This Plex account does not own the server at {host_of(self._door.base_url)}: use its owner's account.")
        self._section_ids = frozenset(section.id for section in server.sections)
        return server

    def _cloud_server_v1(self, machine_id: str) -> CloudServer | None:
        try:
            root = self._cloud.xml("GET", f"/api/servers/{machine_id}")
        except (NotThere, NotAvailable):
            return None
        if root is None:
            raise UnexpectedAnswer(f"{WHO} gave an empty answer instead of a description of the server.")
        return rows_v1.cloud_server_of(root, machine_id, WHO)

    def _cloud_server_v2(self, machine_id: str) -> CloudServer | None:
        try:
            return rows_v2.cloud_server_of(self._cloud.json("GET", f"/api/v2/servers/{machine_id}"), machine_id, WHO)
        except (NotThere, NotAvailable):
            return None

    @of_plex_tv()
    def _second_opinion(self, machine_id: str) -> dict[str, Section]:
        server = self._cloud_server_v2(machine_id)
        if server is None:
            return {}
        self._section_ids = (self._section_ids or frozenset()) | {section.id for section in server.sections}
        return {section.key: section for section in server.sections}

    def _sections_to_send(self, ids: list[str]) -> list[int]:
        """The ids as numbers. Where the server's list has been read, an id that is not in it is looked for once more, then refused."""
        if not all(library_id.isascii() and library_id.isdigit() for library_id in ids):
            raise LibraryGone("A library to be shared has no plex.tv id: synchronise the server's libraries. Nothing was sent.")
        if self._section_ids is not None and not self._section_ids.issuperset(ids):
            self._refresh_sections(ids)
            if not self._section_ids.issuperset(ids):
                raise LibraryGone("A library to be shared is no longer on the Plex server: synchronise its libraries. Nothing was sent.")
        return [int(library_id) for library_id in ids]

    def _refresh_sections(self, wanted: list[str]) -> None:
        self._cloud_server(self._machine_id)
        if not self._section_ids or not self._section_ids.issuperset(wanted):
            self._second_opinion(self._machine_id)
