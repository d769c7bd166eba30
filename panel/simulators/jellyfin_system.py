"""Jellyfin: identity, keys, sign-in and sign-out, sessions and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.http import Answer
from panel.simulators.jellyfin_answers import DONE, failed, json_object, problem
from panel.simulators.mediabrowser_accounts import EMPTY_ID, Account, ApiKey, SignIn, timestamp
from panel.simulators.mediabrowser_policy import JELLYFIN_RESET_PROVIDER, JELLYFIN_SIGN_IN_PROVIDER
from panel.simulators.mediabrowser_routes import Asked, Need, Routes

if TYPE_CHECKING:
    from panel.simulators.jellyfin import Jellyfin

ROUTES: Routes[Jellyfin] = Routes()


def _public_info(server: Jellyfin) -> dict[str, Any]:
    return {
        "LocalAddress": server.url,
        "ServerName": server.name,
        "Version": server.version,
        "ProductName": "Jellyfin Server",
        "OperatingSystem": "",
        "Id": server.server_id,
        "StartupWizardCompleted": True,
    }


@ROUTES.add("GET", "/System/Info/Public", need=Need.NOTHING)
def info_public(server: Jellyfin, asked: Asked) -> Answer:
    """Who this server is."""
    return Answer.of_json(_public_info(server))


@ROUTES.add("GET", "/System/Info", need=Need.TOKEN)
def info(server: Jellyfin, asked: Asked) -> Answer:
    """More about the server, for a caller with a token."""
    more = {"HasPendingRestart": False, "IsShuttingDown": False, "CompletedInstallations": [], "CastReceiverApplications": []}
    return Answer.of_json({**_public_info(server), **more})


@ROUTES.add("GET", "/System/Ping", need=Need.NOTHING)
@ROUTES.add("POST", "/System/Ping", need=Need.NOTHING)
def ping(server: Jellyfin, asked: Asked) -> Answer:
    """A sign of life, even while starting."""
    return Answer.of_json("Jellyfin Server")


@ROUTES.add("GET", "/Auth/Keys")
def keys(server: Jellyfin, asked: Asked) -> Answer:
    """All API keys."""
    rows = [_key(key) for key in server.keys.values()]
    return Answer.of_json(_all(rows))


@ROUTES.add("POST", "/Auth/Keys")
def add_key(server: Jellyfin, asked: Asked) -> Answer:
    """A new key, which the answer does not show."""
    if not asked.query.get("app"):
        return problem(400, {"app": "The app field is required."})
    server.add_key(asked.query["app"])
    return DONE


@ROUTES.add("DELETE", "/Auth/Keys/{key}")
def delete_key(server: Jellyfin, asked: Asked) -> Answer:
    """The key is refused from now on."""
    server.keys.pop(asked.ids["key"], None)
    return DONE


@ROUTES.add("GET", "/Auth/Providers")
def providers(server: Jellyfin, asked: Asked) -> Answer:
    """Where passwords can be kept."""
    return Answer.of_json([{"Name": "Default", "Id": JELLYFIN_SIGN_IN_PROVIDER}])


@ROUTES.add("GET", "/Auth/PasswordResetProviders")
def reset_providers(server: Jellyfin, asked: Asked) -> Answer:
    """How passwords can be reset."""
    return Answer.of_json([{"Name": "Default", "Id": JELLYFIN_RESET_PROVIDER}])


@ROUTES.add("POST", "/Users/AuthenticateByName", need=Need.NOTHING)
def sign_in(server: Jellyfin, asked: Asked) -> Answer:
    """A token for name and password; the client has to name itself in full.

    A wrong password counts, and with a limit set disables the account; everything else that stands in the way is a 403 without a reason.
    """
    body = json_object(asked)
    client = server.client_of(asked.call)
    name, password = body.get("Username"), body.get("Pw") or ""
    if not all(client.get(part) for part in ("client", "device", "deviceid", "version")) or not isinstance(name, str) or not name:
        return failed(400)
    account = server.user(name)
    obstacle = server.why_no_sign_in(account, password, client["deviceid"]) if account else "password"
    if account is None or obstacle in ("password", "provider"):
        _count_failure(server, account)
        return failed(401)
    if obstacle:
        return failed(403)
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
def sign_out(server: Jellyfin, asked: Asked) -> Answer:
    """The caller's token dies."""
    if asked.caller:
        server.tokens.pop(asked.caller.token, None)
    return DONE


@ROUTES.add("GET", "/Sessions", need=Need.TOKEN)
def sessions(server: Jellyfin, asked: Asked) -> Answer:
    """Who is signed in where; a user sees only their own."""
    device = asked.query.get("deviceid")
    own = None if asked.caller is None or asked.caller.is_admin or asked.caller.account is None else asked.caller.account.id
    found = [each for each in server.tokens.values() if device in (None, each.device_id) and own in (None, each.account_id)]
    return Answer.of_json([_session(server, each) for each in found])


@ROUTES.add("GET", "/Devices")
def devices(server: Jellyfin, asked: Asked) -> Answer:
    """Devices with their tokens. `userId` asks who may use a device, not whose it is: everybody may."""
    return Answer.of_json(_all([_device(server, each) for each in server.tokens.values()]))


@ROUTES.add("DELETE", "/Devices")
def delete_device(server: Jellyfin, asked: Asked) -> Answer:
    """Signs everybody out of the device."""
    return DONE if server.end_device(asked.query.get("id", "")) else problem(404)


def _all(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Items": rows, "TotalRecordCount": len(rows), "StartIndex": 0}


def _count_failure(server: Jellyfin, account: Account | None) -> None:
    if account is None:
        return
    account.policy["InvalidLoginAttemptCount"] += 1
    if 0 < account.policy["LoginAttemptsBeforeLockout"] <= account.policy["InvalidLoginAttemptCount"]:
        account.policy["IsDisabled"] = True
        server.end_sign_ins(account)


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "Id": key.number,
        "AccessToken": key.key,
        "DeviceId": "",
        "AppName": key.app,
        "AppVersion": "",
        "DeviceName": "",
        "UserId": EMPTY_ID,
        "IsActive": True,
        "DateCreated": timestamp(key.at),
        "DateLastActivity": timestamp(key.at),
    }


def _session(server: Jellyfin, each: SignIn) -> dict[str, Any]:
    return {
        "PlayState": {"CanSeek": False, "IsPaused": False, "IsMuted": False, "RepeatMode": "RepeatNone", "PlaybackOrder": "Default"},
        "AdditionalUsers": [],
        "RemoteEndPoint": "127.0.0.1",
        "PlayableMediaTypes": [],
        "Id": each.token[::-1],
        "UserId": each.account_id,
        "UserName": server.users[each.account_id].name,
        "Client": each.client,
        "LastActivityDate": timestamp(each.at),
        "DeviceName": each.device,
        "DeviceId": each.device_id,
        "ApplicationVersion": each.version,
        "IsActive": True,
        "SupportsMediaControl": False,
        "SupportsRemoteControl": False,
        "HasCustomDeviceName": False,
        "ServerId": server.server_id,
        "SupportedCommands": [],
    }


def _device(server: Jellyfin, each: SignIn) -> dict[str, Any]:
    return {
        "Name": each.device,
        "AccessToken": each.token,
        "Id": each.device_id,
        "LastUserName": server.users[each.account_id].name,
        "LastUserId": each.account_id,
        "AppName": each.client,
        "AppVersion": each.version,
        "DateLastActivity": timestamp(each.at),
    }
