"""What Emby and Jellyfin share: users, policies, and the order of requests that never leaves an open account behind."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from panel.domain.names import same_name
from panel.platforms import policy, restrictions, sent
from panel.platforms.base import (
    Access,
    CredentialsRefused,
    Given,
    Identity,
    Kept,
    LostAnswer,
    Member,
    NameTaken,
    NotAllowed,
    NotAvailable,
    NotThere,
    Person,
    PlatformError,
    Refused,
    RemoteLibrary,
    SwitchedOff,
    TooManyRequests,
    UnexpectedAnswer,
    WrongServer,
    nothing_noted,
    require_libraries,
)
from panel.platforms.http import CONNECT_S, READ_S, Guard, HttpDoor, host_of, new_session, unguarded
from panel.platforms.mediabrowser_rows import identity_of, member_of, rows_of
from panel.platforms.names import allowed_name
from panel.platforms.stopwatch import Stopwatch

log = logging.getLogger(__name__)

CLOSING_READ_S = 10.0
#: What the operator is told of an account that could have been opened by anybody.
SEALED = "The account was there without a password and got one that nobody knows: the person needs the link to choose their own."
#: Within so many seconds after the request for a new account nobody else can have begun to work on it: far less than a hold lasts.
PROMPT_S = 2.0


@dataclass(frozen=True)
class Linked:
    """What came of linking an account with the person's cloud account: a sentence about what went less well, and whether the server has
    asked to slow down."""

    note: str = ""
    slow_down: TooManyRequests | None = None


class MediaBrowserRemote:
    """A live connection to an Emby or Jellyfin server: `panel.platforms.base.Remote` but for what the children add.

    `secret` is an API key. `machine_id`: the server's id as known; another one behind the URL raises `WrongServer`. `guard` is asked
    before every request that changes something. `timeouts` is (connect, read) in seconds.
    """

    platform = ""
    product = ""

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
        self.machine_id = machine_id
        self._met = machine_id is None
        self._session = new_session()
        how: dict[str, Any] = {"timeouts": timeouts or (CONNECT_S, READ_S), "session": self._session}
        base, headers = self._base_url(url), self._key_headers(secret)
        self._door = HttpDoor(base, headers, self.who, guard=guard, **how)
        # Until the server has said who it is, it does not get the key.
        self._keyless = HttpDoor(base, {}, self.who, **how)

    def identity(self) -> Identity:
        """Who answers, asked without the key (1 request). Raises `WrongServer` for the other product and for another machine."""
        try:
            answer = self._keyless.json("GET", "/System/Info/Public")
        except (NotThere, NotAvailable):
            raise UnexpectedAnswer(f"No {self.product} server answers at this URL: another program does, or the path is wrong.") from None
        found = identity_of(answer, self.platform, self.who)
        self._require_machine(found.machine_id)
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
        if not isinstance(info, dict) or not _same_id(info.get("Id"), found.machine_id):
            raise UnexpectedAnswer(f"{self.who} gave two different answers to who it is: perhaps two servers share this URL.")
        return found

    def libraries(self) -> list[RemoteLibrary]:
        """All libraries that can be opened to an account."""
        raise NotImplementedError

    def members(self) -> list[Member]:
        """Every account, administrators and disabled ones too (1 request). Raises `UnexpectedAnswer` for an empty list: a server without
        any account does not exist, and taking half an answer for the whole would look like everybody had left."""
        self._meet()
        rows = self._user_rows()
        if not rows:
            raise UnexpectedAnswer(f"{self.who} listed no accounts at all, not even an administrator's.")
        for row in rows:
            if isinstance(row.get("ServerId"), str):
                self._require_machine(row["ServerId"])
        return [member_of(row, self.who) for row in rows]

    def member(self, member_id: str) -> Member:
        """See `Remote.member` (1 request)."""
        self._meet()
        return self._account(member_id)

    def give(self, person: Person, access: Access, known: Member | None = None, *, ours: bool = False) -> Given:
        """See `Remote.give`. New: Jellyfin 2 requests, Emby 3, and one more for Emby Connect. Known: 1, or 2 for one
        that is disabled and has no password; with `ours` 2, and on Emby up to 2 more for Emby Connect; 1 more where linking went wrong.
        Raises `NotAllowed` for an administrator's account, `NameTaken` or `Refused` for a name."""
        require_libraries(access.library_ids)
        if known is None:
            return self._create(person, access)
        self._meet()
        self._require_no_administrator(known)
        wanted = self._exact(known, access)
        if ours or known.needs_sealing:
            self._change_password(known, random_password(), reopens=False)
        self._write_policy(known.account_id, wanted)
        linked = self._link(known.account_id, person, perhaps_linked=True) if ours else Linked()
        return _given(known, access, linked, SEALED if known.needs_sealing and not ours else "")

    def take(self, member: Member) -> None:
        """See `Remote.take` (1 request). Raises `NotAllowed` for an administrator's account."""
        self._require_no_administrator(member)
        self._meet()
        try:
            self._write_policy(member.account_id, policy.closed(member.settings))
        except NotThere:
            log.info("%s: account %s was gone already", self.who, member.account_id)

    def restore(self, member: Member, kept: Kept) -> None:
        """See `Remote.restore`: the policy of then, whole. Raises `NotAllowed` for an administrator's account."""
        self._require_no_administrator(member)
        self._meet()
        self._write_policy(member.account_id, policy.restored(member.settings, kept.settings))

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
        member = self._account(account_id)
        self._require_no_administrator(member)
        closed_by_us = member.disabled and was is not None and _opens(member, was)
        if switched_on and member.disabled and not closed_by_us:
            raise SwitchedOff("This account is switched off at the moment; ask the administrator of this server.")
        self._change_password(member, password, closing=closing)
        if closed_by_us:
            self._reopen(replace(member, disabled=False))

    def reopen(self, account_id: str, was: Kept) -> None:
        """See `Remote.reopen` (1 request where it is open, else up to 8). An administrator's account is left alone."""
        self._meet()
        member = self._account(account_id)
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

    def _new_account_body(self, name: str, password: str) -> dict[str, object]:
        raise NotImplementedError

    def _seal(self, account_id: str, password: str, guard: Guard) -> None:
        """Give a just made account its password, where creating it could not; `guard` in place of the connection's."""

    def _write_password(self, account_id: str, password: str, guard: Guard | None = None) -> None:
        raise NotImplementedError

    def _change_password(
        self, member: Member, password: str, *, reopens: bool = True, closing: Callable[[Member], object] = nothing_noted
    ) -> None:
        """Give an account that may have a password another one. Where that takes closing it for a moment, `closing` hears of it before, and
        it is open again afterwards as it was, unless `reopens` says that this follows."""
        self._write_password(member.account_id, password)

    def _link(self, account_id: str, person: Person, *, perhaps_linked: bool = False) -> Linked:
        """Link the account with the person's cloud account, where the product has one."""
        return Linked()

    # What is the same.

    def _create(self, person: Person, access: Access) -> Given:
        with _nothing_made():
            self._meet()
            name = allowed_name(person.name)
        password, since = random_password(), Stopwatch()
        made = self._new_account(name, self._new_account_body(name, password))
        try:
            self._seal(made.account_id, password, lambda: self._still_mine(since))
            self._write_policy(made.account_id, self._exact(made, access))
        except PlatformError as error:
            if not isinstance(error, CredentialsRefused):
                self._close_half_made(made)
            raise
        return _given(made, access, self._link(made.account_id, person))

    def _still_mine(self, since: Stopwatch) -> None:
        """A worker that has only just lost its claim must not leave an open account behind; one that was asleep meanwhile must not set the
        password of an account that others have finished."""
        if since.at_most_s > PROMPT_S:
            self._door.guard()

    def _new_account(self, name: str, body: Mapping[str, object]) -> Member:
        try:
            # Words that may repeat a password are not read.
            answer = self._door.json("POST", "/Users/New", json=body, creates=True, quoted="Password" not in body)
        except Refused as refusal:
            with _nothing_made():
                # Jellyfin hides whether a name is taken or not to its liking: the list tells.
                if any(same_name(member.name, name) for member in self.members()):
                    raise NameTaken(f"{self.who} already has an account named “{name}”.") from refusal
                raise self._why_not_made(name, refusal) from refusal
        try:
            return member_of(answer, self.who)
        except UnexpectedAnswer:
            incomplete = LostAnswer(f"{self.who} gave an incomplete answer about a new account; it will be looked up.")
            raise sent.misread(incomplete) from None

    def _why_not_made(self, name: str, refusal: Refused) -> Refused:
        """In words: the name is to blame unless the server says what is."""
        return Refused(f"{self.who} does not accept the name “{name}” for an account.")

    def _exact(self, member: Member, access: Access) -> policy.Policy:
        return policy.exact(member.settings, access)

    def _close_half_made(self, made: Member) -> None:
        """Best effort: an account that could not be finished must not stay open until somebody looks."""
        try:
            self._write_policy(made.account_id, policy.closed(made.settings), read_s=CLOSING_READ_S)
        except PlatformError as error:
            log.warning("%s: the unfinished account %s could not be closed: %s", self.who, made.account_id, error)

    def _account(self, account_id: str) -> Member:
        """One account as it is now (1 request)."""
        member = member_of(self._door.json("GET", _path(account_id)), self.who)
        if not _same_id(member.account_id, account_id):
            raise UnexpectedAnswer(f"{self.who} described another account than the one it was asked about.")
        return member

    def _reopen(self, member: Member) -> None:
        """Enable an account that was enabled before (2 requests: it is read again first). Raises `NotAllowed` where somebody else has
        changed in the meantime what it opens and left it disabled: that is theirs to decide."""
        if member.disabled:
            return
        now = self._account(member.account_id)
        if not now.disabled:
            return
        self._require_no_administrator(now)
        if not _opens(now, member):
            raise NotAllowed(f"The account “{member.name}” of {self.who} was closed by somebody else in the meantime; it stays closed.")
        self._write_policy(member.account_id, {**now.settings, "IsDisabled": False})

    def _write_policy(self, account_id: str, wanted: Mapping[str, object], *, read_s: float | None = None) -> None:
        self._post(f"{_path(account_id)}/Policy", json=wanted, read_s=read_s)

    def _post(self, path: str, **how: Any) -> None:
        """A changing request whose answer has no body worth reading, but must not be a page: sign-in pages answer 200 as well."""
        if self._door.send("POST", path, **how).lstrip()[:1] == b"<":
            page = UnexpectedAnswer(f"{self.who} answered a change with a page: perhaps a sign-in page stands before it.")
            raise sent.misread(page)

    def _require_machine(self, found: str) -> None:
        if self.machine_id and not _same_id(found, self.machine_id):
            raise WrongServer(f"Another server than the known one answers at the URL of {self.who}; nothing was sent to it.")

    def _require_no_administrator(self, member: Member) -> None:
        if member.is_owner or policy.is_administrator(member.settings):
            raise NotAllowed(f"“{member.name}” is an administrator of {self.who}; such accounts are never touched.")


@contextmanager
def _nothing_made() -> Iterator[None]:
    """Whatever goes wrong inside: it is certain that no account has been made."""
    try:
        yield
    except PlatformError as error:
        error.had_no_effect = True
        raise


def _given(member: Member, access: Access, linked: Linked, note: str = "") -> Given:
    notes = [restrictions.lost(member.settings, access.settings), note, linked.note]
    return Given(member.id, member.account_id, accepted=True, note=" ".join(filter(None, notes)), slow_down=linked.slow_down)


def random_password() -> str:
    """One that nobody knows: it is sent once and never stored."""
    return secrets.token_urlsafe(32)


def _opens(member: Member, same_as: Member | Kept) -> bool:
    """Whether it is given the same libraries, enabled or not."""
    return (member.all_libraries, member.library_ids) == (same_as.all_libraries, same_as.library_ids)


def _path(account_id: str) -> str:
    return f"/Users/{quote(account_id, safe='')}"


def _same_id(one: object, other: object) -> bool:
    return str(one).replace("-", "").casefold() == str(other).replace("-", "").casefold()
