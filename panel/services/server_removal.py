"""Removing a server from the panel: what goes with it, and what keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, exists, func, or_, select

from panel.domain.statuses import ACTIVE, OPEN, MoveStatus, Step
from panel.extensions import Model, db, execute
from panel.models import Email, Library, Migration, Move, Pacemaker, SentRequest, Server, Share
from panel.services import times


class RemovalRefused(ValueError):
    """A server cannot be removed. `str(error)` is a sentence."""


@dataclass(frozen=True)
class Loss:
    """What goes when servers go: their names, how many libraries, remembered shares and past migrations (with the users, mails and
    requests written down for those), and which servers stay for their history."""

    names: tuple[str, ...] = ()
    libraries: int = 0
    shares: int = 0
    kept: tuple[str, ...] = ()
    migrations: int = 0
    moves: int = 0
    mails: int = 0
    requests: int = 0


def loss_of(server: Server) -> Loss:
    """What removing this server would take along; nothing is changed."""
    runs = select(Migration.id).where(_uses(server))
    return Loss(
        names=(server.name,),
        libraries=_count(Library, Library.server_id == server.id),
        shares=_count(Share, Share.server_id == server.id),
        migrations=_count(Migration, _uses(server)),
        moves=_count(Move, Move.migration_id.in_(runs)),
        mails=_count(Email, Email.migration_id.in_(runs)),
        requests=_count(SentRequest, SentRequest.migration_id.in_(runs)),
    )


def loss_beside_history(servers: Sequence[Server]) -> Loss:
    """What removing those of these servers that no migration has used would take along; the others are kept."""
    with_history = servers_with_history()
    going = [server for server in servers if server.id not in with_history]
    ids = [server.id for server in going]
    return Loss(
        names=tuple(server.name for server in going),
        libraries=_count(Library, Library.server_id.in_(ids)),
        shares=_count(Share, Share.server_id.in_(ids)),
        kept=tuple(server.name for server in servers if server.id in with_history),
    )


def servers_with_history() -> set[int]:
    """The servers that a migration has moved people from or to; one query."""
    pairs = db.session.execute(select(Migration.source_id, Migration.target_id).distinct())
    return {server_id for pair in pairs for server_id in pair}


def has_history(server: Server) -> bool:
    """Whether a migration has ever used this server."""
    return bool(db.session.scalar(select(exists().where(_uses(server)))))


def scheduled_on(server: Server) -> str:
    """Which migrations are to begin on this server later, as a sentence; empty when none is."""
    later = (Migration.status.in_(ACTIVE), Migration.start_at.is_not(None), Migration.started_at.is_(None))
    runs = list(db.session.scalars(select(Migration).where(_uses(server), *later).order_by(Migration.start_at, Migration.id)))
    zone = times.zone()
    named = [
        f"migration {run.id} ({run.source.name} → {run.target.name}, {run.start_at.astimezone(zone):%-d %b %Y, %H:%M %Z})"
        for run in runs
        if run.start_at is not None
    ]
    return f"Set to begin later on {server.name}: {', '.join(named)}." if named else ""


def is_held(server: Server) -> bool:
    """Whether a migration or a sync is using it now."""
    return server.migration_id is not None or server.syncs_now


def why_not_remove(server: Server) -> str:
    """Why it cannot be removed; empty when it can."""
    if server.migration_id is not None:
        return f"A migration is using {server.name}. Remove it when that has ended."
    if is_held(server):
        return f"{server.name} is being synced. Remove it when that has ended."
    if scheduled := scheduled_on(server):
        return f"{scheduled} Cancel what is to begin, or wait for its end."
    if run_id := db.session.scalar(select(Migration.id).where(_uses(server), _unsettled()).limit(1)):
        return f"Migration {run_id} has not settled everything on {server.name} yet. Remove it when that is done."
    invites = select(func.count()).select_from(Move).join(Migration).where(_uses(server), _waits())
    if number := db.session.scalar(invites):
        what = "1 invite of a migration waits" if number == 1 else f"{number} invites of migrations wait"
        return f"{what} to be accepted, and {server.name} is part of it. Withdraw them under Invites, or wait until they are accepted."
    return ""


def remove(server: Server) -> None:
    """Remove the server with its libraries, remembered shares and accounts, and the past migrations from or to it with their records; users
    stay. Nothing on the server itself is touched.

    Raises `RemovalRefused`, also when a run or a sync has taken it a moment ago.
    """
    if reason := why_not_remove(server):
        raise RemovalRefused(reason)
    db.session.flush()
    run_ids = list(db.session.scalars(select(Migration.id).where(_uses(server), Migration.status.not_in(ACTIVE))))
    execute(delete(Migration).where(Migration.id.in_(run_ids)))
    unused = ~exists().where(_uses(server))
    if execute(delete(Server).where(Server.id == server.id, Server.migration_id.is_(None), ~Server.syncs_now, unused)) != 1:
        raise RemovalRefused(f"{server.name} has just been taken by a migration or a sync. Try again when that has ended.")
    of_runs = [f"{what}:{number}" for what in ("run", "look") for number in run_ids]
    execute(delete(Pacemaker).where(Pacemaker.name.in_([f"invites:{server.id}", f"sync:{server.id}", *of_runs])))
    db.session.expunge(server)


def _uses(server: Server) -> ColumnElement[bool]:
    return or_(Migration.source_id == server.id, Migration.target_id == server.id)


def _unsettled() -> ColumnElement[bool]:
    going_on = exists().where(Move.migration_id == Migration.id, or_(Move.status.in_(OPEN), Move.claim.is_not(None)))
    return or_(Migration.status.in_(ACTIVE), Migration.ended_at.is_(None), going_on)


def _waits() -> ColumnElement[bool]:
    return (Move.status == MoveStatus.INVITED) & (Move.step == Step.ACCEPT)


def _count(model: type[Model], where: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(model).where(where)) or 0
