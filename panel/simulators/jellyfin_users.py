"""Jellyfin: users, their passwords, policies, configurations and pictures; the routes of 10.9 and the older ones still served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from panel.simulators.http import Answer
from panel.simulators.jellyfin_answers import (
    DONE,
    account_in_path,
    account_meant,
    failed,
    json_object,
    own_account,
    problem,
    read_policy,
    replaced,
    spoken,
)
from panel.simulators.mediabrowser_accounts import Account, Avatar
from panel.simulators.mediabrowser_routes import Asked, Need, Refused, Routes

if TYPE_CHECKING:
    from panel.simulators.jellyfin import Jellyfin

ROUTES: Routes[Jellyfin] = Routes()

_NAME = re.compile(r"(?!\s)[\w \-'.@+]+(?<!\s)")


@ROUTES.add("GET", "/Users", need=Need.TOKEN)
def users(server: Jellyfin, asked: Asked) -> Answer:
    """All users; any token will do."""
    found = server.sorted_users(asked.flag("isHidden"), asked.flag("isDisabled"))
    return Answer.of_json([server.user_dto(account) for account in found])


@ROUTES.add("GET", "/Users/Public", need=Need.NOTHING)
def users_public(server: Jellyfin, asked: Asked) -> Answer:
    """Who shows up on the login screen."""
    return Answer.of_json([server.user_dto(account) for account in server.public_users()])


@ROUTES.add("GET", "/Users/Me", need=Need.TOKEN)
def me(server: Jellyfin, asked: Asked) -> Answer:
    """The caller; an API key is nobody."""
    account = asked.caller.account if asked.caller else None
    return Answer.of_json(server.user_dto(account)) if account else failed(400)


@ROUTES.add("GET", "/Users/{id}", need=Need.TOKEN)
def user(server: Jellyfin, asked: Asked) -> Answer:
    """One user."""
    return Answer.of_json(server.user_dto(account_in_path(server, asked, missing=spoken(404, "User not found"))))


@ROUTES.add("POST", "/Users/New")
def create(server: Jellyfin, asked: Asked) -> Answer:
    """A new account with its password, and all libraries. From 10.11.9 to 10.11.11 the answer denies the password."""
    body = json_object(asked)
    name = body.get("Name")
    password = body.get("Password") or ""
    if not isinstance(name, str) or not isinstance(password, str):
        raise Refused(problem(400, {"Name": "The Name field is required."}))
    if not _is_name(server, name) or server.user(name):
        return failed(400)
    account = asked.touched = server.new_account(name, password)
    server.exposure.watch(account)
    shown = server.user_dto(account)
    if (10, 11, 9) <= server.release < (10, 12):
        shown |= {"HasPassword": False, "HasConfiguredPassword": False}
    return Answer.of_json(shown)


@ROUTES.add("POST", "/Users", "/Users/{id}", need=Need.TOKEN)
def update(server: Jellyfin, asked: Asked) -> Answer:
    """Rename and configuration by a full UserDto; its policy is checked but not applied. Without a configuration the rename is done all
    the same before it fails."""
    account = own_account(server, asked)
    body = json_object(asked)
    if body.get("Policy") is not None:
        read_policy(server, body["Policy"])
    _rename(server, account, body.get("Name"))
    if not isinstance(body.get("Configuration"), dict):
        return failed(500)
    account.configuration = replaced(server.configuration_schema, body["Configuration"])
    return DONE


@ROUTES.add("DELETE", "/Users/{id}")
def delete(server: Jellyfin, asked: Asked) -> Answer:
    """Delete, unless it is the last user or the last administrator."""
    account = account_in_path(server, asked)
    if len(server.users) == 1:
        return failed(500)
    if server.is_last_admin(account):
        return failed(400)
    server.delete_account(account)
    return DONE


@ROUTES.add("POST", "/Users/Password", "/Users/{id}/Password", need=Need.TOKEN)
def password(server: Jellyfin, asked: Asked) -> Answer:
    """Set the password, which ends the user's other sign-ins, or reset it to empty, which ends none and ignores a `NewPw`."""
    account = own_account(server, asked, refusal=spoken(403, "User is not allowed to update the password."))
    body = json_object(asked)
    caller = asked.caller
    wanted = "" if body.get("ResetPassword") else body.get("NewPw") or ""
    own = caller is not None and caller.account is account
    if own and not body.get("ResetPassword") and (body.get("CurrentPw") or "") != account.password:
        return spoken(403, "Invalid user or password entered.")
    if not wanted and account.policy["IsAdministrator"]:
        return failed(400)
    account.password = wanted
    if not body.get("ResetPassword"):
        server.end_sign_ins(account, keep=caller.token if caller else "")
    return DONE


@ROUTES.add("POST", "/Users/{id}/Policy")
def policy(server: Jellyfin, asked: Asked) -> Answer:
    """Replace the whole policy; what is blocked cannot be written."""
    account = account_in_path(server, asked)
    posted = read_policy(server, json_object(asked))
    guard = server.why_not_policy(account, posted)
    if guard:
        return spoken(403, guard)
    posted |= {key: account.policy[key] for key in ("BlockedMediaFolders", "BlockedChannels")}
    server.put_policy(account, posted)
    return DONE


@ROUTES.add("POST", "/Users/Configuration", "/Users/{id}/Configuration", need=Need.TOKEN)
def configuration(server: Jellyfin, asked: Asked) -> Answer:
    """Replace the whole configuration."""
    own_account(server, asked).configuration = replaced(server.configuration_schema, json_object(asked))
    return DONE


@ROUTES.add("GET", "/UserImage", "/Users/{id}/Images/Primary", need=Need.NOTHING)
def avatar(server: Jellyfin, asked: Asked) -> Answer:
    """The picture."""
    picture = account_meant(server, asked).avatar
    return Answer(200, picture.image, picture.content_type) if picture else problem(404)


@ROUTES.add("POST", "/UserImage", "/Users/{id}/Images/Primary", need=Need.TOKEN)
def set_avatar(server: Jellyfin, asked: Asked) -> Answer:
    """A new picture: base64 text under the image's type."""
    account = own_account(server, asked)
    try:
        account.avatar = Avatar.uploaded(asked.call.headers.get("content-type", ""), asked.call.body)
    except TypeError:
        return Answer.of_text("Incorrect ContentType.", 400)
    except ValueError:
        return failed(500)
    return DONE


@ROUTES.add("DELETE", "/UserImage", "/Users/{id}/Images/Primary", need=Need.TOKEN)
def delete_avatar(server: Jellyfin, asked: Asked) -> Answer:
    """No picture from now on; there need not have been one."""
    own_account(server, asked).avatar = None
    return DONE


def _is_name(server: Jellyfin, name: str) -> bool:
    if server.release >= (12,) and name in (".", ".."):
        return False
    return len(name) <= 255 and _NAME.fullmatch(name) is not None


def _rename(server: Jellyfin, account: Account, name: object) -> None:
    if name == account.name:
        return
    if not isinstance(name, str) or not _is_name(server, name) or _is_taken(server, account, name):
        raise Refused(failed(400))
    account.name = name


def _is_taken(server: Jellyfin, account: Account, name: str) -> bool:
    """Renaming looks at case in 10.10; releases 10.11.9 to 10.11.11 take even the account's own name in another case for a double."""
    if server.release < (10, 11):
        return any(other.name == name for other in server.users.values())
    holder = server.user(name)
    if holder is account:
        return (10, 11, 9) <= server.release < (10, 12)
    return holder is not None
