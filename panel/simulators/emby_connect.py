"""Emby: linking local users to Emby Connect accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panel.simulators.connect import ConnectAccount
from panel.simulators.emby_answers import account_in_path, refused
from panel.simulators.http import Answer
from panel.simulators.mediabrowser_accounts import Account
from panel.simulators.mediabrowser_routes import Asked, Routes

if TYPE_CHECKING:
    from panel.simulators.emby import Emby

ROUTES: Routes[Emby] = Routes()


@ROUTES.add("POST", "/Users/{id}/Connect/Link")
def link(server: Emby, asked: Asked) -> Answer:
    """Link to the Connect account with this name or address; an earlier link of the local user goes."""
    account = account_in_path(server, asked)
    username = asked.query.get("connectusername", "")
    answer = _linked(server, account, username)
    server.connect.note(account.id, username, answer.status)
    return answer


@ROUTES.add("DELETE", "/Users/{id}/Connect/Link")
@ROUTES.add("POST", "/Users/{id}/Connect/Link/Delete")
def unlink(server: Emby, asked: Asked) -> Answer:
    """No Connect account from now on."""
    _forget(account_in_path(server, asked))
    return server.answer_done()


@ROUTES.add("GET", "/Connect/Pending")
def pending(server: Emby, asked: Asked) -> Answer:
    """Invited guests. Links of local users that wait for the person are not among them, and guests are no longer invited: empty."""
    return Answer.of_json([])


def _linked(server: Emby, account: Account, username: str) -> Answer:
    if not username.strip():
        return refused(400, "Value cannot be null. (Parameter 'connectUsername')")
    person = server.connect.find(username)
    if person is None:
        return refused(500, f"Unable to find an Emby Connect account for {username}: the remote server returned 404 (Not Found).")
    if person.disabled:
        return refused(400, "The Emby account has been disabled.")
    holder = _holder(server, person)
    if holder not in (None, account):
        return refused(500, f"This connect user is already linked to local user {holder.name if holder else ''}")
    _forget(account)
    account.connect_name, account.connect_email, account.link_pending = person.name, person.email, person.confirms_links
    return Answer.of_json({"IsPending": person.confirms_links, "IsNewUserInvitation": False})


def _holder(server: Emby, person: ConnectAccount) -> Account | None:
    """The local user linked to this person, by address: a name given to `add_user` may be shorter than the cloud's."""
    email = person.email.lower()
    return next((account for account in server.users.values() if email and account.connect_email.lower() == email), None)


def _forget(account: Account) -> None:
    account.connect_name, account.connect_email, account.link_pending = "", "", False
