"""Simulated Emby server, 4.8 and 4.9: what sets it apart in routing, tokens, refusals and the shape of its answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from panel.simulators import emby_connect, emby_libraries, emby_system, emby_users
from panel.simulators.connect import Connect, ConnectAccount
from panel.simulators.emby_answers import refused
from panel.simulators.http import Answer, Call
from panel.simulators.mediabrowser import MediaBrowser
from panel.simulators.mediabrowser_accounts import Account, Library, identity, timestamp
from panel.simulators.mediabrowser_policy import EMBY_CONFIGURATION, Schema, emby_policy
from panel.simulators.mediabrowser_routes import Asked, Routes
from panel.simulators.mediabrowser_state import DEFAULT_LIBRARIES

_SCHEMES = ("emby", "mediabrowser")


class Emby(MediaBrowser):
    """An Emby server. Each subject has its own module of routes; `routes` joins them.

    `users_as_items`: `GET /Users` answers `{Items, TotalRecordCount}`; `no_users_route`: only `/Users/Query` is there; `guidless`: a very
    old server whose libraries have no Guid, so that their numbers grant access; `premiere`: what the licence question answers, `None` for
    404; `empty_status`: 204 or 200, the status of a success without a body; `keeps_passwords`: a password that is there has to be reset
    before another one can be set, by an administrator too.
    """

    product = "Emby"
    configuration_schema = EMBY_CONFIGURATION
    routes = Routes(emby_system.ROUTES, emby_users.ROUTES, emby_libraries.ROUTES, emby_connect.ROUTES)

    def __init__(self, name: str = "Cedar", version: str = "4.9.1.90", libraries: Iterable[tuple[str, str]] = DEFAULT_LIBRARIES) -> None:
        self.users_as_items = False
        self.no_users_route = False
        self.guidless = False
        self.premiere: bool | None = True
        self.empty_status = 204
        self.keeps_passwords = False
        self.connect = Connect()
        super().__init__(name, version, libraries)

    @property
    def connect_accounts(self) -> dict[str, ConnectAccount | None]:
        """Connect accounts by name or e-mail address (lower case); `None`: there is none."""
        return self.connect.accounts

    def accept_link(self, account: Account) -> None:
        """The person accepts the pending Connect link."""
        with self.lock:
            account.link_pending = False

    def policy_schema_of(self, release: tuple[int, ...]) -> Schema:
        """The policy's key set changed with 4.9."""
        return emby_policy(release)

    def connect_name_of(self, email: str) -> str:
        """As the cloud knows the person."""
        person = self.connect.find(email)
        return person.name if person else super().connect_name_of(email)

    def access_id(self, library: Library) -> str:
        """The Guid; the number only where there is no Guid. Numbers in a policy grant nothing otherwise."""
        return library.number if self.guidless else library.id

    def why_no_sign_in(self, account: Account, password: str, device_id: str = "") -> str:
        """As on both servers; also "locked" after a lock-out."""
        return "locked" if account.policy["LockedOutDate"] else super().why_no_sign_in(account, password, device_id)

    def served_path(self, call: Call) -> str:
        """`/emby` may stand before every path."""
        return call.path[5:] if call.path[:6].lower() == "/emby/" else call.path

    def token_of(self, asked: Asked) -> str:
        """From `X-Emby-Token`, the `Token` of `Authorization` or `X-Emby-Authorization`, or `api_key` in the query."""
        headers = asked.call.headers
        return (
            headers.get("x-emby-token")
            or identity(headers.get("authorization", ""), _SCHEMES).get("token")
            or identity(headers.get("x-emby-authorization", ""), _SCHEMES).get("token")
            or asked.query.get("api_key", "")
        )

    def client_of(self, call: Call) -> dict[str, str]:
        """Client, device, deviceid and version as the client names itself."""
        headers = call.headers
        return identity(headers.get("x-emby-authorization", ""), _SCHEMES) or identity(headers.get("authorization", ""), _SCHEMES)

    def user_dto(self, account: Account) -> dict[str, Any]:
        """The user as the API shows it; what is not set is left out."""
        shown: dict[str, Any] = {
            "Name": account.name,
            "ServerId": self.server_id,
            "Prefix": account.name[:1].upper(),
            "DateCreated": timestamp(account.created_at),
            "Id": account.id,
            "HasPassword": bool(account.password),
            "HasConfiguredPassword": bool(account.password),
            "Configuration": account.configuration,
            "Policy": account.policy,
        }
        if self.release < (4, 9, 1):
            shown["HasConfiguredEasyPassword"] = False
        if account.connect_name:
            shown |= {"ConnectUserName": account.connect_name, "ConnectLinkType": "LinkedUser"}
        if account.last_login_at:
            shown |= {"LastLoginDate": timestamp(account.last_login_at), "LastActivityDate": timestamp(account.last_login_at)}
        if account.avatar:
            shown["PrimaryImageTag"] = account.avatar.tag
        return shown

    def answer_done(self) -> Answer:
        """Success without a body."""
        return Answer(self.empty_status)

    def answer_starting(self) -> Answer:
        """Plain text while the server starts."""
        return refused(503, "Emby Server is starting.")

    def answer_locked(self) -> Answer:
        """The database's own words."""
        return refused(500, "database is locked")

    def answer_no_route(self, path: str) -> Answer:
        """Plain text."""
        return refused(405, "Method not allowed.") if self.routes.knows(path) else refused(404, "Unable to find the specified file.")

    def answer_no_caller(self, token: str) -> Answer:
        """401 that tells a missing token from a refused one."""
        return refused(401, "Access token is invalid or expired." if token else "Access token is required.")

    def answer_no_admin(self) -> Answer:
        """403 in plain text."""
        return refused(403, "The user does not have administrative access.")
