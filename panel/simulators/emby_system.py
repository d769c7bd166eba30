"""Emby: identity, keys, sign-in and sign-out, sessions and devices, licence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.emby_answers import json_object, refused
from panel.simulators.http import Answer
from panel.simulators.mediabrowser_accounts import SignIn, timestamp
from panel.simulators.mediabrowser_policy import EMBY_SIGN_IN_PROVIDER
from panel.simulators.mediabrowser_routes import Asked, Need, Routes

if TYPE_CHECKING:
    from panel.simulators.emby import Emby

ROUTES: Routes[Emby] = Routes()


def _public_info(server: Emby) -> dict[str, Any]:
    return {
        "LocalAddress": server.url,
        "LocalAddresses": [server.url],
        "WanAddress": "http://198.51.100.7:8096",
        "RemoteAddresses": ["http://198.51.100.7:8096"],
        "ServerName": server.name,
        "Version": server.version,
        "Id": server.server_id,
    }


@ROUTES.add("GET", "/System/Info/Public", need=Need.NOTHING)
def info_public(server: Emby, asked: Asked) -> Answer:
    """Who this server is."""
    return Answer.of_json(_public_info(server))


@ROUTES.add("GET", "/System/Info", need=Need.TOKEN)
def info(server: Emby, asked: Asked) -> Answer:
    """More about the server, for a caller with a token."""
    more = {"OperatingSystem": "Linux", "HasPendingRestart": False, "IsShuttingDown": False, "HardwareAccelerationRequiresPremiere": True}
    if server.release >= (4, 9, 1):
        more["IsInMaintenanceMode"] = False
    return Answer.of_json({**_public_info(server), **more})


@ROUTES.add("GET", "/System/Ping", need=Need.NOTHING)
@ROUTES.add("POST", "/System/Ping", need=Need.NOTHING)
def ping(server: Emby, asked: Asked) -> Answer:
    """A sign of life."""
    return Answer.of_text("Emby Server")


@ROUTES.add("GET", "/Auth/Keys")
def keys(server: Emby, asked: Asked) -> Answer:
    """All API keys."""
    rows = [
        {"Id": key.number, "AccessToken": key.key, "AppName": key.app, "IsActive": True, "DateCreated": timestamp(key.at)}
        for key in server.keys.values()
    ]
    return Answer.of_json({"Items": rows, "TotalRecordCount": len(rows)})


@ROUTES.add("POST", "/Auth/Keys")
def add_key(server: Emby, asked: Asked) -> Answer:
    """A new key, which the answer does not show."""
    if not asked.query.get("app"):
        return refused(400, "Value cannot be null. (Parameter 'App')")
    server.add_key(asked.query["app"])
    return server.answer_done()


@ROUTES.add("DELETE", "/Auth/Keys/{key}")
@ROUTES.add("POST", "/Auth/Keys/{key}/Delete")
def delete_key(server: Emby, asked: Asked) -> Answer:
    """The key is refused from now on."""
    server.keys.pop(asked.ids["key"], None)
    return server.answer_done()


@ROUTES.add("GET", "/Auth/Providers")
def providers(server: Emby, asked: Asked) -> Answer:
    """Where passwords can be kept."""
    return Answer.of_json([{"Name": "Default", "Id": EMBY_SIGN_IN_PROVIDER}])


@ROUTES.add("POST", "/Users/AuthenticateByName", need=Need.NOTHING)
def sign_in(server: Emby, asked: Asked) -> Answer:
    """A token for name and password. The client has to name itself."""
    body = json_object(asked)
    client = server.client_of(asked.call)
    name, password = body.get("Username"), body.get("Pw") or ""
    if not client.get("deviceid") or not isinstance(name, str) or not name:
        return refused(400, "Value cannot be null.")
    account = server.user(name)
    obstacle = server.why_no_sign_in(account, password) if account else "password"
    if account is None or obstacle == "password":
        return _wrong_password(server, name)
    if obstacle:
        return refused(403, f"The user account {account.name} is currently disabled. Please consult with your administrator.")
    made = server.sign_in(account, client)
    return Answer.of_json(
        {
            "User": server.user_dto(account),
            "SessionInfo": _session(server, made),
            "AccessToken": made.token,
            "ServerId": server.server_id,
        }
    )


@ROUTES.add("POST", "/Sessions/Logout", need=Need.TOKEN)
def sign_out(server: Emby, asked: Asked) -> Answer:
    """The caller's token dies."""
    if asked.caller:
        server.tokens.pop(asked.caller.token, None)
    return server.answer_done()


@ROUTES.add("GET", "/Sessions", need=Need.TOKEN)
def sessions(server: Emby, asked: Asked) -> Answer:
    """Who is signed in where."""
    device = asked.query.get("deviceid")
    return Answer.of_json([_session(server, each) for each in server.tokens.values() if device in (None, each.device_id)])


@ROUTES.add("GET", "/Devices")
def devices(server: Emby, asked: Asked) -> Answer:
    """Devices with the user who came last."""
    latest = {each.device_id: each for each in sorted(server.tokens.values(), key=lambda each: each.at)}
    rows = [_device(server, number, each) for number, each in enumerate(latest.values(), 1)]
    return Answer.of_json({"Items": rows, "TotalRecordCount": len(rows)})


@ROUTES.add("DELETE", "/Devices")
@ROUTES.add("POST", "/Devices/Delete")
def delete_device(server: Emby, asked: Asked) -> Answer:
    """Signs everybody out of the device."""
    server.end_device(asked.query.get("id", ""))
    return server.answer_done()


@ROUTES.add("GET", "/Plugins/SecurityInfo")
def licence(server: Emby, asked: Asked) -> Answer:
    """Whether the server has a Premiere licence, with its key."""
    if server.premiere is None:
        return refused(404, "Unable to find the specified file.")
    return Answer.of_json({"SupporterKey": "NOT-A-REAL-KEY" if server.premiere else "", "IsMBSupporter": server.premiere})


def _wrong_password(server: Emby, name: str) -> Answer:
    account = server.user(name)
    if account:
        account.policy["InvalidLoginAttemptCount"] += 1
    return refused(401, "Invalid username or password entered.")


def _session(server: Emby, each: SignIn) -> dict[str, Any]:
    return {
        "PlayState": {"CanSeek": False, "IsPaused": False, "IsMuted": False, "RepeatMode": "RepeatNone"},
        "AdditionalUsers": [],
        "RemoteEndPoint": "127.0.0.1",
        "PlayableMediaTypes": [],
        "Id": each.token[::-1],
        "ServerId": server.server_id,
        "UserId": each.account_id,
        "UserName": server.users[each.account_id].name,
        "Client": each.client,
        "LastActivityDate": timestamp(each.at),
        "DeviceName": each.device,
        "DeviceId": each.device_id,
        "ApplicationVersion": each.version,
        "SupportedCommands": [],
        "SupportsRemoteControl": False,
    }


def _device(server: Emby, number: int, each: SignIn) -> dict[str, Any]:
    return {
        "Name": each.device,
        "Id": each.device_id,
        "InternalId": number,
        "ReportedDeviceId": each.device_id,
        "LastUserName": server.users[each.account_id].name,
        "LastUserId": each.account_id,
        "AppName": each.client,
        "AppVersion": each.version,
        "DateLastActivity": timestamp(each.at),
        "IpAddress": "127.0.0.1",
    }
