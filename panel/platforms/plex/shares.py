"""Shares of one Plex server: listed, created, edited and deleted by plex.tv's v2 API, by v1 where v2 is not (any more) there.

Both generations of the API live side by side on plex.tv, parts of either have been switched off at times (404 or 410), and the id of a
share is the same in both. Which one answers is found out by the first list and kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from panel.platforms.base import (
    AlreadyThere,
    Given,
    Member,
    NotAllowed,
    NotAvailable,
    NotThere,
    Person,
    PlatformError,
    Refused,
    UnexpectedAnswer,
    WrongPerson,
)
from panel.platforms.plex.cloud import WHO, PlexCloud, of_plex_tv
from panel.platforms.plex.shares_v1 import SharesV1
from panel.platforms.plex.shares_v2 import OwnedLists, SharesV2

T = TypeVar("T")


class Shares:
    """Access to the server `machine_id` of the account whose token `cloud` carries. `lists`: see `SharesV2`."""

    def __init__(self, cloud: PlexCloud, machine_id: str, lists: OwnedLists | None = None) -> None:
        self._v1 = SharesV1(cloud, machine_id)
        self._v2 = SharesV2(cloud, machine_id, lists)
        self._v2_gone: bool | None = None
        self._v2_create_gone = False
        self._on_account: dict[str, Mapping[str, object]] = {}

    @of_plex_tv()
    def members(self) -> list[Member]:
        """Accepted and pending shares of this server: 2 requests in either generation, 1 more where v2 says there are none."""
        if self._v2_gone:
            return self._members_v1()
        try:
            found, self._on_account = self._v2.members()
        except (NotThere, NotAvailable):
            found = self._members_v1()
            self._v2_gone = True
            return found
        self._v2_gone = False
        return found or self._really_none()

    def _members_v1(self) -> list[Member]:
        found, self._on_account = self._v1.members()
        return found

    def settings_of(self, person: Person) -> Mapping[str, object]:
        """The person's settings on this account as the last list (of shares of all its servers) knew them; empty when unknown."""
        return self._on_account.get(person.account_id) or self._on_account.get(person.email.casefold()) or {}

    @of_plex_tv()
    def create(self, person: Person, section_ids: list[int], settings: Mapping[str, object]) -> Given:
        """Share with someone who has no share of this server: 1 request. Raises `AlreadyThere` when they do, `LostAnswer` when the
        effect is unknown, `UnexpectedAnswer` when plex.tv shared with somebody else."""
        invitee = _invitee(person)
        try:
            made = self._create(invitee, section_ids, settings)
        except NotThere as error:
            # Neither generation knows this account or server: nothing that a removal could take for done.
            raise Refused(str(error)) from None
        except Refused as error:
            raise self._sorted_out(error, person) from None
        _check_person(made, person)
        return Given(made.id, made.account_id or person.account_id, made.accepted)

    @of_plex_tv()
    def edit(self, known: Member, person: Person, section_ids: list[int], settings: Mapping[str, object]) -> Given:
        """Make a share exactly this: 1 request, in v1 2 when the settings change, 1 more for a pending one. Raises `NotThere` when it
        is gone. A pending row whose invite was withdrawn opens nothing ever and blocks a new invite: it is replaced."""
        if not known.accepted and not self._either(lambda api: api.is_waiting(known)):
            self.delete(known.id)
            return self.create(person, section_ids, settings)
        changed = self._either(lambda api: api.edit(known, section_ids, settings))
        if changed is None:
            return Given(known.id, known.account_id, known.accepted)
        if changed.account_id and known.account_id and changed.account_id != known.account_id:
            raise WrongPerson(f"{WHO} changed the share of somebody else than was asked for; nothing more was sent.")
        return Given(known.id, known.account_id or changed.account_id, changed.accepted)

    @of_plex_tv()
    def delete(self, share_id: str) -> None:
        """Remove one share, or withdraw its invite; already gone is done. Other servers' shares and the friendship stay: the call that
        ends those (`/sharings/{user}`) is never used."""
        if not re.fullmatch(r"[0-9]+", share_id):
            raise ValueError("A share is only ever deleted by its own id.")
        try:
            self._either(lambda api: api.delete(share_id))
        except NotThere:
            return

    def _either(self, ask: Callable[[SharesV1 | SharesV2], T]) -> T:
        """v2, or v1 where v2 is missing. Once v2 has been seen to work, a 404 in its own words is about the share; else it may be about
        the call."""
        if self._v2_gone:
            return ask(self._v1)
        try:
            return ask(self._v2)
        except NotThere as error:
            if self._v2_gone is False and not _is_page(error):
                raise
            return self._v1_after_404(ask, error)
        except NotAvailable:
            answer = ask(self._v1)
            self._v2_gone = True
            return answer

    def _v1_after_404(self, ask: Callable[[SharesV1 | SharesV2], T], error: NotThere) -> T:
        try:
            answer = ask(self._v1)
        except NotAvailable:
            raise NotThere(f"{WHO} does not know this share.") from None
        self._v2_gone = _is_page(error) or self._v2_gone
        return answer

    def _really_none(self) -> list[Member]:
        """An empty list is believed when v1 agrees or cannot be asked: taken for true by mistake it would look as if everyone left."""
        try:
            others = self._v1.rows()
        except (NotAllowed, NotAvailable):
            return []
        if others:
            raise UnexpectedAnswer(f"{WHO} gives two different lists of who has access to this server; neither was believed.")
        return []

    def _create(self, invitee: Mapping[str, object], section_ids: list[int], settings: Mapping[str, object]) -> Member:
        if self._v2_gone or self._v2_create_gone:
            return self._v1.create(invitee, section_ids, settings)
        try:
            return self._v2.create(invitee, section_ids, settings)
        except (NotThere, NotAvailable) as error:
            # Certain not to have had an effect; 404 with code 1002 was seen where the v1 call still worked.
            return self._create_by_v1_instead(error, invitee, section_ids, settings)

    def _create_by_v1_instead(
        self, error: PlatformError, invitee: Mapping[str, object], section_ids: list[int], settings: Mapping[str, object]
    ) -> Member:
        try:
            made = self._v1.create(invitee, section_ids, settings)
        except NotAvailable:
            if isinstance(error, NotThere) and not _is_page(error):
                raise error from None
            raise
        self._v2_create_gone = True
        return made

    def _sorted_out(self, error: Refused, person: Person) -> Refused:
        """A refused creation, told apart: `AlreadyThere` when plex.tv says so or, as 422 has several meanings, when the list does."""
        said = str(error)
        if isinstance(error, AlreadyThere) or re.search(r"already (sharing|shared|invited|has)", said, re.IGNORECASE):
            return AlreadyThere(said)
        if "answered 422" in said and any(is_of_person(member, person) for member in self.members()):
            return AlreadyThere(said)
        return error


def is_of_person(member: Member, person: Person) -> bool:
    """Whether this share is this person's: by id where both have one, else by e-mail address."""
    if member.account_id and person.account_id:
        return member.account_id == person.account_id
    return bool(person.email) and member.email.casefold() == person.email.casefold()


def _is_page(error: NotThere) -> bool:
    """Whether a 404 came without words, as for a route that does not exist; v2 says in JSON what it does not find."""
    return str(error).endswith(" 404.")


def _invitee(person: Person) -> dict[str, object]:
    """The id where it is known: it cannot hit somebody else after a rename, and managed users have nothing else."""
    if re.fullmatch(r"[0-9]{1,19}", person.account_id):
        return {"invitedId": int(person.account_id)}
    if not person.email.strip():
        raise Refused("Neither the Plex account nor a Plex e-mail address of this person is known, so nobody could be invited.")
    return {"invitedEmail": person.email.strip()}


def _check_person(made: Member, person: Person) -> None:
    sent = person.email.strip().casefold()
    if person.account_id and made.account_id:
        mixed_up = made.account_id != person.account_id
    elif "@" in sent:
        mixed_up = bool(made.email) and made.email.casefold() != sent
    else:
        # What has no @ was sent as an account name.
        mixed_up = bool(sent) and sent not in (made.name.casefold(), made.email.casefold())
    if mixed_up:
        raise WrongPerson(f"{WHO} shared the server with somebody else than was asked for: look at this share before going on.")
