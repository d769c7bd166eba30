"""The libraries of all servers and the groups they are in."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Select, func, select
from sqlalchemy.orm import contains_eager

from panel.domain.statuses import ACTIVE
from panel.domain.suggestions import NamedLibrary, suggestions
from panel.extensions import db
from panel.models import Library, LibraryGroup, Migration, Plan, Server
from panel.services.listing import Page, order_from, page_of

#: Fewer rows than elsewhere: each of them carries the names of all groups.
PAGE_SIZE = 25
UNGROUPED = "none"
ORDERS = {
    "server": (func.lower(Server.name), func.lower(Library.name), Library.id),
    "name": (func.lower(Library.name), Library.id),
    "group": (func.lower(LibraryGroup.name), func.lower(Library.name), Library.id),
}


def libraries_page(search: str, sort: str, number: int, *, server: str = "", group: str = "") -> Page[Library]:
    """One page of libraries with server and group. `server`: an id; `group`: an id, or `none` for those in none."""
    query = (
        select(Library)
        .join(Server, Server.id == Library.server_id)
        .outerjoin(LibraryGroup, LibraryGroup.id == Library.group_id)
        .options(contains_eager(Library.group))
    )
    query = _narrowed(query, search, server, group)
    return page_of(query, number, order_from(sort, ORDERS, "server")[1], size=PAGE_SIZE)


def suggested() -> dict[int, str]:
    """Library id to the name of the group it may belong to, for each library that is in none; 2 queries."""
    rows = db.session.execute(
        select(Library.id, Library.server_id, Library.name, Library.kind, LibraryGroup.name)
        .outerjoin(LibraryGroup, LibraryGroup.id == Library.group_id)
        .where(Library.missing_since.is_(None))
    )
    libraries = [NamedLibrary(number, server_id, name, kind, group or "") for number, server_id, name, kind, group in rows]
    return suggestions(libraries, db.session.scalars(select(LibraryGroup.name)))


def apply_suggestions() -> int:
    """Put every library that is in no group into the one suggested; how many. Flushed."""
    chosen = suggested()
    groups = {group.name: group for group in db.session.scalars(select(LibraryGroup))}
    rows = db.session.scalars(select(Library).where(Library.group_id.is_(None), Library.missing_since.is_(None))).all()
    changed = [row for row in rows if row.id in chosen]
    for row in changed:
        row.group = groups[chosen[row.id]]
    db.session.flush()
    return len(changed)


def put_into(libraries: Iterable[Library], group: LibraryGroup | None) -> list[Library]:
    """Put libraries into a group, or into none; those that changed. Flushed."""
    changed = [library for library in libraries if library.group_id != (group.id if group else None)]
    for library in changed:
        library.group = group
    db.session.flush()
    return changed


def matching(search: str, *, server: str = "", group: str = "") -> list[Library]:
    """All libraries that such a list has, on whichever page."""
    query = select(Library).join(Server, Server.id == Library.server_id)
    return list(db.session.scalars(_narrowed(query, search, server, group).order_by(Library.id)))


def with_ids(ids: Iterable[int]) -> list[Library]:
    """The libraries with these ids that there are."""
    return list(db.session.scalars(select(Library).where(Library.id.in_(list(ids)[:PAGE_SIZE])).order_by(Library.id)))


def plans_including(group_ids: Iterable[int]) -> list[str]:
    """The names of the plans that include one of these groups."""
    query = select(Plan.name).where(Plan.groups.any(LibraryGroup.id.in_(list(group_ids))))
    return list(db.session.scalars(query.order_by(func.lower(Plan.name))))


def servers_held() -> list[str]:
    """The names of the servers that a migration under way has taken."""
    query = select(Server.name).join(Migration, Migration.id == Server.migration_id).where(Migration.status.in_(ACTIVE))
    return list(db.session.scalars(query.order_by(func.lower(Server.name))))


def _narrowed(query: Select[Library], search: str, server: str, group: str) -> Select[Library]:
    if search:
        query = query.where(Library.name.icontains(search, autoescape=True))
    if server.isdecimal():
        query = query.where(Library.server_id == int(server))
    if group == UNGROUPED:
        query = query.where(Library.group_id.is_(None))
    elif group.isdecimal():
        query = query.where(Library.group_id == int(group))
    return query
