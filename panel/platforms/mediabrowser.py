"""What the connections to Emby and Jellyfin share: who answers, who has an account, and each move, out of what single accounts allow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from panel.platforms import policy, restrictions
from panel.platforms.base import (
    Access,
    Given,
    Identity,
    Kept,
    Member,
    NotAllowed,
    NotAvailable,
    NotThere,
    Person,
    Refused,
    RemoteLibrary,
    SwitchedOff,
    TooManyRequests,
    UnexpectedAnswer,
    nothing_noted,
    require_libraries,
)
from panel.platforms.http import CONNECT_S, READ_S, Guard, HttpDoor, host_of, new_session, unguarded
from panel.platforms.mediabrowser_accounts import Accounts, opens_the_same
from panel.platforms.mediabrowser_machine import KnownMachine
from panel.platforms.mediabrowser_new_account import NewAccount, nothing_made
from panel.platforms.mediabrowser_rows import identity_of, rows_of, same_id
from panel.platforms.names import allowed_name
from panel.platforms.sealing import SEALED, random_password
from panel.platforms.unreadable import require_any_readable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Linked:
    """What came of linking an account with the person's cloud account: a sentence about what went less well, and whether the server has
    asked to slow down."""

    note: str = ""
    slow_down: TooManyRequests | None = None


class MediaBrowserRemote:
    """A live connection to an Emby or Jellyfin server: `panel.platforms.base.Remote` but for what the children add.

    `secret` is an API key. `machine_id`: the server's id as known; another one behind the URL raises `WrongServer`. `guard` is asked
    before every request that changes something. `timeouts` is (connect, read) in seconds. Children say which product this is, and what it
    does in its own way; `kind_of_accounts` does so for single accounts.
    """

    platform = ""
    product = ""
    kind_of_accounts: type[Accounts] = Accounts

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        machine_id: str | None = None,
        guard: Guard = unguarded,
        timeouts: tuple[float, float] | None = None,
    ) -> None:
        self.who = f"{self.product} at {host_of(url)}"
        self._machine = KnownMachine(machine_id, self.who)
        self._met = machine_id is None
        self._session = new_session()
        how: dict[str, Any] = {"timeouts": timeouts or (CONNECT_S, READ_S), "session": self._session}
        base, headers = self._base_url(url), self._key_headers(secret)
        self._door = HttpDoor(base, headers, self.who, guard=guard, **how)
        self._accounts = self.kind_of_accounts(self._door)
        # Until the server has said who it is, it does not get the key.
        self._keyless = HttpDoor(base, {}, self.who, **how)

    def identity(self) -> Identity:
        """Who answers, asked without the key (1 request). Raises `WrongServer` for the other product and for another machine."""
        try:
            answer = self._keyless.json("GET", "/System/Info/Public")
        except (NotThere, NotAvailable):
            raise UnexpectedAnswer(f"No {self.product} server answers at this URL: another program does, or the path is wrong.") from None
        found = identity_of(answer, self.platform, self.who)
        self._machine.require(found.machine_id)
        self._met = True
        return found

    def _meet(self) -> None:
        """Before the key is first sent on a connection: that the known machine answers (1 request a connection). Raises `WrongServer`."""
        if not self._met:
            self.identity()

    def check(self) -> Identity:
        """`identity`, and that the key is an administrator's (3 requests). Raises `CredentialsRefused` or `NotAllowed` else."""
        found = self.identity()
        try:
            info = self._door.json("GET", "/System/Info")
            self._ask_as_administrator()
        except NotAllowed:
            raise NotAllowed(f"{self.who} knows the key, but it is not an administrator's: make an API key in its dashboard.") from None
        if not isinstance(info, dict) or not same_id(info.get("Id"), found.machine_id):
            raise UnexpectedAnswer(f"{self.who} gave two different answers to who it is: perhaps two servers share this URL.")
        return found

    def libraries(self) -> list[RemoteLibrary]:
        """All libraries that can be opened to an account."""
        raise NotImplementedError

    def members(self) -> list[Member]:
        """Every account, administrators and disabled ones too (1 request). Raises `UnexpectedAnswer` for an empty list: a server without
        any account does not exist, and taking half an answer for the whole would look like everybody had left; and for one of which nothing
        can be read, or not whose something is."""
        self._meet()
        rows = self._user_rows()
        if not rows:
            raise UnexpectedAnswer(f"{self.who} listed no accounts at all, not even an administrator's.")
        return require_any_readable([self._checked(member) for member in self._machine.accounts_in(rows)])

    def member(self, member_id: str) -> Member:
        """See `Remote.member` (1 request)."""
        self._meet()
        return self._accounts.read(member_id)

    def give(self, person: Person, access: Access, known: Member | None = None, *, ours: bool = False) -> Given:
        """See `Remote.give`. New: Jellyfin 2 requests, Emby 3, and one more for Emby Connect. Known: 1, or 2 for one
        that is disabled and has no password; with `ours` 2, and on Emby up to 2 more for Emby Connect; 1 more where linking went wrong.
        Raises `NotAllowed` for an administrator's account, `NameTaken` or `Refused` for a name."""
        require_libraries(access.library_ids)
        if known is None:
            return self._create(person, access)
        self._meet()
        self._accounts.require_no_administrator(known)
        wanted = self._accounts.exact(known, access)
        if ours or known.needs_sealing:
            self._accounts.change_password(known, random_password(), reopens=False)
        self._accounts.write_policy(known.account_id, wanted)
        linked = self._link(known.account_id, person, perhaps_linked=True) if ours else Linked()
        return _given(known, access, linked, SEALED if known.needs_sealing and not ours else "")

    def _create(self, person: Person, access: Access) -> Given:
        with nothing_made():
            self._meet()
            name = allowed_name(person.name)
        made = NewAccount(self._door, self._accounts, name).make(access, self.members)
        return _given(made, access, self._link(made.account_id, person))

    def take(self, member: Member) -> None:
        """See `Remote.take` (1 request). Raises `NotAllowed` for an administrator's account."""
        self._accounts.require_no_administrator(member)
        self._meet()
        try:
            self._accounts.write_policy(member.account_id, policy.closed(member.settings))
        except NotThere:
            log.info("%s: account %s was gone already", self.who, member.account_id)

    def restore(self, member: Member, kept: Kept) -> None:
        """See `Remote.restore`: the policy of then, whole. Raises `NotAllowed` for an administrator's account."""
        self._accounts.require_no_administrator(member)
        self._meet()
        self._accounts.write_policy(member.account_id, policy.restored(member.settings, kept.settings))

    def set_password(
        self,
        account_id: str,
        password: str,
        *,
        switched_on: bool = False,
        was: Kept | None = None,
        closing: Callable[[Member], object] = nothing_noted,
    ) -> None:
        """See `Remote.set_password` (2 requests: the account is read first; Emby up to 5 more, and 5 where that goes wrong). A disabled
        account stays disabled, unless it `was` closed by us. Raises `Refused` for an empty password: it would open the account to
        everybody, `NotAllowed` for an administrator's account and for one that somebody else has closed meanwhile."""
        if not password or not account_id:
            raise Refused("Neither an account nor a password may be empty; nothing was sent.")
        self._meet()
        member = self._accounts.read(account_id)
        self._accounts.require_no_administrator(member)
        closed_by_us = member.disabled and was is not None and opens_the_same(member, was)
        if switched_on and member.disabled and not closed_by_us:
            raise SwitchedOff("This account is switched off at the moment; ask the administrator of this server.")
        self._accounts.change_password(member, password, closing=closing)
        if closed_by_us:
            self._accounts.enable_again(replace(member, disabled=False))

    def reopen(self, account_id: str, was: Kept) -> None:
        """See `Remote.reopen` (1 request where it is open, else up to 8). An administrator's account is left alone."""
        self._meet()
        member = self._accounts.read(account_id)
        if policy.is_administrator(member.settings) or not (member.disabled or member.no_password):
            return
        self.set_password(account_id, random_password(), switched_on=True, was=was)

    def restrictions_for(self, person: Person, settings: Mapping[str, object]) -> Mapping[str, object]:
        """The source's policy as it is: a new account has no settings of its own."""
        return settings

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    # What differs.

    def _base_url(self, url: str) -> str:
        return url.rstrip("/")

    def _key_headers(self, secret: str) -> dict[str, str]:
        raise NotImplementedError

    def _ask_as_administrator(self) -> None:
        """A reading request that only an administrator's key may make. Raises `NotAllowed` for another key."""
        raise NotImplementedError

    def _user_rows(self) -> list[dict[str, Any]]:
        return rows_of(self._door.json("GET", "/Users"), self.who)

    def _checked(self, member: Member) -> Member:
        """An account in a list, `unreadable` where something in it that only one product has is not as it has to be."""
        return member

    def _link(self, account_id: str, person: Person, *, perhaps_linked: bool = False) -> Linked:
        """Link the account with the person's cloud account, where the product has one."""
        return Linked()


def _given(member: Member, access: Access, linked: Linked, note: str = "") -> Given:
    notes = [restrictions.lost(member.settings, access.settings), note, linked.note]
    return Given(member.id, member.account_id, accepted=True, note=" ".join(filter(None, notes)), slow_down=linked.slow_down)
