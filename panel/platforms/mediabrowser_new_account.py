"""Making an account on Emby or Jellyfin: the order of requests that never leaves an open one behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from panel.domain.names import same_name
from panel.platforms import policy, sent
from panel.platforms.base import Access, CredentialsRefused, LostAnswer, Member, NameTaken, PlatformError, Refused, UnexpectedAnswer
from panel.platforms.http import HttpDoor
from panel.platforms.mediabrowser_accounts import Accounts
from panel.platforms.mediabrowser_rows import account_id_of, member_of
from panel.platforms.sealing import random_password
from panel.platforms.stopwatch import Stopwatch

log = logging.getLogger(__name__)

CLOSING_READ_S = 10.0
#: Within so many seconds after the request for a new account nobody else can have begun to work on it: far less than a hold lasts.
PROMPT_S = 2.0


class NewAccount:
    """An account named `name` (an allowed one) that is about to be made, at once: with a password that nobody knows."""

    def __init__(self, door: HttpDoor, accounts: Accounts, name: str) -> None:
        self._door, self._accounts, self._name = door, accounts, name
        self._password, self._since = random_password(), Stopwatch()

    def make(self, access: Access, listed: Callable[[], list[Member]]) -> Member:
        """Make it, seal it and open exactly `access` (Jellyfin 2 requests, Emby 3). `listed` lists who is there: asked where the server
        does not say why it refuses. Raises `NameTaken` or `Refused` for the name, `LostAnswer` where it is not known what was made. An
        account that cannot be finished is closed before the error is raised, unless the key is not accepted any more."""
        made = self._made(listed)
        try:
            self._seal(made.account_id)
            self._accounts.write_policy(made.account_id, self._accounts.exact(made, access))
        except PlatformError as error:
            if not isinstance(error, CredentialsRefused):
                self._close_half_made(made)
            raise
        return made

    def _made(self, listed: Callable[[], list[Member]]) -> Member:
        answer = self._requested(listed)
        try:
            return member_of(answer, self._accounts.who)
        except UnexpectedAnswer:
            lost = LostAnswer(f"{self._accounts.who} gave an incomplete answer about a new account; it will be looked up.")
            incomplete = sent.misread(lost)
            self._seal_unreadable(answer)
            raise incomplete from None

    def _requested(self, listed: Callable[[], list[Member]]) -> object:
        body = self._accounts.body_of_new(self._name, self._password)
        try:
            # Words that may repeat a password are not read.
            return self._door.json("POST", "/Users/New", json=body, creates=True, quoted="Password" not in body)
        except Refused as refusal:
            with nothing_made():
                # Jellyfin hides whether a name is taken or not to its liking: the list tells.
                if any(same_name(member.name, self._name) for member in listed()):
                    raise NameTaken(f"{self._accounts.who} already has an account named “{self._name}”.") from refusal
                raise self._accounts.why_not_made(self._name, refusal) from refusal

    def _seal(self, account_id: str) -> None:
        self._accounts.seal(account_id, self._password, self._still_mine)

    def _still_mine(self) -> None:
        """A worker that has only just lost its claim must not leave an open account behind; one that was asleep meanwhile must not set the
        password of an account that others have finished."""
        if self._since.at_most_s > PROMPT_S:
            self._door.guard()

    def _seal_unreadable(self, answer: object) -> None:
        """Best effort: what was just made and cannot be read is as open as any. Its id alone will do for a password."""
        account_id = account_id_of(answer) if isinstance(answer, dict) else ""
        if not account_id:
            return
        try:
            self._seal(account_id)
        except PlatformError as error:
            log.warning("%s: the account %s just made could not be sealed: %s", self._accounts.who, account_id, error)

    def _close_half_made(self, made: Member) -> None:
        """Best effort: an account that could not be finished must not stay open until somebody looks."""
        try:
            self._accounts.write_policy(made.account_id, policy.closed(made.settings), read_s=CLOSING_READ_S)
        except PlatformError as error:
            log.warning("%s: the unfinished account %s could not be closed: %s", self._accounts.who, made.account_id, error)


@contextmanager
def nothing_made() -> Iterator[None]:
    """Whatever goes wrong inside: it is certain that no account has been made."""
    try:
        yield
    except PlatformError as error:
        error.had_no_effect = True
        raise
