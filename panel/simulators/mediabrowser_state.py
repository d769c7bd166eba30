"""The state of a simulated Emby or Jellyfin: accounts, tokens, keys, libraries, and what both servers do to them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from panel.simulators.http import Simulator
from panel.simulators.mediabrowser_accounts import Account, ApiKey, Library, SignIn, plain_id
from panel.simulators.mediabrowser_exposure import Exposure
from panel.simulators.mediabrowser_policy import Policy, Schema

DEFAULT_LIBRARIES = (("Films", "movies"), ("Shows", "tvshows"), ("Music", "music"))
ADMIN_NAME = "admin"
ADMIN_PASSWORD = "admin-secret"


class MediaBrowserState(Simulator):
    """A server's state, and the steps that routes of both servers take on it.

    Ids are made from the server's name, so that a server started anew is the same server. `starting` answers 503; `writes_locked_every`
    answers every n-th changing request with a database lock; `clock` is asked for each date.
    """

    product: str
    configuration_schema: Schema

    def __init__(self, name: str, version: str, libraries: Iterable[tuple[str, str]] = DEFAULT_LIBRARIES) -> None:
        super().__init__()
        self.name = name
        self.version = version
        self.server_id = self._made_id("server")
        self.collections_id = self._made_id("collections")
        self.users: dict[str, Account] = {}
        self.libraries: list[Library] = []
        self.tokens: dict[str, SignIn] = {}
        self.keys: dict[str, ApiKey] = {}
        self.exposure = Exposure()
        self.policy_schema = self.policy_schema_of(self.release)
        self.starting = False
        self.writes_locked_every: int | None = None
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._writes = 0
        self._counter = itertools.count(1)
        self.api_key = self.add_key("Streamferry", self._made_id("key"))
        for library, kind in libraries:
            self.add_library(library, kind)
        self.add_user(ADMIN_NAME, ADMIN_PASSWORD, libraries="all", admin=True)

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def history(self) -> list[tuple[float, str, bool]]:
        """(monotonic seconds, account id, open without a password) after each changing request about an account a request made."""
        return self.exposure.history

    def exposed_moments(self) -> list[tuple[str, int]]:
        """(account name, changing requests about it in a row after which it stood open) for each stretch of time an account was open."""
        with self.lock:
            return [(stretch.name, stretch.requests) for stretch in self.exposure.stretches]

    def add_user(
        self,
        name: str,
        password: str = "",
        *,
        libraries: str | Iterable[str] | None = None,
        admin: bool = False,
        disabled: bool = False,
        connect_email: str | None = None,
        **policy: Any,
    ) -> Account:
        """An account as if made long ago. `libraries` is "all", or the names it may see; `None` is no library. `policy` holds further keys.

        Raises `KeyError` for a library or a policy key the server does not have.
        """
        unknown = [key for key in policy if not self.policy_schema.knows(key)]
        if unknown:
            raise KeyError(unknown[0])
        with self.lock:
            account = self.new_account(name, password)
            self.grant(account, libraries)
            account.policy.update(IsAdministrator=admin, IsDisabled=disabled, **policy)
            if connect_email:
                account.connect_email, account.connect_name = connect_email, self.connect_name_of(connect_email)
            return account

    def grant(self, account: Account, libraries: str | Iterable[str] | None) -> None:
        """Let the account see these libraries ("all", or their names) and no other. Raises `KeyError` for an unknown name."""
        known = {library.name: library for library in self.libraries}
        chosen = [] if libraries is None or libraries == "all" else [self.access_id(known[name]) for name in libraries]
        account.policy.update(EnableAllFolders=libraries == "all", EnabledFolders=chosen)

    def add_library(self, name: str, kind: str, locations: Iterable[str] = ()) -> Library:
        """A library; its path is made up from its name unless given."""
        with self.lock:
            places = list(locations) or ["/media/" + name.lower().replace(" ", "-")]
            library = Library(name, kind, self._made_id(f"library {name}"), str(4 + 3 * len(self.libraries)), places)
            self.libraries.append(library)
            return library

    def add_key(self, app: str, key: str = "") -> str:
        """A new API key for `app`."""
        made = ApiKey(len(self.keys) + 1, key or uuid.uuid4().hex, app, self.clock())
        self.keys[made.key] = made
        return made.key

    def revoke_key(self) -> None:
        """`api_key` is refused from now on."""
        with self.lock:
            self.keys.pop(self.api_key, None)

    def user(self, name: str) -> Account | None:
        """The account of this name, whatever its case."""
        folded = name.casefold()
        with self.lock:
            return next((account for account in self.users.values() if account.name.casefold() == folded), None)

    def visible(self, account: Account) -> set[str]:
        """Names of the libraries the account really sees."""
        if account.policy["EnableAllFolders"]:
            return {library.name for library in self.libraries}
        granted = {plain_id(str(folder)) for folder in account.policy["EnabledFolders"]}
        return {library.name for library in self.libraries if self.access_id(library) in granted}

    def can_sign_in(self, name: str, password: str) -> bool:
        """Whether the login route would let this name and password in."""
        account = self.user(name)
        return account is not None and not self.why_no_sign_in(account, password)

    def policy_schema_of(self, release: tuple[int, ...]) -> Schema:
        """The policy's keys and values in this release."""
        raise NotImplementedError

    def connect_name_of(self, email: str) -> str:
        """The name that goes with an address at Emby Connect."""
        return email.partition("@")[0]

    def access_id(self, library: Library) -> str:
        """The id that grants this library in a policy."""
        return library.id

    def why_no_sign_in(self, account: Account, password: str, device_id: str = "") -> str:
        """Nothing ("") when the account may sign in, else "disabled" or "password"."""
        if account.policy["IsDisabled"]:
            return "disabled"
        return "" if password == account.password else "password"

    def new_account(self, name: str, password: str = "") -> Account:
        """An account with the product's defaults: enabled, all libraries."""
        made = self._made_id(f"user {next(self._counter)} {name}")
        account = Account(made, name, password, self.policy_schema.fresh(), self.configuration_schema.fresh(), self.clock())
        self.users[made] = account
        return account

    def delete_account(self, account: Account) -> None:
        """The account and its tokens are gone."""
        del self.users[account.id]
        self.end_sign_ins(account)

    def sign_in(self, account: Account, client: dict[str, str]) -> SignIn:
        """A new token for the device in `client`; the one it had before dies."""
        device_id = client.get("deviceid", "")
        self._end(lambda old: old.account_id == account.id and old.device_id == device_id)
        account.last_login_at = self.clock()
        account.policy["InvalidLoginAttemptCount"] = 0
        made = SignIn(
            uuid.uuid4().hex,
            account.id,
            device_id,
            client.get("device", ""),
            client.get("client", ""),
            client.get("version", ""),
            account.last_login_at,
        )
        self.tokens[made.token] = made
        return made

    def end_sign_ins(self, account: Account, keep: str = "") -> None:
        """The account's tokens die, save the one to `keep`."""
        self._end(lambda old: old.account_id == account.id and old.token != keep)

    def end_device(self, device_id: str) -> bool:
        """Every user is signed out of this device; whether there was one."""
        return self._end(lambda old: old.device_id == device_id)

    def _end(self, dies: Callable[[SignIn], bool]) -> bool:
        dead = [token for token, sign_in in self.tokens.items() if dies(sign_in)]
        for token in dead:
            del self.tokens[token]
        return bool(dead)

    def why_not_policy(self, account: Account, policy: Policy) -> str:
        """Nothing ("") when the policy may replace the account's; else the guard in the way, in the words both servers use."""
        if not policy["IsAdministrator"] and self.is_last_admin(account):
            return "There must be at least one user in the system with administrative access."
        if policy["IsDisabled"] and account.policy["IsAdministrator"]:
            return "Administrators cannot be disabled."
        if policy["IsDisabled"] and not account.policy["IsDisabled"] and self._is_last_enabled(account):
            return "There must be at least one enabled user in the system."
        return ""

    def put_policy(self, account: Account, policy: Policy) -> None:
        """Replace the policy. Disabling ends the account's sign-ins; with all libraries on, the list of chosen ones is empty."""
        if policy["EnableAllFolders"]:
            policy["EnabledFolders"] = []
        if policy["IsDisabled"]:
            self.end_sign_ins(account)
        account.policy = policy

    def is_last_admin(self, account: Account) -> bool:
        """Whether nobody else is an administrator."""
        others = (other for other in self.users.values() if other is not account)
        return bool(account.policy["IsAdministrator"]) and not any(other.policy["IsAdministrator"] for other in others)

    def _is_last_enabled(self, account: Account) -> bool:
        return all(other is account or other.policy["IsDisabled"] for other in self.users.values())

    def sorted_users(self, hidden: bool | None = None, disabled: bool | None = None) -> list[Account]:
        """The accounts by name; `hidden` and `disabled` keep those for which the flag is so."""
        wanted = (
            account
            for account in self.users.values()
            if (hidden is None or account.policy["IsHidden"] is hidden) and (disabled is None or account.policy["IsDisabled"] is disabled)
        )
        return sorted(wanted, key=lambda account: account.name.casefold())

    def public_users(self) -> list[Account]:
        """Who shows up on the login screen."""
        return [
            account
            for account in self.users.values()
            if not account.policy["IsHidden"] and not account.policy["IsDisabled"] and account.policy["EnableRemoteAccess"]
        ]

    def find_account(self, text: str) -> Account | None:
        """The account with this id, with dashes or without."""
        return self.users.get(plain_id(text))

    def _made_id(self, what: str) -> str:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.product}/{self.name}/{what}").hex
