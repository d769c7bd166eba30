"""Runs that begin later: at a time that was set, or as the next round for those an earlier one has left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import exists, select, update

from panel.domain.reasons import Blocker
from panel.domain.rounds import is_left
from panel.domain.statuses import WORKABLE, MigrationStatus, RunKind
from panel.extensions import db, execute
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.platforms.base import PlatformError, TooManyRequests
from panel.services.preflight import Preflight, assess
from panel.services.run.lease import Lease
from panel.services.run.rows import Outcome, Wait, require_epoch
from panel.services.run.start import STARTS_LATER, hold_servers, write_users
from panel.services.run.trouble import RunStopped, cooling, later, wait_out
from panel.services.run.undo import undone_users
from panel.services.servers import HURRIED, Look, connected_to, look_or_raise, note_trouble, refusal_of, remote_for
from panel.services.shared_clock import shared_now

#: Seconds before another look at a server that something else uses.
HELD_S = 10.0


def begin(run: Migration, lease: Lease) -> Outcome:
    """Take hold of both servers and write down the users, once the time has come; `False` when that is done already. Commits.

    Raises `RunStopped` when the pair is blocked by now.
    """
    if run.started_at is not None or run.status not in WORKABLE:
        return False
    if run.start_at is not None:
        if run.start_at > utc_now():
            return Wait(run.start_at, STARTS_LATER)
        if not hold_servers(run):
            db.session.rollback()
            return later(HELD_S, f"{run.source.name} or {run.target.name} is in use by another migration or a sync.")
        db.session.commit()
        slowed_down = cooling(run.source, run.target)
        if slowed_down:
            return slowed_down
        flight = _judged(run)
        if isinstance(flight, Wait):
            return flight
        write_users(run, flight, without=undone_users(run))
    lease.require()
    require_epoch(run.id, lease.epoch)
    still = Migration.id == run.id, Migration.status.in_(WORKABLE), Migration.started_at.is_(None)
    if execute(update(Migration).where(*still).values(status=MigrationStatus.RUNNING, started_at=shared_now())) != 1:
        # Paused or cancelled meanwhile: it has not begun.
        db.session.rollback()
        return True
    db.session.commit()
    db.session.refresh(run)
    return False


def follow_up(run: Migration) -> Migration | None:
    """The next round of a run that has ended, where one was asked for and somebody is left; flushed."""
    never_began = run.started_at is None and run.status is MigrationStatus.FAILED
    if run.kind is not RunKind.MOVE or run.repeat_every_h <= 0 or run.rounds_left <= 0 or run.status is MigrationStatus.CANCELLED:
        return None
    if db.session.scalar(select(exists().where(Migration.follows_id == run.id))) or not (any_left(run.id) or never_began):
        return None
    start_at = shared_now() + timedelta(hours=run.repeat_every_h)
    following = Migration(
        source_id=run.source_id,
        target_id=run.target_id,
        removal=run.removal,
        pace_s=run.pace_s,
        start_at=start_at,
        wake_at=start_at,
        wake_reason=STARTS_LATER,
        repeat_every_h=run.repeat_every_h,
        rounds_left=run.rounds_left - 1,
        follows_id=run.id,
    )
    db.session.add(following)
    db.session.flush()
    return following


def any_left(run_id: int) -> bool:
    """Whether another round may help somebody of this run."""
    rows = db.session.execute(select(Move.status, Move.reasons).where(Move.migration_id == run_id).distinct())
    return any(is_left(status, reasons) for status, reasons in rows)


def next_round_of(run: Migration) -> Migration | None:
    """The round after this one, where there is one."""
    return db.session.scalar(select(Migration).where(Migration.follows_id == run.id).order_by(Migration.id.desc()).limit(1))


def _judged(run: Migration) -> Preflight | Wait:
    """Everyone, by what both servers answer now. A target that is away counts by its last sync: the run itself waits for it. Once one asks
    to slow down, nothing more is asked."""
    looks: list[Look] = []
    for server in (run.target, run.source):
        try:
            looks.append(_look(server, as_target=server is run.target))
        except TooManyRequests as error:
            return wait_out(run, error, server)
    target_look, source_look = looks
    away = target_look.refusal is not None and target_look.refusal.code is Blocker.SERVER_UNREACHABLE
    answers = None if away else (source_look, target_look)
    flight = assess(run.source, run.target, removal=run.removal, pace_s=run.pace_s, looks=answers, held_by=run.id)
    if flight.blockers:
        raise RunStopped(" ".join(refusal.message for refusal in flight.blockers))
    return flight


def _look(server: Server, *, as_target: bool) -> Look:
    """What a server answers; trouble becomes a refusal. Raises `TooManyRequests`."""
    remote = remote_for(server, timeouts=HURRIED)
    try:
        # What one server has told is not written while the other is asked: nothing is locked over a request.
        with db.session.no_autoflush:
            found = look_or_raise(server, remote)
            return replace(found, connected=connected_to(server, HURRIED)) if as_target else found
    except TooManyRequests:
        raise
    except PlatformError as error:
        note_trouble(server, error)
        return Look(refusal=refusal_of(server, error))
    finally:
        remote.close()
