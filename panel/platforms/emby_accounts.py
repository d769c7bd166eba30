"""Single accounts of Emby 4: their passwords, which it takes in a request of their own, and some servers only after a reset."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from panel.platforms import policy
from panel.platforms.base import Member, NotAllowed, PlatformError, Refused, nothing_noted
from panel.platforms.http import Guard
from panel.platforms.mediabrowser_accounts import Accounts, path_of
from panel.platforms.sealing import random_password

log = logging.getLogger(__name__)


class EmbyAccounts(Accounts):
    """The accounts of an Emby server, see `panel.platforms.mediabrowser_accounts.Accounts`."""

    def body_of_new(self, name: str, password: str) -> dict[str, object]:
        """The name alone: a password here would be ignored in silence."""
        return {"Name": name}

    def seal(self, account_id: str, password: str, guard: Guard) -> None:
        """See `Accounts.seal`. Comes before the policy, so that an empty password opens the account for the length of one request only."""
        self.write_password(account_id, password, guard)

    def write_password(self, account_id: str, password: str, guard: Guard | None = None) -> None:
        """See `Accounts.write_password`. Raises `Refused` where this server takes one only after a reset."""
        body = {"Id": account_id, "CurrentPw": "", "NewPw": password}
        self._post(f"{path_of(account_id)}/Password", json=body, quoted=False, guard=guard)

    def change_password(
        self, member: Member, password: str, *, reopens: bool = True, closing: Callable[[Member], object] = nothing_noted
    ) -> None:
        """Some servers take another password only after a reset (reference 4.4), which leaves the account without one: it is closed for
        that long (up to 5 requests more), and opened again whatever goes wrong (up to 5 more), but never without a password."""
        try:
            self.write_password(member.account_id, password)
            return
        except Refused as refusal:
            log.info("%s: the password of account %s has to be reset first: %s", self.who, member.account_id, refusal)
        if not member.disabled:
            closing(member)
        step = "close"
        try:
            self.write_policy(member.account_id, policy.disabled(member.settings))
            step = "reset"
            self._reset_password(member.account_id)
            step = "set"
            self.write_password(member.account_id, password)
            step = "reopen"
            if reopens:
                self.enable_again(member)
        except PlatformError as error:
            refused = isinstance(error, (Refused, NotAllowed))
            # In a run the account stays closed until its next turn: nothing more is asked of a server in trouble.
            if reopens or refused:
                may_be_empty = step == "set" or (step == "reset" and not refused)
                opened = self._rescue(member, reopens, may_be_empty=may_be_empty)
                # After a lost answer the request may still arrive: then it is looked at again.
                error.opened_again = opened and refused and not member.disabled
            raise

    def _rescue(self, member: Member, reopens: bool, *, may_be_empty: bool) -> bool:
        """Best effort: with a password that nobody knows an account can be as open as it was, and without any it stays disabled. Answers
        whether it is as open as it was."""
        try:
            if may_be_empty:
                self._seal_again(member.account_id)
            if reopens:
                self.enable_again(member)
            return reopens
        except PlatformError as error:
            log.error("%s: account %s may be left disabled, or without a password: %s", self.who, member.account_id, error)
            return False

    def _seal_again(self, account_id: str) -> None:
        """Whatever of a reset and another password has arrived."""
        try:
            self.write_password(account_id, random_password())
        except Refused:
            self._reset_password(account_id)
            self.write_password(account_id, random_password())

    def _reset_password(self, account_id: str) -> None:
        body = {"Id": account_id, "ResetPassword": True}
        self._post(f"{path_of(account_id)}/Password", json=body, quoted=False)

    def why_not_made(self, name: str, refusal: Refused) -> Refused:
        """In the server's words, which do not always blame the name."""
        said = str(refusal).removeprefix(self.who)
        if not re.search(r"\b(user ?)?names?\b", said, re.IGNORECASE):
            return Refused(f"{self.who} did not make an account for “{name}”: it{said}")
        return Refused(f"{self.who} does not accept the name “{name}” for an account: it{said}")
