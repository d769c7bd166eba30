"""The libraries of all servers and the groups they are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import contains_eager

from panel.domain.statuses import ACTIVE
from panel.domain.suggestions import NamedLibrary, suggestions
from panel.extensions import db
from panel.models import Library, LibraryGroup, Migration, Plan, Server
from panel.services.fingerprint import fingerprint
from panel.services.listing import Page, order_from, page_of

#: Fewer rows than elsewhere: each of them carries the names of all groups.
PAGE_SIZE = 25
UNGROUPED = "none"
ORDERS = {
    "server": (func.lower(Server.name), func.lower(Library.name), Library.id),
    "name": (func.lower(Library.name), Library.id),
    "group": (func.lower(LibraryGroup.name), func.lower(Library.name), Library.id),
}


@dataclass(frozen=True)
class Suggested:
    """A library that is in no group, and the one it may belong to."""

    library_id: int
    library: str
    server: str
    group: str


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


def any_library() -> bool:
    """Whether any server has brought one."""
    return bool(db.session.scalar(select(exists(select(Library.id)))))


def suggested() -> dict[int, str]:
    """Library id to the name of the group it may belong to, for each library that is in none; 2 queries."""
    rows = db.session.execute(
        select(Library.id, Library.server_id, Library.name, Library.kind, LibraryGroup.name)
        .outerjoin(LibraryGroup, LibraryGroup.id == Library.group_id)
        .where(Library.missing_since.is_(None))
    )
    libraries = [NamedLibrary(number, server_id, name, kind, group or "") for number, server_id, name, kind, group in rows]
    return suggestions(libraries, db.session.scalars(select(LibraryGroup.name)))


def suggested_by_name() -> list[Suggested]:
    """The same with the names of libraries and servers, by group, server and library; 3 queries."""
    chosen = suggested()
    query = select(Library.id, Library.name, Server.name).join(Server).where(Library.group_id.is_(None), Library.missing_since.is_(None))
    rows = db.session.execute(query.order_by(func.lower(Server.name), func.lower(Library.name), Library.id))
    found = [Suggested(number, name, server, chosen[number]) for number, name, server in rows if number in chosen]
    return sorted(found, key=lambda one: one.group.lower())


def suggestions_fingerprint(found: Iterable[Suggested]) -> str:
    """Tells these suggestions from others."""
    by_group: dict[str, list[int]] = {}
    for one in found:
        by_group.setdefault(one.group, []).append(one.library_id)
    ids = dict(db.session.execute(select(LibraryGroup.name, LibraryGroup.id)).all())
    parts = sorted((ids[name], libraries) for name, libraries in by_group.items())
    return fingerprint((number for number, _ in parts), *(libraries for _, libraries in parts))


def apply_suggestions(found: Iterable[Suggested]) -> list[Library]:
    """Put these libraries into the groups suggested; those that changed. Flushed."""
    chosen = {one.library_id: one.group for one in found}
    groups = {group.name: group for group in db.session.scalars(select(LibraryGroup))}
    rows = db.session.scalars(select(Library).where(Library.group_id.is_(None), Library.missing_since.is_(None)).order_by(Library.id))
    changed = [row for row in rows if row.id in chosen]
    for row in changed:
        row.group = groups[chosen[row.id]]
    db.session.flush()
    return changed


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
