"""Syncs that the panel asks for: which wait, what the one under way does, and which are due by themselves."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select, update

from panel.domain.platform import Platform
from panel.extensions import db, execute
from panel.models import PlexAccount, Server, Setting
from panel.models.types import utc_now
from panel.services import pace
from panel.services.sync.shares import is_disbelief

#: A sync that waits so long has lost its wake-up.
LOST_AFTER = timedelta(minutes=2)
#: Between why a sync did not begin and what the last one that ended has found.
BEFORE = " Before that: "


def queue(server: Server) -> bool:
    """Write down that a sync is wanted; `False` where a migration or another sync has the server. Flushed: commit, then wake a worker."""
    now = utc_now()
    wanted = update(Server).where(Server.id == server.id, Server.migration_id.is_(None), ~Server.syncs_now)
    queued = execute(wanted.values(sync_queued_at=now)) == 1
    db.session.refresh(server)
    return queued


def clear_queue(server: Server) -> None:
    """A sync no longer waits: it has begun, or cannot begin. Flushed."""
    execute(update(Server).where(Server.id == server.id).values(sync_queued_at=None))
    db.session.refresh(server, ["sync_queued_at"])


def step(server: Server, sentence: str) -> None:
    """Say what the sync is doing now, committed at once so that a page can show it."""
    server.sync_step = sentence[:255]
    db.session.commit()


def is_disbelieved(server: Server) -> bool:
    """Whether the last sync found a list by which it removed nobody: too short, or with somebody in it who may be one of the missing."""
    return is_disbelief(server.sync_result)


def note_refusal(server: Server, sentence: str) -> None:
    """Keep on the row why a sync that was asked for did not begin; a list that is not believed is still spoken of. Flushed."""
    before = server.sync_result.rpartition(BEFORE)[2]
    server.sync_result = sentence + (BEFORE + before if is_disbelieved(server) else "")
    db.session.flush()


def lost() -> list[int]:
    """Servers whose sync has waited for long: their wake-up was lost, with the queue or its worker."""
    query = select(Server.id).where(Server.sync_queued_at < utc_now() - LOST_AFTER, Server.migration_id.is_(None))
    return list(db.session.scalars(query))


def due() -> list[int]:
    """Servers whose last sync or try is `Setting.sync_every_h` old; each is marked as tried and queued, so that of several hosts one
    takes it. Never one that was neither synced nor asked yet, is disabled (itself or its Plex account), or in use. Commits."""
    setting = Setting.current()
    if setting.sync_every_h <= 0:
        db.session.commit()
        return []
    before = utc_now() - timedelta(hours=setting.sync_every_h)
    reachable = or_(Server.platform != Platform.PLEX, Server.plex_account.has(PlexAccount.enabled.is_(True)))
    # One whose first sync has failed was asked at least.
    old = func.coalesce(Server.synced_at, Server.checked_at) < before
    wanted = (Server.enabled.is_(True), old, Server.migration_id.is_(None), Server.sync_queued_at.is_(None))
    found = [
        server.id
        for server in db.session.scalars(select(Server).where(*wanted, ~Server.syncs_now, reachable).order_by(Server.id)).all()
        if _take_turn(server, timedelta(hours=setting.sync_every_h))
    ]
    db.session.commit()
    return found


def _take_turn(server: Server, every: timedelta) -> bool:
    return pace.take_turn_every(f"sync:{server.id}", every) and queue(server)
