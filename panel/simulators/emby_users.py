"""Emby: users, their passwords, policies, configurations and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from panel.simulators.emby_answers import NULL_REFERENCE, account_in_path, json_object, own_account_in_path, page, refused
from panel.simulators.http import Answer
from panel.simulators.mediabrowser_accounts import Account, Avatar
from panel.simulators.mediabrowser_policy import Policy, Schema, WrongValue
from panel.simulators.mediabrowser_routes import Asked, Need, Refused, Routes

if TYPE_CHECKING:
    from panel.simulators.emby import Emby

ROUTES: Routes[Emby] = Routes()


@ROUTES.add("GET", "/Users", need=Need.TOKEN)
def users(server: Emby, asked: Asked) -> Answer:
    """All users, bare or as a page; absent where `no_users_route` says so."""
    if server.no_users_route:
        return refused(404, "Unable to find the specified file.")
    rows = [server.user_dto(account) for account in server.sorted_users(asked.flag("IsHidden"), asked.flag("IsDisabled"))]
    return Answer.of_json({"Items": rows, "TotalRecordCount": len(rows)} if server.users_as_items else rows)


@ROUTES.add("GET", "/Users/Query")
def users_query(server: Emby, asked: Asked) -> Answer:
    """Users in pages."""
    first = asked.query.get("namestartswithorgreater", "").casefold()
    found = server.sorted_users(asked.flag("IsHidden"), asked.flag("IsDisabled"))
    found = [account for account in found if account.name.casefold() >= first]
    if asked.query.get("sortorder", "").lower() == "descending":
        found.reverse()
    rows, total = page(asked, found)
    return Answer.of_json({"Items": [server.user_dto(account) for account in rows], "TotalRecordCount": total})


@ROUTES.add("GET", "/Users/Public", need=Need.NOTHING)
def users_public(server: Emby, asked: Asked) -> Answer:
    """Who shows up on the login screen."""
    return Answer.of_json([server.user_dto(account) for account in server.public_users()])


@ROUTES.add("GET", "/Users/{id}", need=Need.TOKEN)
def user(server: Emby, asked: Asked) -> Answer:
    """One user."""
    return Answer.of_json(server.user_dto(account_in_path(server, asked)))


@ROUTES.add("POST", "/Users/New")
def create(server: Emby, asked: Asked) -> Answer:
    """A new account: no password whatever the body says, all libraries, open to whoever knows its name.

    With `CopyFromUserId` the parts named in `UserCopyOptions` come from that user.
    """
    body = json_object(asked)
    name = _free_name(server, body.get("Name"))
    pattern = _pattern(server, body)
    account = asked.touched = server.new_account(name)
    server.exposure.watch(account)
    options = body.get("UserCopyOptions") or []
    if pattern and "UserPolicy" in options:
        account.policy = server.policy_schema.replaced(pattern.policy)
    if pattern and "UserConfiguration" in options:
        account.configuration = server.configuration_schema.replaced(pattern.configuration)
    return Answer.of_json(server.user_dto(account))


@ROUTES.add("POST", "/Users/{id}", need=Need.TOKEN)
def update(server: Emby, asked: Asked) -> Answer:
    """Rename and configuration by a full UserDto. A body without `Id` fails after the rename is done."""
    account = own_account_in_path(server, asked)
    body = json_object(asked)
    if body.get("Name") != account.name:
        account.name = _free_name(server, body.get("Name"), account)
        if not body.get("Id"):
            return refused(500, NULL_REFERENCE)
    if isinstance(body.get("Configuration"), dict):
        account.configuration = _replaced(server.configuration_schema, body["Configuration"])
    return server.answer_done()


@ROUTES.add("DELETE", "/Users/{id}")
@ROUTES.add("POST", "/Users/{id}/Delete")
def delete(server: Emby, asked: Asked) -> Answer:
    """Delete, unless it is the last user or the last administrator."""
    account = account_in_path(server, asked)
    if len(server.users) == 1:
        return refused(400, f"The user '{account.name}' cannot be deleted because there must be at least one user in the system.")
    if server.is_last_admin(account):
        return refused(400, f"The user '{account.name}' cannot be deleted because there must be at least one admin user in the system.")
    server.delete_account(account)
    return server.answer_done()


@ROUTES.add("POST", "/Users/{id}/Password", need=Need.TOKEN)
def password(server: Emby, asked: Asked) -> Answer:
    """Set the password, which ends the user's other sign-ins, or reset it to empty, which ends none."""
    account = own_account_in_path(server, asked)
    body = json_object(asked)
    if body.get("ResetPassword"):
        account.password = ""
        return server.answer_done()
    caller = asked.caller
    own = caller is not None and caller.account is account
    if own and body.get("CurrentPw", account.password) != account.password:
        return refused(400, "Invalid user or password entered.")
    if server.keeps_passwords and not own and account.password:
        return refused(400, "Invalid user or password entered.")
    account.password = body.get("NewPw") or ""
    server.end_sign_ins(account, keep=caller.token if caller else "")
    return server.answer_done()


@ROUTES.add("POST", "/Users/{id}/Policy")
def policy(server: Emby, asked: Asked) -> Answer:
    """Replace the whole policy."""
    account = account_in_path(server, asked)
    posted = _replaced(server.policy_schema, json_object(asked))
    guard = server.why_not_policy(account, posted)
    if guard:
        return refused(400, guard)
    server.put_policy(account, posted)
    return server.answer_done()


@ROUTES.add("POST", "/Users/{id}/Configuration", need=Need.TOKEN)
def configuration(server: Emby, asked: Asked) -> Answer:
    """Replace the whole configuration."""
    own_account_in_path(server, asked).configuration = _replaced(server.configuration_schema, json_object(asked))
    return server.answer_done()


@ROUTES.add("POST", "/Users/{id}/Configuration/Partial", need=Need.TOKEN)
def configuration_partial(server: Emby, asked: Asked) -> Answer:
    """Change the given keys of the configuration."""
    account = own_account_in_path(server, asked)
    account.configuration = _replaced(server.configuration_schema, {**account.configuration, **json_object(asked)})
    return server.answer_done()


@ROUTES.add("GET", "/Users/{id}/Images/Primary", need=Need.NOTHING)
def avatar(server: Emby, asked: Asked) -> Answer:
    """The picture."""
    picture = account_in_path(server, asked).avatar
    return Answer(200, picture.image, picture.content_type) if picture else refused(404, "Image not found")


@ROUTES.add("POST", "/Users/{id}/Images/Primary", need=Need.TOKEN)
def set_avatar(server: Emby, asked: Asked) -> Answer:
    """A new picture: base64 text under the image's type."""
    account = own_account_in_path(server, asked)
    try:
        account.avatar = Avatar.uploaded(asked.call.headers.get("content-type", ""), asked.call.body)
    except TypeError:
        return refused(400, "Incorrect ContentType.")
    except ValueError:
        return refused(500, "The input is not a valid Base-64 string.")
    return server.answer_done()


@ROUTES.add("DELETE", "/Users/{id}/Images/Primary", need=Need.TOKEN)
@ROUTES.add("POST", "/Users/{id}/Images/Primary/Delete", need=Need.TOKEN)
def delete_avatar(server: Emby, asked: Asked) -> Answer:
    """No picture from now on."""
    own_account_in_path(server, asked).avatar = None
    return server.answer_done()


def _replaced(schema: Schema, body: dict[str, Any]) -> Policy:
    try:
        return schema.replaced(body)
    except WrongValue as wrong:
        raise Refused(refused(400, f"Unable to read {wrong.key}: {wrong.expected} expected.")) from wrong


def _free_name(server: Emby, name: object, account: Account | None = None) -> str:
    """A name nobody but `account` has. Raises `Refused` with 400."""
    if not isinstance(name, str) or not name.strip() or "<" in name or ">" in name:
        raise Refused(refused(400, "Usernames can contain unicode symbols, numbers, dashes, underscores, apostrophes and periods."))
    if server.user(name) not in (None, account):
        raise Refused(refused(400, f"A user with the name '{name}' already exists."))
    return name


def _pattern(server: Emby, body: dict[str, Any]) -> Account | None:
    wanted = body.get("CopyFromUserId")
    found = server.find_account(wanted) if isinstance(wanted, str) else None
    if wanted and found is None:
        raise Refused(refused(404, "User not found"))
    return found
