"""A server's libraries as a sync has found them, against the rows there are. Libraries are never typed and never deleted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select

from panel.extensions import db
from panel.models import Library, Server
from panel.platforms.base import RemoteLibrary
from panel.services.sync.texts import fitting


def update_libraries(server: Server, found: Iterable[RemoteLibrary], now: datetime) -> dict[str, Library]:
    """Bring the rows in step, flushed; answers all rows ever found, by the platform's id.

    A renamed library keeps its row and group; one that is gone is marked since when; one that an estate file has named and no sync had
    found gives its group to the library of this name.
    """
    rows = list(db.session.scalars(select(Library).where(Library.server_id == server.id).order_by(Library.id)))
    by_id = {row.remote_id: row for row in rows if row.remote_id}
    awaited = {row.name.casefold(): row for row in rows if not row.remote_id}
    present = {library.id: library for library in found}
    for remote_id, library in present.items():
        by_id[remote_id] = _row_of(server, library, by_id.get(remote_id), awaited.pop(fitting(library.name).casefold(), None))
    for remote_id, row in by_id.items():
        if remote_id in present:
            row.missing_since = None
        elif row.missing_since is None:
            row.missing_since = now
    db.session.flush()
    return by_id


def _row_of(server: Server, library: RemoteLibrary, known: Library | None, awaited: Library | None) -> Library:
    row = known or awaited or Library(server_id=server.id)
    if row is not awaited and awaited is not None:
        # Found before under another name: what the file says of the new name holds for it.
        row.group_id = awaited.group_id if awaited.group_id is not None else row.group_id
        db.session.delete(awaited)
    if row.id is None:
        db.session.add(row)
    row.remote_id, row.name, row.kind = library.id, fitting(library.name), library.kind
    return row
