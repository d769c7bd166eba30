"""Who has access to a server, as a sync has found it, against the shares there are: few statements, however many people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Library, Server, Share, User
from panel.models.share import share_libraries
from panel.platforms.base import Member
from panel.services.sync.texts import some_of

#: How many values one statement carries; every database takes more.
BATCH = 500
#: Stands in every sentence about a list that is not believed: `is_disbelief` goes by it.
NOBODY_REMOVED = "nobody was removed from the panel"
#: A list is not believed when so many are missing from it and they are at least half; of invites, all.
ENOUGH_TO_DOUBT = 2


def is_disbelief(sentence: str) -> bool:
    """Whether this is said of a list that is not believed."""
    return NOBODY_REMOVED in sentence


def gives_access(member: Member) -> bool:
    """Whether this is kept as a share: an invite that waits, an administrator, or an enabled account with a library."""
    return not member.disabled and (not member.accepted or member.is_owner or member.all_libraries or bool(member.library_ids))


def update_shares(
    server: Server,
    users: Sequence[tuple[Member, User]],
    libraries: Mapping[str, Library],
    now: datetime,
    *,
    may_end: bool,
    left: Collection[str | int] = (),
) -> int:
    """Make the shares of this server what the members are; flushed. Answers how many ended, none unless they `may_end`. Those `left` (the
    platform's ids of shares, and ids of users) stay as they are."""
    shares = {share.remote_id: share for share in db.session.scalars(select(Share).where(Share.server_id == server.id))}
    present = [(member, user) for member, user in users if gives_access(member)]
    for member, user in present:
        shares[member.id] = _written(server, shares.get(member.id), member, user, now)
    db.session.flush()
    kept = {member.id for member, _ in present}
    wanted = {shares[member.id].id: {libraries[key].id for key in member.library_ids if key in libraries} for member, _ in present}
    changed = _update_libraries(wanted, server)
    for share in shares.values():
        if share.id in changed:
            db.session.expire(share, ["libraries"])
    gone = [share for share in shares.values() if share.remote_id not in kept] if may_end else []
    ended = [share.id for share in gone if share.remote_id not in left and share.user_id not in left]
    for ids in _batches(ended):
        db.session.execute(delete(Share).where(Share.id.in_(ids)))
    return len(ended)


def are_missing(server: Server, users: Sequence[tuple[Member, User]], left: Collection[str | int]) -> bool:
    """Whether somebody who has a share here is not in the list, nor among those `left` (see `update_shares`)."""
    kept = {member.id for member, _ in users if gives_access(member)}
    rows = db.session.execute(select(Share.remote_id, Share.user_id).where(Share.server_id == server.id))
    return any(remote_id not in kept and remote_id not in left and user_id not in left for remote_id, user_id in rows)


def why_doubtful(server: Server, members: Iterable[Member]) -> str:
    """Why nobody may be taken for gone after this list: it is empty or tells nothing that can be read, or at least half of the known
    people, or all waiting invites, are missing from it."""
    members = list(members)
    query = select(Share.remote_id, Share.accepted_at, User.plex_id).join(User, User.id == Share.user_id)
    known = db.session.execute(query.where(Share.server_id == server.id, Share.is_owner.is_(False) | Share.accepted_at.is_not(None))).all()
    # Somebody listed without access is no sign of half a list; an accepted invite stays in it, at times under another id.
    listed = {member.id for member in members}
    plex_ids = {member.account_id for member in members if member.account_id} if server.platform is Platform.PLEX else set()
    there = [(accepted_at is not None, key in listed or plex_id in plex_ids) for key, accepted_at, plex_id in known]
    people = [is_there for accepted, is_there in there if accepted]
    invites = [is_there for accepted, is_there in there if not accepted]
    if people and not any(people) and all(member.unreadable for member in members):
        nobody = "nobody of whom anything could be read" if members else "nobody"
        what = f"{server.name} listed {nobody}, though {len(people)} had access at the last sync"
    elif people.count(False) >= ENOUGH_TO_DOUBT and people.count(False) * 2 >= len(people):
        left = f"only {people.count(True)}" if any(people) else "none"
        what = f"{server.name} listed {left} of the {len(people)} people who had access at the last sync"
    elif len(invites) >= ENOUGH_TO_DOUBT and not any(invites):
        what = f"{server.name} listed none of the {len(invites)} invites that were waiting at the last sync"
    else:
        return ""
    return f"{what}: {NOBODY_REMOVED}. Look at the server, and sync again when it lists everyone."


def why_held(names: Sequence[str]) -> str:
    """Why nobody may be taken for gone where somebody is missing from a list, and may be among those of these names."""
    return (
        f"The server lists {some_of(names)} without the id of their access. "
        f"That may be one of those who seem to be missing, so {NOBODY_REMOVED}."
    )


def _written(server: Server, share: Share | None, member: Member, user: User, now: datetime) -> Share:
    if share is None:
        share = Share(server_id=server.id, remote_id=member.id, user_id=user.id, settings=dict(member.settings), accepted_at=None)
        db.session.add(share)
    elif share.settings != member.settings:
        share.settings = dict(member.settings)
    if share.user_id != user.id:
        share.user = user
    share.account_name = member.name
    share.all_libraries, share.is_owner = member.all_libraries, member.is_owner
    share.invited_at = member.invited_at or share.invited_at
    share.accepted_at = (share.accepted_at or now) if member.accepted else None
    return share


def _update_libraries(wanted: Mapping[int, set[int]], server: Server) -> set[int]:
    """Straight on the table between shares and libraries, a few statements for each library; answers the shares it changed."""
    column = share_libraries.c
    query = select(column.share_id, column.library_id).join(Share, Share.id == column.share_id).where(Share.server_id == server.id)
    before = {(share_id, library_id) for share_id, library_id in db.session.execute(query) if share_id in wanted}
    after = {(share_id, library_id) for share_id, ids in wanted.items() for library_id in ids}
    closed: dict[int, list[int]] = {}
    for share_id, library_id in sorted(before - after):
        closed.setdefault(library_id, []).append(share_id)
    for library_id, share_ids in closed.items():
        for ids in _batches(share_ids):
            db.session.execute(delete(share_libraries).where(column.library_id == library_id, column.share_id.in_(ids)))
    if opened := sorted(after - before):
        db.session.execute(insert(share_libraries), [{"share_id": share, "library_id": library} for share, library in opened])
    return {share_id for share_id, _ in before ^ after}


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
