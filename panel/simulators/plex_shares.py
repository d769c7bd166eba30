"""The rules of plex.tv about access to servers: who is invited, who is in at once, what an answer or a withdrawal changes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from panel.simulators.plex_accounts import PlexAccounts
from panel.simulators.plex_people import (
    DEFAULT_SETTINGS,
    PlexPerson,
    Relation,
    Settings,
    Share,
    check_settings,
    fixed_token,
    parsed_settings,
)
from panel.simulators.plex_routes import Refusal, not_found
from panel.simulators.plex_server import PlexServer

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class PlexShares(PlexAccounts):
    """State and rules of servers, shares and invites. Attributes in the first block are switches for tests."""

    def __init__(self) -> None:
        super().__init__()
        self.instant_for_friends = True
        self.user_limit = 100
        self.empty_list_means_all = True
        self.orphan_after_withdrawal = False
        self.lists_deleted_shares = False
        self.v2_already_sharing_status = 400
        self.v2_section_list_limit: int | None = None

        self.servers: list[PlexServer] = []
        self.shares: dict[int, Share] = {}
        self.deleted_shares: list[Share] = []
        self.relations: dict[int, dict[int | str, Relation]] = {}

    def add_server(self, owner: PlexPerson, name: str, libraries: list[tuple[str, str]]) -> PlexServer:
        """A media server of `owner` with `(title, type)` libraries. It has a port of its own: start it to make it reachable."""
        with self.lock:
            server = PlexServer(self, owner, name, self.next_id("server", 1))
            for title, kind in libraries:
                server.add_section(title, kind)
            self.servers.append(server)
            return server

    def share(
        self,
        server: PlexServer,
        person_or_email: PlexPerson | str,
        titles: Iterable[str],
        *,
        accepted: bool = True,
        settings: Settings | None = None,
    ) -> Share:
        """Put a share in place without asking the rules. Raises `KeyError` for a library the server does not have,
        `ValueError` when the person has a share of it already."""
        with self.lock:
            if server.share_of(person_or_email):
                raise ValueError(f"{server.name} is shared with {person_or_email} already")
            relation = self.relation(server.owner, person_or_email)
            by_title = {section.title: section.id for section in server.sections}
            share = self._new_share(relation, server, {by_title[title] for title in titles})
            relation.settings = relation.settings | parsed_settings(settings or {})
            if accepted:
                self.accept(share)
            return share

    def shares_of(self, server: PlexServer) -> list[Share]:
        """All rows of a server in the order of their ids: accepted, pending and orphaned."""
        with self.lock:
            return sorted(server.shares.values(), key=lambda share: share.id)

    def relation(self, owner: PlexPerson, person_or_email: PlexPerson | str) -> Relation:
        """What `owner` grants this person or address, begun when there is nothing yet."""
        person = person_or_email if isinstance(person_or_email, PlexPerson) else self.find(person_or_email)
        address = person_or_email if isinstance(person_or_email, str) else person_or_email.email
        fresh = Relation(owner, person, address)
        return self.relations.setdefault(owner.id, {}).setdefault(fresh.key, fresh)

    def add_account(
        self, username: str, email: str, *, token: str | None = None, plex_pass: bool = False, title: str | None = None
    ) -> PlexPerson:
        """A plex.tv account. Invites that wait for this address become the person's."""
        with self.lock:
            person = super().add_account(username, email, token=token, plex_pass=plex_pass, title=title)
            for relations in self.relations.values():
                if relation := relations.pop(email.lower(), None):
                    relation.person = person
                    relations[person.id] = relation
                    for share in relation.shares:
                        share.server.rekey(email.lower(), share)
            return person

    def owned_server(self, owner: PlexPerson, machine_id: object) -> PlexServer:
        """The owner's server with this machine identifier. Refused as 404 otherwise."""
        for server in self.servers:
            if server.machine_id == machine_id and server.owner is owner:
                return server
        raise not_found("Server not found")

    def owned_share(self, owner: PlexPerson, share_id: int, server: PlexServer | None = None) -> Share:
        """One of the owner's shares (of this server). Refused as 404 otherwise."""
        share = self.shares.get(share_id)
        if share is None or share.server.owner is not owner or server not in (None, share.server):
            raise not_found()
        return share

    def shares_owned_by(self, owner: PlexPerson, *, accepted: bool) -> list[Share]:
        """The owner's shares on all servers, accepted ones or the others."""
        mine = (share for server in self.servers if server.owner is owner for share in self.shares_of(server))
        return [share for share in mine if share.accepted is accepted]

    def received(self, person: PlexPerson) -> list[Relation]:
        """The relations in which something waits for this person's answer."""
        found = (relations.get(person.id) for relations in self.relations.values())
        return [relation for relation in found if relation and relation.invited]

    def sent(self, owner: PlexPerson) -> list[Relation]:
        """The owner's relations in which something waits for the other side."""
        return [relation for relation in self.relations.get(owner.id, {}).values() if relation.invited]

    def invitee(self, invited_id: object, invited_email: object) -> PlexPerson | str:
        """Who is meant: an account by number, name or address, else the address itself.

        Refused: nobody given (422), no such number (404), neither a name nor an address (400).
        """
        if invited_id not in (None, ""):
            person = self.people.get(int(str(invited_id))) if str(invited_id).isdigit() else None
            if person is None:
                raise not_found("User not found")
            return person
        if not isinstance(invited_email, str) or not invited_email.strip():
            raise Refusal(422, "Somebody to invite is missing")
        person = self.find(invited_email)
        if person is None and not ADDRESS.fullmatch(invited_email.strip()):
            raise Refusal(400, "The email address or username is invalid")
        return person or invited_email.strip()

    def invite(
        self, server: PlexServer, invitee: PlexPerson | str, raw_ids: object, raw_settings: object, *, skip_friendship: bool
    ) -> Share:
        """Share a server as its owner asks. Settings, when given, replace all the person had, on every server of the owner."""
        owner, person = server.owner, invitee if isinstance(invitee, PlexPerson) else None
        if person is owner:
            raise Refusal(400, "You can't share a server with yourself")
        if server.share_of(invitee):
            name = person.label if person else invitee
            raise Refusal(400, f"You're already sharing this server with {name}. Please edit your existing share.", 1999)
        section_ids = self.granted_ids(server, raw_ids)
        settings = None if raw_settings is None else parsed_settings(raw_settings)
        check_settings(owner, person, settings or {})
        self._check_limit(owner, invitee)
        at_once = person is not None and self._is_instant(owner, person)
        relation = self.relation(owner, invitee)
        share = self._new_share(relation, server, section_ids)
        share.all_libraries, share.skip_friendship = raw_ids == [], skip_friendship
        if settings is not None:
            relation.settings = DEFAULT_SETTINGS | settings
        if at_once:
            self.accept(share)
        return share

    def granted_ids(self, server: PlexServer, raw_ids: object) -> set[int]:
        """plex.tv section ids as sent. An empty list opens everything (a switch). Refused: no list (400), foreign ids or keys (422)."""
        if not isinstance(raw_ids, list):
            raise Refusal(400, "The list of libraries is missing")
        known = server.published_ids
        if not raw_ids and self.empty_list_means_all:
            return known
        if not raw_ids or any(type(section_id) is not int or section_id not in known for section_id in raw_ids):
            raise Refusal(422, "The library sections are invalid")
        return set(raw_ids)

    def edit(self, share: Share, raw_ids: object) -> None:
        """Replace the whole set of libraries of a share."""
        share.section_ids = self.granted_ids(share.server, raw_ids)
        share.all_libraries = raw_ids == []

    def change_settings(self, relation: Relation, settings: Settings) -> None:
        """Put other settings in the place of the relation's own."""
        check_settings(relation.owner, relation.person, settings)
        relation.settings = DEFAULT_SETTINGS | settings

    def known_relation(self, owner: PlexPerson, user_id: int) -> Relation:
        """The relation with somebody connected to the owner. Refused as 404 for anybody else."""
        person = self.people.get(user_id)
        if person is None or person is owner:
            raise not_found()
        connected = self.are_friends(owner, person) or person.home_admin is owner
        if not connected and user_id not in self.relations.get(owner.id, {}):
            raise not_found()
        return self.relation(owner, person)

    def accept(self, share: Share) -> None:
        """The share takes effect; owner and person become friends unless the invite said otherwise."""
        with self.lock:
            share.accepted, share.accepted_at = True, int(time.time())
            person = share.person
            if person and not share.skip_friendship and person.home_admin is not share.server.owner:
                self.befriend(share.server.owner, person)

    def accept_as_invited(self, share: Share) -> None:
        """The invited person says yes. Refused as 422 while the account's own address is unconfirmed."""
        if share.person and not share.person.confirmed:
            raise Refusal(422, "Please confirm your email address first")
        self.accept(share)

    def withdraw(self, share: Share) -> None:
        """Take an invite back. With `orphan_after_withdrawal` its row stays and is in the way until it is deleted itself."""
        if self.orphan_after_withdrawal and share.pending and not share.orphan:
            share.orphan = True
        else:
            self.remove(share)

    def remove(self, share: Share) -> None:
        """The share ends; friendship and settings stay."""
        with self.lock:
            share.deleted_at = int(time.time())
            self.shares.pop(share.id, None)
            share.server.expel(share)
            relation = share.relation
            relation.shares.remove(share)
            if not relation.shares and not relation.person:
                self.relations[relation.owner.id].pop(relation.key, None)
            self.deleted_shares.append(share)

    def end_relation(self, relation: Relation) -> None:
        """Everything between the two ends: shares on all servers, settings, friendship."""
        for share in list(relation.shares):
            self.remove(share)
        self.relations[relation.owner.id].pop(relation.key, None)
        if relation.person:
            self.unfriend(relation.owner, relation.person)

    def _new_share(self, relation: Relation, server: PlexServer, section_ids: set[int]) -> Share:
        now, number = int(time.time()), self.next_id("share", 5001)
        if not relation.invited:
            relation.invite_id, relation.invited_at = self.next_id("invite", 6001), now
        share = Share(number, relation, server, section_ids, fixed_token("share", number), now)
        relation.shares.append(share)
        self.shares[number] = share
        server.admit(share)
        return share

    def _is_instant(self, owner: PlexPerson, person: PlexPerson) -> bool:
        if person.home_admin is owner:
            return True
        relation = self.relations.get(owner.id, {}).get(person.id)
        connected = self.are_friends(owner, person) or (relation is not None and any(share.accepted for share in relation.shares))
        return self.instant_for_friends and connected

    def _check_limit(self, owner: PlexPerson, invitee: PlexPerson | str) -> None:
        relations = self.relations.get(owner.id, {})
        if len(relations) + len(self.friends[owner.id]) + len(owner.home_members) < self.user_limit:
            return
        counted: set[int | str] = {key for key, relation in relations.items() if any(not share.orphan for share in relation.shares)}
        counted |= self.friends[owner.id] | {member.id for member in owner.home_members}
        key = invitee.id if isinstance(invitee, PlexPerson) else invitee.lower()
        if key not in counted and len(counted) >= self.user_limit:
            raise Refusal(422, f"You have reached the limit of {self.user_limit} users you can share with")
