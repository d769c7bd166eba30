"""Emby Connect as an Emby server sees it: a cloud that knows people by name or e-mail address. Faked in-process: nothing is sent out.

Any address belongs to an account that can be linked at once, unless it ends in one of the domains below or `accounts` says otherwise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

UNKNOWN_DOMAIN = "@unknown.example"
PENDING_DOMAIN = "@pending.example"
DISABLED_DOMAIN = "@disabled.example"


@dataclass
class ConnectAccount:
    """A person's Connect account. `confirms_links`: a link stays pending until the person accepts it by e-mail."""

    name: str
    email: str
    disabled: bool = False
    confirms_links: bool = False


@dataclass(frozen=True)
class LinkAttempt:
    """One request to link: when (monotonic seconds), for which local account, the name or address asked for, and the status it got."""

    at: float
    account_id: str
    username: str
    status: int


class Connect:
    """The cloud. `accounts` maps a Connect name or e-mail address (lower case) to its account, `None` for "there is none"."""

    def __init__(self) -> None:
        self.accounts: dict[str, ConnectAccount | None] = {}
        self.attempts: list[LinkAttempt] = []

    def find(self, username: str) -> ConnectAccount | None:
        """The account with this name or address; rules by address make one up where none was declared."""
        wanted = username.strip().lower()
        if wanted in self.accounts:
            return self.accounts[wanted]
        declared = (account for account in self.accounts.values() if account is not None)
        found = next((account for account in declared if wanted in (account.name.lower(), account.email.lower())), None)
        return found or _by_rule(wanted)

    def note(self, account_id: str, username: str, status: int) -> None:
        """Remember an attempt."""
        self.attempts.append(LinkAttempt(time.monotonic(), account_id, username, status))


def _by_rule(wanted: str) -> ConnectAccount | None:
    if wanted.endswith(UNKNOWN_DOMAIN):
        return None
    # the whole address takes part in the name: ann@a.example and ann@b.example are two people
    name = wanted.replace("@", ".at.") if "@" in wanted else wanted
    email = wanted if "@" in wanted else f"{wanted}@connect.example"
    return ConnectAccount(name, email, wanted.endswith(DISABLED_DOMAIN), wanted.endswith(PENDING_DOMAIN))
