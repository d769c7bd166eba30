"""What a run waits for that is not its own turn: its time, a server that somebody else is using, one that does not answer."""

from __future__ import annotations

from dataclasses import dataclass

from panel.domain.statuses import MigrationStatus
from panel.models import Migration, Server
from panel.models.types import utc_now
from panel.platforms.http import host_of

#: What a wait ends with while something is tried again and again.
TRIED_AGAIN = "Trying again by itself."


@dataclass(frozen=True)
class Holder:
    """Who is using a server that a run needs: another run by its number, else (`None`) a sync."""

    server: Server
    run_id: int | None


def is_set_for_later(run: Migration) -> bool:
    """Whether the time that was set for a run is still to come."""
    return _waits_to_begin(run) and run.start_at is not None and run.start_at > utc_now()


def is_overdue(run: Migration) -> bool:
    """Whether the time that was set for a run has passed and it has not begun yet."""
    return _waits_to_begin(run) and run.start_at is not None and run.start_at <= utc_now()


def holder_for(run: Migration) -> Holder | None:
    """Who keeps a run from beginning although its time has come; `None`: nobody does."""
    if not is_overdue(run):
        return None
    for server in (run.source, run.target):
        if server.migration_id not in (None, run.id) or server.syncs_now:
            return Holder(server, server.migration_id)
    return None


def is_held_up(run: Migration) -> bool:
    """Whether a server, or a mistake of ours, keeps a run from going on: also while the next try is under way."""
    stuck = run.awaited_id is not None or (run.outages > 0 and run.wake_reason.endswith(TRIED_AGAIN))
    return stuck and run.ended_at is None and run.status is not MigrationStatus.PAUSED


def awaited(run: Migration) -> Server | None:
    """The server a run waits for; `None` where it waits for none, or for something else, such as plex.tv."""
    if not is_held_up(run):
        return None
    return next((server for server in (run.source, run.target) if server.id == run.awaited_id), None)


def why_held_up(run: Migration) -> str:
    """The sentence that was written down, with the name of the server in the place of its address."""
    server = awaited(run)
    # Platforms name a server by its address.
    said = run.wake_reason.partition(_address(server))[2] if server else ""
    return f"{server.name} {said}" if server and said else run.wake_reason


def _waits_to_begin(run: Migration) -> bool:
    return run.status is MigrationStatus.QUEUED and run.started_at is None


def _address(server: Server) -> str:
    return f" at {host_of(server.url)} "
