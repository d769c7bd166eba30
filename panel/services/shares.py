"""Who is on which server: the list, and one person's access read anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.orm import selectinload

from panel.domain.platform import Platform
from panel.extensions import db, execute
from panel.models import Server, Share, User
from panel.models.types import utc_now
from panel.platforms.base import Member, PlatformError
from panel.services.servers import HURRIED, look_or_raise, refusal_of, remote_for
from panel.services.sync.shares import gives_access, update_shares, why_doubtful
from panel.services.throttling import NotYet, require_warm, slow_down
from panel.services.user_list import holds

#: What the list can be narrowed to, and how that reads.
STATES = {"accepted": "Accepted", "waiting": "Not accepted yet", "owner": "Owner"}


class ServerBusy(ValueError):
    """The server is in other hands, or did not answer; `str(error)` is a sentence."""


def matching(search: str = "", filters: Mapping[str, str] | None = None) -> Select[Any]:
    """The shares of users who match `search` that are as `filters` say: `state` (a key of `STATES`), `server` (an id)."""
    filters = filters or {}
    query = select(Share)
    if search:
        named = Share.user_id.in_(select(User.id).where(holds(search)))
        query = query.where(or_(named, Share.account_name.icontains(search, autoescape=True)))
    if (server_id := filters.get("server", "")).isdecimal() and len(server_id) < 10:
        query = query.where(Share.server_id == int(server_id))
    if filters.get("state") == "owner":
        query = query.where(Share.is_owner)
    elif filters.get("state") in STATES:
        accepted = Share.accepted_at.is_not(None) if filters["state"] == "accepted" else Share.accepted_at.is_(None)
        query = query.where(accepted, Share.is_owner.is_(False))
    return query


def with_names(query: Select[Any]) -> Select[Any]:
    """The same with user, server and libraries (1 query more for each): joined, they would make the rows wide that are sorted."""
    return query.options(selectinload(Share.user), selectinload(Share.server), selectinload(Share.libraries))


def orders() -> dict[str, Sequence[Any]]:
    """What the list can be sorted by."""
    user = select(func.lower(User.name)).where(User.id == Share.user_id).correlate(Share).scalar_subquery()
    server = select(func.lower(Server.name)).where(Server.id == Share.server_id).correlate(Share).scalar_subquery()
    return {
        "user": (user, Share.id),
        "server": (server, user, Share.id),
        "invited": (Share.invited_at, Share.id),
        "accepted": (Share.accepted_at, Share.id),
    }


def why_not_now(server: Server) -> str:
    """Why nothing of this server's shares may be touched now; empty when it may."""
    if server.migration_id is not None:
        return f"Migration {server.migration_id} is using {server.name}; try again when it has ended."
    if server.syncs_now:
        return f"{server.name} is being synced now; try again in a moment."
    return ""


def require_free(server: Server) -> None:
    """In the transaction that is about to write: nobody else holds the server. Flushed. Raises `ServerBusy`."""
    if (
        execute(update(Server).where(Server.id == server.id, Server.migration_id.is_(None), ~Server.syncs_now).values(migration_id=None))
        != 1
    ):
        raise ServerBusy(f"A migration or a sync has just begun on {server.name}: nothing was changed. Try again when it has ended.")


def read_again(share: Share) -> str:
    """Ask the server now and bring this one share in step; answers with a sentence what was found. Flushed, the share is deleted where the
    access is gone. Raises `ServerBusy`."""
    server, user = share.server, share.user
    if reason := why_not_now(server):
        raise ServerBusy(reason)
    members = _ask(server)
    require_free(server)
    member = _find(members, share)
    if odd := next((one for one in members if one.unreadable and (one is member or not (one.id or member))), None):
        raise ServerBusy(f"{odd.unreadable} Nothing was changed.")
    if member is None or not gives_access(member):
        return _ended(share, members)
    before = share.accepted_at
    share.remote_id = _free_id(share, member.id)
    libraries = {library.remote_id: library for library in server.libraries if library.remote_id}
    update_shares(server, [(member, user)], libraries, utc_now(), may_end=False)
    if member.accepted and before is None:
        return f"{user.name} has accepted the invite to {server.name}."
    state = "has access to" if member.accepted else "has not accepted the invite to"
    return f"{user.name} {state} {server.name}; this is how the server lists it now."


def _ask(server: Server) -> tuple[Member, ...]:
    try:
        require_warm(server)
    except NotYet as refusal:
        raise ServerBusy(str(refusal)) from None
    remote = remote_for(server, timeouts=HURRIED)
    try:
        return look_or_raise(server, remote).members
    except PlatformError as error:
        slow_down(server, error)
        raise ServerBusy(refusal_of(server, error).message) from None
    finally:
        remote.close()


def _find(members: Sequence[Member], share: Share) -> Member | None:
    """By the id of the access; an accepted invite to a Plex server may have got another one."""
    found = next((member for member in members if member.id == share.remote_id), None)
    if found is None and share.server.platform is Platform.PLEX and share.user.plex_id:
        found = next((member for member in members if member.account_id == share.user.plex_id), None)
    return found


def _free_id(share: Share, remote_id: str) -> str:
    """The id this share goes by from now on; where another row has it already, that one goes."""
    if remote_id != share.remote_id:
        execute(delete(Share).where(Share.server_id == share.server_id, Share.remote_id == remote_id))
    return remote_id


def _ended(share: Share, members: Sequence[Member]) -> str:
    server, user = share.server, share.user
    if doubt := why_doubtful(server, members):
        raise ServerBusy(doubt)
    db.session.delete(share)
    db.session.flush()
    return f"{user.name} no longer has access to {server.name}; the entry was removed from the panel."
