"""A record of how long new accounts stood open: enabled, without a password, and with libraries to see."""

from __future__ import annotations

import time
from dataclasses import dataclass

from panel.simulators.mediabrowser_accounts import Account


@dataclass
class Stretch:
    """An account was open after `requests` changing requests about it in a row, and may be still."""

    account_id: str
    name: str
    requests: int = 1


class Exposure:
    """Looks at one account after each changing request about it; accounts that no request created are not watched."""

    def __init__(self) -> None:
        self.history: list[tuple[float, str, bool]] = []
        self.stretches: list[Stretch] = []
        self._watched: set[str] = set()
        self._open: dict[str, Stretch] = {}

    def watch(self, account: Account) -> None:
        """From now on this account counts."""
        self._watched.add(account.id)

    def note(self, account: Account, is_open: bool) -> None:
        """How the account stands after a request about it."""
        if account.id not in self._watched:
            return
        self.history.append((time.monotonic(), account.id, is_open))
        stretch = self._open.get(account.id)
        if not is_open:
            self._open.pop(account.id, None)
        elif stretch:
            stretch.requests += 1
        else:
            self._open[account.id] = Stretch(account.id, account.name)
            self.stretches.append(self._open[account.id])

    def still_open(self) -> list[str]:
        """Names of the accounts that stand open now."""
        return [stretch.name for stretch in self._open.values()]
