"""Simulated Jellyfin server, 10.10, 10.11 and 12: what sets it apart in routing, tokens, refusals and the shape of its answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from panel.simulators import jellyfin_libraries, jellyfin_system, jellyfin_users
from panel.simulators.http import Answer, Call
from panel.simulators.jellyfin_answers import failed
from panel.simulators.mediabrowser import MediaBrowser
from panel.simulators.mediabrowser_accounts import Account, identity, timestamp
from panel.simulators.mediabrowser_policy import JELLYFIN_CONFIGURATION, JELLYFIN_SIGN_IN_PROVIDER, Schema, jellyfin_policy
from panel.simulators.mediabrowser_routes import Asked, Routes
from panel.simulators.mediabrowser_state import DEFAULT_LIBRARIES

_LEGACY_PREFIXES = ("/emby/", "/mediabrowser/")


class Jellyfin(MediaBrowser):
    """A Jellyfin server. Each subject has its own module of routes; `routes` joins them.

    `legacy_auth`: the older token carriers and the `/emby` prefix, on before 12.0; `base_path`: the base URL an administrator may set,
    such as "/jellyfin": everything outside of it is redirected to the web client.
    """

    product = "Jellyfin"
    configuration_schema = JELLYFIN_CONFIGURATION
    answers_while_starting = frozenset(("/system/ping",))
    routes = Routes(jellyfin_system.ROUTES, jellyfin_users.ROUTES, jellyfin_libraries.ROUTES)

    def __init__(self, name: str = "Birch", version: str = "10.11.11", libraries: Iterable[tuple[str, str]] = DEFAULT_LIBRARIES) -> None:
        super().__init__(name, version, libraries)
        self.legacy_auth = self.release < (12,)
        self.base_path = ""

    def policy_schema_of(self, release: tuple[int, ...]) -> Schema:
        """10.11 added a key to the policy."""
        return jellyfin_policy(release)

    def visible(self, account: Account) -> set[str]:
        """A list of blocked folders, where there is one, overrides the list of enabled ones."""
        blocked = account.policy["BlockedMediaFolders"]
        if blocked:
            return {library.name for library in self.libraries if library.id not in blocked}
        return super().visible(account)

    def why_no_sign_in(self, account: Account, password: str, device_id: str = "") -> str:
        """As on both servers; "provider" for an unknown one, "sessions" when there are too many besides this device's."""
        known_provider = account.policy["AuthenticationProviderId"] == JELLYFIN_SIGN_IN_PROVIDER
        obstacle = super().why_no_sign_in(account, password) if known_provider else "provider"
        return obstacle or ("sessions" if self._has_too_many_sessions(account, device_id) else "")

    def _has_too_many_sessions(self, account: Account, device_id: str) -> bool:
        most = account.policy["MaxActiveSessions"]
        if most < 1:
            return False
        return sum(each.account_id == account.id and each.device_id != device_id for each in self.tokens.values()) >= most

    def answer(self, call: Call) -> Answer:
        """Outside of the base path everything is redirected to the web client."""
        outside = self.base_path and not (call.path + "/").lower().startswith(self.base_path.lower() + "/")
        if outside or (call.method == "GET" and self.served_path(call) in ("", "/") and not self.starting):
            return Answer(302, headers={"Location": self.base_path + "/web/"})
        return super().answer(call)

    def served_path(self, call: Call) -> str:
        """Without the base path, and without the prefixes that servers before 12.0 strip silently."""
        path = call.path[len(self.base_path) :]
        if self.legacy_auth:
            prefix = next((prefix for prefix in _LEGACY_PREFIXES if path.lower().startswith(prefix)), "/")
            path = path[len(prefix) - 1 :]
        return path

    def token_of(self, asked: Asked) -> str:
        """The `Token` of `Authorization`, or `ApiKey` in the query; with legacy authorization also the older carriers."""
        headers, query = asked.call.headers, asked.query
        token = self.client_of(asked.call).get("token", "")
        if self.legacy_auth:
            token = token or headers.get("x-emby-token", "") or headers.get("x-mediabrowser-token", "")
        token = token or query.get("apikey", "")
        return token or (query.get("api_key", "") if self.legacy_auth else "")

    def client_of(self, call: Call) -> dict[str, str]:
        """The pairs of `Authorization`; `X-Emby-Authorization` counts only without it, and only with legacy authorization."""
        schemes = ("mediabrowser", "emby") if self.legacy_auth else ("mediabrowser",)
        header = call.headers.get("authorization", "")
        if not header and self.legacy_auth:
            header = call.headers.get("x-emby-authorization", "")
        return identity(header, schemes)

    def user_dto(self, account: Account) -> dict[str, Any]:
        """The user as the API shows it; nulls are left out. Since 12.0 everybody seems to have a password."""
        has_password = self.release >= (12,) or bool(account.password)
        shown: dict[str, Any] = {
            "Name": account.name,
            "ServerId": self.server_id,
            "Id": account.id,
            "HasPassword": has_password,
            "HasConfiguredPassword": has_password,
            "HasConfiguredEasyPassword": False,
            "EnableAutoLogin": False,
            "Configuration": account.configuration,
            # a granted lyric management is stored but never shown
            "Policy": {**account.policy, "EnableLyricManagement": False},
        }
        if account.last_login_at:
            shown |= {"LastLoginDate": timestamp(account.last_login_at), "LastActivityDate": timestamp(account.last_login_at)}
        if account.avatar:
            shown["PrimaryImageTag"] = account.avatar.tag
        return shown

    def answer_starting(self) -> Answer:
        """A page for people."""
        return Answer.of_text("<html><body>Jellyfin Server is loading. Please try again shortly.</body></html>", 503, "text/html")

    def answer_locked(self) -> Answer:
        """The constant text."""
        return failed(500)

    def answer_no_route(self, path: str) -> Answer:
        """Empty, be it the path or the verb."""
        return Answer(405 if self.routes.knows(path) else 404)

    def answer_no_caller(self, token: str) -> Answer:
        """Empty, whatever is wrong with the token."""
        return Answer(401)

    def answer_no_admin(self) -> Answer:
        """Empty."""
        return Answer(403)
