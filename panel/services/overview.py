"""Numbers beside rows for pages that list them, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, exists, func, select
from sqlalchemy.orm import joinedload

from panel.domain.statuses import ACTIVE, OPEN, MoveStatus
from panel.extensions import db
from panel.models import Library, Migration, Move, PossibleTwin, Server, Share, User
from panel.services.report import Counts
from panel.services.sync import progress as sync_progress
from panel.services.user_list import never_paid


@dataclass(frozen=True)
class ServerCard:
    """A server and its numbers. `unpaid`: its users who never had a payment and need one; `alike`: those of whom nobody has said yet
    whether they are a user known before; `run`: the one that holds it; `syncing`: a sync does."""

    server: Server
    users: int = 0
    waiting: int = 0
    libraries: int = 0
    grouped: int = 0
    unpaid: int = 0
    alike: int = 0
    run: Migration | None = None
    syncing: bool = False

    @property
    def state(self) -> str:
        """`new` before the first sync, `problem` after a failed check, else `online`."""
        if self.server.problem:
            return "problem"
        return "online" if self.server.synced_at else "new"

    @property
    def sync_is_under_way(self) -> bool:
        """Whether a sync is waiting for a worker or being done: the page asks again."""
        return self.syncing or self.server.sync_queued_at is not None

    @property
    def is_disbelieved(self) -> bool:
        """Whether the last sync found a list by which it removed nobody, and an admin may believe it."""
        return sync_progress.is_disbelieved(self.server)

    @property
    def why_no_sync(self) -> str:
        """Why the server cannot be synced now; empty when it can."""
        if self.run is not None:
            return f"A migration is using {self.server.name}; sync it when that has ended."
        return f"{self.server.name} is being synced already." if self.sync_is_under_way else ""


def server_cards() -> list[ServerCard]:
    """All servers by name."""
    rows = db.session.scalars(select(Server).options(joinedload(Server.plex_account)).order_by(func.lower(Server.name)))
    return _cards(list(rows))


def server_card(server: Server) -> ServerCard:
    """One server."""
    return _cards([server])[0]


def counts_by_run(run_ids: Iterable[int]) -> dict[int, Counts]:
    """How many users of each run ended where; one query."""
    ids = list(run_ids)
    rows = db.session.execute(
        select(Move.migration_id, Move.status, func.count()).where(Move.migration_id.in_(ids)).group_by(Move.migration_id, Move.status)
    )
    found: dict[int, dict[str, int]] = {run_id: {} for run_id in ids}
    for run_id, status, number in rows:
        name = "pending" if status in OPEN else status.value
        found[run_id][name] = found[run_id].get(name, 0) + number
    names = {status.value for status in MoveStatus if status not in OPEN} | {"pending"}
    return {
        run_id: Counts(total=sum(numbers.values()), **{name: numbers.get(name, 0) for name in names}) for run_id, numbers in found.items()
    }


def _cards(servers: list[Server]) -> list[ServerCard]:
    ids = [server.id for server in servers]
    accepted = func.sum(case((Share.accepted_at.is_not(None), 1), else_=0))
    people = _numbers(
        select(Share.server_id, accepted, func.count() - accepted)
        .where(Share.server_id.in_(ids), Share.is_owner.is_(False))
        .group_by(Share.server_id)
    )
    libraries = _numbers(
        select(Library.server_id, func.count(), func.count(Library.group_id))
        .where(Library.server_id.in_(ids), Library.remote_id != "", Library.missing_since.is_(None))
        .group_by(Library.server_id)
    )
    unpaid, alike = _open_on(ids, never_paid()), _open_on(ids, _asked_about())
    held = [server.migration_id for server in servers if server.migration_id]
    runs = {run.id: run for run in db.session.scalars(select(Migration).where(Migration.id.in_(held), Migration.status.in_(ACTIVE)))}
    return [
        ServerCard(
            server,
            *people.get(server.id, (0, 0)),
            *libraries.get(server.id, (0, 0)),
            unpaid=unpaid.get(server.id, 0),
            alike=alike.get(server.id, 0),
            run=runs.get(server.migration_id or 0),
            syncing=server.syncs_now,
        )
        for server in servers
    ]


def _open_on(server_ids: list[int], is_open: ColumnElement[bool]) -> dict[int, int]:
    """How many users of each server it is so with; one query."""
    users = select(Share.server_id, func.count(User.id.distinct())).join(User, User.id == Share.user_id)
    rows = db.session.execute(users.where(Share.server_id.in_(server_ids), is_open).group_by(Share.server_id))
    return {row[0]: int(row[1]) for row in rows}


def _asked_about() -> ColumnElement[bool]:
    return exists().where(PossibleTwin.user_id == User.id, PossibleTwin.answered_at.is_(None))


def _numbers(query: object) -> dict[int, tuple[int, int]]:
    return {row[0]: (int(row[1]), int(row[2])) for row in db.session.execute(query)}  # type: ignore[call-overload]
