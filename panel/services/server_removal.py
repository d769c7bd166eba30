"""Removing a server from the panel: what goes with it, and what keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, func, or_, select

from panel.extensions import db, execute
from panel.models import Library, Migration, Pacemaker, Server, Share
from panel.models.types import utc_now


class RemovalRefused(ValueError):
    """A server cannot be removed. `str(error)` is a sentence."""


@dataclass(frozen=True)
class Loss:
    """What goes when servers go: their names, how many libraries and remembered shares, and which of them stay for their history."""

    names: tuple[str, ...] = ()
    libraries: int = 0
    shares: int = 0
    kept: tuple[str, ...] = ()


def loss_of(servers: Sequence[Server]) -> Loss:
    """What removing these would take along; nothing is changed."""
    with_history = servers_with_history()
    going = [server for server in servers if server.id not in with_history]
    ids = [server.id for server in going]
    return Loss(
        names=tuple(server.name for server in going),
        libraries=db.session.scalar(select(func.count()).select_from(Library).where(Library.server_id.in_(ids))) or 0,
        shares=db.session.scalar(select(func.count()).select_from(Share).where(Share.server_id.in_(ids))) or 0,
        kept=tuple(server.name for server in servers if server.id in with_history),
    )


def servers_with_history() -> set[int]:
    """The servers that a migration has moved people from or to; one query."""
    pairs = db.session.execute(select(Migration.source_id, Migration.target_id).distinct())
    return {server_id for pair in pairs for server_id in pair}


def has_history(server: Server) -> bool:
    """Whether a migration has ever used this server."""
    used = or_(Migration.source_id == server.id, Migration.target_id == server.id)
    return bool(db.session.scalar(select(exists().where(used))))


def is_held(server: Server) -> bool:
    """Whether a migration or a sync is using it now."""
    return server.migration_id is not None or (server.syncing_until is not None and server.syncing_until > utc_now())


def why_not_remove(server: Server) -> str:
    """Why it cannot be removed; empty when it can."""
    if server.migration_id is not None:
        return f"A migration is using {server.name}. Remove it when that has ended."
    if is_held(server):
        return f"{server.name} is being synced. Remove it when that has ended."
    if has_history(server):
        return (
            f"{server.name} was part of a migration, whose page and list of moved people would be lost with it. "
            "Disable it instead: it then takes nobody and is not synced by itself."
        )
    return ""


def remove(server: Server) -> None:
    """Remove the server with its libraries, remembered shares and accounts; users stay. Nothing on the server itself is touched.

    Raises `RemovalRefused`, also when a run or a sync has taken it a moment ago.
    """
    if reason := why_not_remove(server):
        raise RemovalRefused(reason)
    idle = or_(Server.syncing_until.is_(None), Server.syncing_until < utc_now())
    db.session.flush()
    if execute(delete(Server).where(Server.id == server.id, Server.migration_id.is_(None), idle)) != 1:
        raise RemovalRefused(f"{server.name} has just been taken by a migration or a sync. Try again when that has ended.")
    execute(delete(Pacemaker).where(Pacemaker.name.in_([f"invites:{server.id}", f"sync:{server.id}"])))
    db.session.expunge(server)
