"""The pace shared by every worker and every run: one row per Plex account, changed by compare-and-swap."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from panel.domain.pacing import cool_down_s, next_turn
from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE
from panel.extensions import db, execute
from panel.models import Migration, Pacemaker, Server
from panel.models.types import utc_now


def name_for(run: Migration, server: Server | None) -> str:
    """Whose pace a step takes a turn of: the Plex account it touches, else the run's own."""
    if server is not None and server.platform is Platform.PLEX:
        return f"plex:{server.plex_account_id}"
    return f"run:{run.id}"


def plex_side(run: Migration) -> Server | None:
    """The server whose Plex account paces a step that touches none: the target's, else the source's."""
    return next((server for server in (run.target, run.source) if server.platform is Platform.PLEX), None)


def interval_s(run: Migration, name: str) -> float:
    """Seconds between two turns: the run's own, on a Plex account the longest of all active runs that use it. A hasty run must not send
    into the pauses of a patient one."""
    if not name.startswith("plex:"):
        return run.pace_s
    account_id = int(name.partition(":")[2])
    longest = db.session.scalar(
        select(func.max(Migration.pace_s))
        .join(Server, Server.id.in_((Migration.source_id, Migration.target_id)))
        .where(Server.plex_account_id == account_id, Migration.status.in_(ACTIVE))
    )
    return max(run.pace_s, longest or 0.0)


def take_turn(name: str, interval_s: float) -> float:
    """Take the next turn, committed; answers 0.0, or the seconds to wait when it is not due yet (or somebody else was quicker)."""
    row = _row(name)
    now = utc_now()
    due = next_turn(now, row.last_turn_at, interval_s, row.cool_until)
    if due > now:
        return (due - now).total_seconds()
    unchanged = Pacemaker.last_turn_at.is_(None) if row.last_turn_at is None else Pacemaker.last_turn_at == row.last_turn_at
    taken = execute(update(Pacemaker).where(Pacemaker.name == name, unchanged).values(last_turn_at=now))
    db.session.commit()
    return 0.0 if taken == 1 else min(interval_s, 0.05)


def end_turn(name: str, *, refused: bool = False) -> None:
    """The request of this turn is over: the interval counts from here, so that requests are never closer than it. One that was not
    `refused` (429) ends the row of refusals."""
    values: dict[str, object] = {"last_turn_at": utc_now()} if refused else {"last_turn_at": utc_now(), "refusals": 0}
    execute(update(Pacemaker).where(Pacemaker.name == name).values(values))


def cool_down(name: str, asked_s: float | None) -> float:
    """Leave the account alone after a 429; answers for how long, in seconds."""
    row = _row(name)
    row.refusals += 1
    seconds = cool_down_s(row.refusals, asked_s)
    row.cool_until = max(row.cool_until or utc_now(), utc_now() + timedelta(seconds=seconds))
    return seconds


def _row(name: str) -> Pacemaker:
    row = db.session.get(Pacemaker, name, populate_existing=True)
    if row is not None:
        return row
    try:
        with db.session.begin_nested():
            db.session.add(Pacemaker(name=name))
    except IntegrityError:
        pass  # Another worker was quicker.
    db.session.commit()
    return db.session.get_one(Pacemaker, name)
