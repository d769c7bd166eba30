"""The pace shared by every worker and every run: one row per Plex account, changed by compare-and-swap. A server of another platform has a
row for its cool-downs alone, a run without Plex that is paced all the same one of its own. All of it goes by the clock that hosts share.

A turn lasts until the request it was taken for is over: lists may be asked for in between, and a machine may stand still."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from panel import tally
from panel.domain.pacing import CLOCKS_DIFFER_S, by_this_clock, cool_down_s, faster, next_turn, place_kept_s, slower
from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE, MigrationStatus
from panel.extensions import db, execute
from panel.models import Migration, Pacemaker, PaceWaiter, PlexAccount, Server
from panel.models.types import UtcDateTime, utc_now
from panel.services.shared_clock import shared_now

#: In whose hands a run is: its id, and the epoch of its worker.
Hold = tuple[int, int]

#: What lies so many seconds ahead although it is past was written before the clock was put back.
PUT_BACK_S = 60.0
#: Seconds before a run that lets another one go first asks again.
NEXT_IN_S = 0.05
#: Seconds that the turn of a page lasts at most: one that was killed does not end it.
BY_HAND_S = 120.0
#: Seconds without a refusal, after a short cool-down, until the next one counts as the first.
FORGIVEN_S = 60.0


def name_for(run: Migration, server: Server | None) -> str:
    """Whose pace a step takes a turn of, or is told to slow down by: the Plex account or the server it touches, else the run's own."""
    return name_of(server) if server is not None else f"run:{run.id}"


def name_of(server: Server) -> str:
    """The pace of the Plex account that owns this server. Of a server of another platform nobody takes turns, but everybody leaves it alone
    while it cools down."""
    return name_of_account(server.plex_account_id) if server.platform is Platform.PLEX else f"server:{server.id}"


def name_of_account(account_id: int | None) -> str:
    """The pace of this Plex account."""
    return f"plex:{account_id}"


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
        .where(Server.plex_account_id == account_id, Migration.status.in_(ACTIVE), _has_begun())
    )
    return max(run.pace_s, longest or 0.0)


def take_turn(name: str, interval_s: float, run_id: int | None = None) -> float:
    """Take the next turn, committed; answers 0.0, or the seconds to wait when it is not due yet, or somebody else comes first.

    Of several runs the one that has waited longest has the turn: it is kept for it for a moment. Nobody takes one before the turn of
    somebody else is over (`end_turn`, `leave_turn`), or its run is in nobody's hands any more.
    """
    row = _row(name)
    now = shared_now()
    if _put_right(row, now, interval_s * row.slowness):
        row = _row(name)
    due = next_turn(now, row.last_turn_at, interval_s * row.slowness, row.cool_until)
    if _is_under_way(row, now, run_id):
        # Its interval counts from when it is over, which is not before now.
        due = max(due, now + timedelta(seconds=max(interval_s * row.slowness, NEXT_IN_S)))
    if due > now:
        tally.note_pace_wait((due - now).total_seconds())
        _queue_up(name, run_id, now, due)
        return (due - now).total_seconds()
    if run_id is not None and _is_kept_for_another(name, run_id, now, timedelta(seconds=place_kept_s(interval_s))):
        _queue_up(name, run_id, now, now)
        return NEXT_IN_S
    unchanged = _still(Pacemaker.last_turn_at, row.last_turn_at)
    taken = execute(update(Pacemaker).where(Pacemaker.name == name, unchanged, _is_warm(now)).values(**_begun(now, run_id)))
    if taken == 1 and run_id is not None:
        execute(delete(PaceWaiter).where(PaceWaiter.name == name, PaceWaiter.migration_id == run_id))
    db.session.commit()
    return 0.0 if taken == 1 else NEXT_IN_S


def take_turn_every(name: str, apart: timedelta) -> bool:
    """Take a turn of something that is done once in a while, unless somebody has for so long: of several hosts that come at the same
    moment one does. Flushed; committed before where there is no row yet."""
    _row(name)
    now = shared_now()
    due = or_(Pacemaker.last_turn_at.is_(None), Pacemaker.last_turn_at < now - apart)
    return execute(update(Pacemaker).where(Pacemaker.name == name, due).values(last_turn_at=now)) == 1


def leave_turn(name: str, hold: Hold) -> None:
    """Nothing is sent in this turn: others may come, once it has passed. Flushed."""
    execute(update(Pacemaker).where(Pacemaker.name == name, _is_turn_of(hold)).values(turn_of=None))


def give_up_turns(hold: Hold) -> None:
    """This worker has the run in hand from now on: the one before sends nothing more. Flushed."""
    execute(update(Pacemaker).where(_is_turn_of(hold)).values(turn_of=None))


def _is_turn_of(hold: Hold) -> ColumnElement[bool]:
    """Whether the turn is one of this run, which is still in these hands: a worker that was asleep since leaves the turn of the next one
    alone."""
    run_id, epoch = hold
    return (Pacemaker.turn_of == run_id) & exists().where(Migration.id == run_id, Migration.epoch == epoch)


def end_turn(name: str, hold: Hold | None = None, *, refused: bool = False) -> None:
    """The request of this turn is over, one of a run or of a page: the interval counts from here, so that requests are never closer than
    it. One that was not `refused` (429) ends the row of refusals and brings the pace a little closer to the one that was set, unless
    another one was refused meanwhile. Flushed."""
    row = db.session.get(Pacemaker, name, populate_existing=True)
    if row is None:
        return
    now = shared_now()
    over = {"turn_until": None} if hold is None else {"turn_of": case((_is_turn_of(hold), None), else_=Pacemaker.turn_of)}
    execute(update(Pacemaker).where(Pacemaker.name == name).values(last_turn_at=now, **over))
    if not refused:
        # What cools down now was refused after this request had left.
        as_read = (Pacemaker.refusals == row.refusals, Pacemaker.slowness == row.slowness, _is_warm(now))
        execute(update(Pacemaker).where(Pacemaker.name == name, *as_read).values(refusals=0, slowness=faster(row.slowness)))


def cool_down(name: str, asked_s: float | None) -> float:
    """Leave the account alone after a 429 and go more slowly afterwards; answers for how long, in seconds. Flushed; committed before where
    there is no row yet. Of two that are refused at the same moment the longer cool-down stays.

    What was refused counts as a turn, whatever it was: by it can be told how long the cool-down was meant to be, should the clock change.
    A server nobody takes turns of begins anew once it has done something since (`forgive`), or was left in peace for as long as it cooled
    down.
    """
    while True:
        row, now = _row(name), shared_now()
        refusals, slowness = (0, 1.0) if _was_left_in_peace(row, now) else (row.refusals, row.slowness)
        seconds = cool_down_s(refusals + 1, asked_s, random.random())
        until = max(row.cool_until or now, now + timedelta(seconds=seconds))
        as_read = (Pacemaker.refusals == row.refusals, _still(Pacemaker.cool_until, row.cool_until))
        values = {"last_turn_at": now, "refusals": refusals + 1, "slowness": slower(slowness), "cool_until": until}
        if execute(update(Pacemaker).where(Pacemaker.name == name, *as_read).values(values)) == 1:
            db.session.expire(row)
            return seconds


def forgive(name: str) -> None:
    """A server nobody takes turns of has carried out what it was asked: unless it is to be left alone still, its next refusal counts as the
    first. Flushed. Plex accounts are forgiven turn by turn (`end_turn`)."""
    if name.startswith("server:"):
        refused = (Pacemaker.refusals > 0, Pacemaker.cool_until <= shared_now())
        execute(update(Pacemaker).where(Pacemaker.name == name, *refused).values(refusals=0, slowness=1.0))


def _was_left_in_peace(row: Pacemaker, now: datetime) -> bool:
    if not (row.name.startswith("server:") and row.cool_until and row.last_turn_at):
        return False
    return now - row.cool_until > max(row.cool_until - row.last_turn_at, timedelta(seconds=FORGIVEN_S))


def _begun(now: datetime, run_id: int | None) -> dict[str, Any]:
    return {"last_turn_at": now, "turn_of": run_id, "turn_until": now + timedelta(seconds=BY_HAND_S) if run_id is None else None}


def _is_under_way(row: Pacemaker, now: datetime, run_id: int | None) -> bool:
    """Whether somebody else's request of the last turn may be still on its way. A run takes one turn after another."""
    # One that lies further ahead was written before the clock was put back.
    if row.turn_until and now < row.turn_until <= now + timedelta(seconds=BY_HAND_S + CLOCKS_DIFFER_S):
        return True
    if row.turn_of in (None, run_id):
        return False
    in_hand = select(Migration.id).where(Migration.id == row.turn_of, Migration.lease_until > now)
    return db.session.scalar(in_hand) is not None


def _is_warm(now: datetime) -> ColumnElement[bool]:
    return or_(Pacemaker.cool_until.is_(None), Pacemaker.cool_until <= now)


def _still(column: InstrumentedAttribute[datetime | None], value: datetime | None) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def put_right() -> None:
    """After the clock was put back, turns and cool-downs by the new one; committed. Does nothing else."""
    now = shared_now()
    ahead = now + timedelta(seconds=PUT_BACK_S)
    written_ahead = select(Pacemaker).where(or_(Pacemaker.last_turn_at > ahead, Pacemaker.cool_until > ahead))
    for row in db.session.scalars(written_ahead.execution_options(populate_existing=True)).all():
        _put_right(row, now, PUT_BACK_S)


def cooling_until(servers: Iterable[Server]) -> datetime | None:
    """Until when, by the clock of this host, one of these servers, or the Plex account that owns it, is to be left alone, reading included;
    `None`: it is not."""
    return _cooling_until({name_of(server) for server in servers})


def account_cooling_until(account: PlexAccount) -> datetime | None:
    """The same of a Plex account."""
    return _cooling_until({name_of_account(account.id)})


def _cooling_until(names: set[str]) -> datetime | None:
    until = db.session.scalar(select(func.max(Pacemaker.cool_until)).where(Pacemaker.name.in_(names)))
    if until is None:
        return None
    here, now = utc_now(), shared_now()
    # In whole seconds, so that it is the same moment each time it is asked for, and none too few: nobody comes back in between.
    return until + timedelta(seconds=math.ceil((here - now).total_seconds())) if until > now else None


def is_cooling(name: str) -> bool:
    """Whether this account or server is to be left alone now, reading included."""
    until = db.session.scalar(select(Pacemaker.cool_until).where(Pacemaker.name == name))
    return until is not None and until > shared_now()


def slowness_of(servers: Iterable[Server]) -> float:
    """By what the interval of these servers' Plex accounts is multiplied since they asked to slow down; 1.0: as set."""
    names = {name_of(server) for server in servers if server.platform is Platform.PLEX}
    return (db.session.scalar(select(func.max(Pacemaker.slowness)).where(Pacemaker.name.in_(names))) if names else None) or 1.0


def who_slows(*servers: Server) -> str:
    """Who has asked to slow down, for sentences: Plex, or a server by its name."""
    names = [server.name for server in servers if server.platform is not Platform.PLEX and cooling_until([server])]
    return " and ".join(dict.fromkeys(names)) or "Plex"


def forget(run_id: int) -> None:
    """A run that has ended waits for no turn. Flushed."""
    execute(delete(PaceWaiter).where(PaceWaiter.migration_id == run_id))


def _has_begun() -> ColumnElement[bool]:
    return or_(Migration.start_at.is_(None), Migration.started_at.is_not(None))


def _queue_up(name: str, run_id: int | None, now: datetime, back_at: datetime) -> None:
    """Write down who waits since when, committed; coming back does not lose the place."""
    if run_id is None or not name.startswith("plex:"):
        return
    here = PaceWaiter.name == name, PaceWaiter.migration_id == run_id
    # Of a time that is still to come, by a clock that was put back, nobody can have waited.
    since = case((PaceWaiter.since > now, now), else_=PaceWaiter.since)
    if not execute(update(PaceWaiter).where(*here).values(back_at=back_at, since=since)):
        db.session.add(PaceWaiter(name=name, migration_id=run_id, since=now, back_at=back_at))
    db.session.commit()


def _is_kept_for_another(name: str, run_id: int, now: datetime, kept: timedelta) -> bool:
    """Whether another run has waited longer and is back, or will be in a moment."""
    mine = select(PaceWaiter.since).where(PaceWaiter.name == name, PaceWaiter.migration_id == run_id).scalar_subquery()
    earlier = PaceWaiter.since < func.coalesce(mine, literal(now, UtcDateTime))
    at_work = exists().where(Migration.id == PaceWaiter.migration_id, Migration.status != MigrationStatus.PAUSED)
    others = select(PaceWaiter).where(
        PaceWaiter.name == name,
        PaceWaiter.migration_id != run_id,
        earlier,
        PaceWaiter.back_at.between(now - kept, now + kept),
        at_work,
    )
    return bool(db.session.scalar(select(others.exists())))


def _put_right(row: Pacemaker, now: datetime, apart_s: float) -> bool:
    """What was written before the clock was put back, by the clock of now; committed. Answers whether there was such a thing."""
    written = row.last_turn_at, row.cool_until
    last_turn, cool_until = by_this_clock(now, *written, apart_s)
    if (last_turn, cool_until) == written:
        return False
    as_read = (_still(Pacemaker.last_turn_at, row.last_turn_at), _still(Pacemaker.cool_until, row.cool_until))
    execute(update(Pacemaker).where(Pacemaker.name == row.name, *as_read).values(last_turn_at=last_turn, cool_until=cool_until))
    db.session.commit()
    return True


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
