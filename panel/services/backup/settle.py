"""What a restored database must not do by itself: the world has moved on since the backup, so runs wait, and nothing is sent twice."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Select, Table, func, or_, select, update
from sqlalchemy.engine import Connection, Engine

from panel.domain.platform import Platform
from panel.domain.statuses import ACTIVE, OPEN, MigrationStatus, MoveStatus, RunKind, Step
from panel.models import Admin, AuditEntry, Email, EmailStatus, Migration, Move, OneTimeLink, Server
from panel.services.backup.file import Manifest
from panel.services.claims.links import CLAIM
from panel.services.run.secure import NEVER

_RUNS, _MOVES, _MAILS, _AUDIT, _LINKS, _ADMINS, _SERVERS = (
    cast(Table, model.__table__) for model in (Migration, Move, Email, AuditEntry, OneTimeLink, Admin, Server)
)

MAIL_UNCLEAR = "This mail was waiting when the backup was made; whether it has been sent since is not known. Send it again if it was not."


@dataclass(frozen=True)
class Settled:
    """`paused`: how many runs were; `linkless`: whose link to choose a password is void now; `unknown`: whose account was being made on the
    target; `to_close`: the same by runs that have ended. People are their name and the number of a run."""

    paused: int
    linkless: tuple[tuple[str, int], ...]
    unknown: tuple[tuple[str, int], ...]
    to_close: tuple[tuple[str, int], ...]


def settle(engine: Engine, manifest: Manifest, now: datetime) -> Settled:
    """Pause the runs that were at work, let go of what was in hand, hold back mails, void links and sessions; in one transaction.

    The database has the newest schema, and nobody else has it.
    """
    with engine.begin() as connection:
        paused = _pause_runs(connection, manifest)
        unknown, to_close = _let_go(connection, now)
        _hold_mails_back(connection)
        _end_sessions(connection)
        linkless = _void_links(connection, now)
        did = (
            f"{paused} migrations were paused, {len(linkless)} links to choose a password are void, "
            f"what became of {len(unknown) + len(to_close)} accounts that were being made is not known."
        )
        connection.execute(
            _AUDIT.insert().values(at=now, by="flask restore", action="backup.restored", subject=manifest.made_at, detail=did)
        )
    return Settled(paused, linkless, unknown, to_close)


def _void_links(connection: Connection, now: datetime) -> tuple[tuple[str, int], ...]:
    """A link that was unused then may have been used since, and would set a second password. Answers whose they were."""
    unused = (_LINKS.c.used_at.is_(None), _LINKS.c.expires_at > now)
    whose = select(_MOVES.c.name, _MOVES.c.migration_id).join(_LINKS, _LINKS.c.move_id == _MOVES.c.id)
    linkless = _people(connection, whose.where(_LINKS.c.purpose == CLAIM, *unused))
    connection.execute(update(_LINKS).where(*unused).values(expires_at=now))
    # An account that was closed for a moment then may have been closed on purpose since: only a fresh link for its person opens it.
    connection.execute(update(_LINKS).values(in_use_since=None, reopen_after=None))
    return linkless


def _people(connection: Connection, query: Select[Any]) -> tuple[tuple[str, int], ...]:
    """Names, each with the number of a run, in order."""
    people = connection.execute(query.order_by(_MOVES.c.migration_id, _MOVES.c.position)).all()
    return tuple((name, run_id) for name, run_id in people)


def _pause_runs(connection: Connection, manifest: Manifest) -> int:
    note = (
        f"Restored from a backup made at {manifest.made_at}: what happened since is not known here. Look at both servers; "
        "“Resume” goes on after asking them who is there already, “Cancel” begins nobody and only finishes whoever had been begun by "
        "then. Whose account was being made then is left as they are by both, unless the server says that it has no password: then it "
        "is closed and finished."
    )
    # Of one that was cancelled or had failed somebody was still in hand: that does not go on by itself either.
    unfinished = _RUNS.c.status.in_((MigrationStatus.CANCELLED, MigrationStatus.FAILED)) & _RUNS.c.ended_at.is_(None)
    # A round after this one would begin by itself.
    connection.execute(update(_RUNS).where(_RUNS.c.status.not_in(ACTIVE), _RUNS.c.rounds_left > 0).values(rounds_left=0))
    paused = connection.execute(
        update(_RUNS)
        .where(or_(_RUNS.c.status.in_(ACTIVE), unfinished))
        .values(
            status=MigrationStatus.PAUSED,
            note=func.trim(_RUNS.c.note + " " + note),
            prepared_at=None,
            looked_at=None,
            wake_at=None,
            wake_reason="",
            awaited_id=None,
            outages=0,
        )
    ).rowcount
    # A new epoch: whoever worked under the old one counts for nothing.
    connection.execute(update(_RUNS).values(epoch=_RUNS.c.epoch + 1, lease_until=None, lease_holder="", deaths=0, falls=0, stood=""))
    return paused


def _let_go(connection: Connection, now: datetime) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]:
    """Users in hand are put back, and everybody whose access is still to be given is looked for on the target first. Answers of whom it is
    not known what became of the account that was being made for them: in runs that are paused now, and in runs that have ended."""
    giving = (_MOVES.c.step == Step.GIVE) & _MOVES.c.status.in_(OPEN)
    connection.execute(update(_MOVES).where(giving).values(status=MoveStatus.PENDING, needs_look=True, changed_at=now))
    # What an undo gives back leaves no other trace: for whom it may have been sent counts as begun.
    undos = select(_RUNS.c.id).where(_RUNS.c.kind == RunKind.UNDO)
    untried = giving & _MOVES.c.claim.is_not(None) & (_MOVES.c.attempts == 0) & _MOVES.c.migration_id.in_(undos)
    connection.execute(update(_MOVES).where(untried).values(attempts=1))
    connection.execute(update(_MOVES).where(_MOVES.c.claim.is_not(None)).values(claim=None, needs_look=True, changed_at=now))
    # An account that was being made then may be somebody's by now: in a run that is paused nothing is done about it without being asked
    # for, and then only where the server says that nobody has chosen a password. What a look had found by then says nothing about what was
    # sent since.
    to_plex = select(_RUNS.c.id).join(_SERVERS, _SERVERS.c.id == _RUNS.c.target_id).where(_SERVERS.c.platform == Platform.PLEX)
    idless = _MOVES.c.target_member_id == ""
    unfinished = _MOVES.c.created_account & or_(idless, _MOVES.c.given_at.is_(None)) & _MOVES.c.step.in_((Step.GIVE, Step.DONE))
    being_made = unfinished & or_(_MOVES.c.status == MoveStatus.FAILED, giving) & _MOVES.c.migration_id.not_in(to_plex)
    left_alone = {"from_backup": True, "attempts": 0, "secure_after": NEVER, "missing_since": None}
    connection.execute(update(_MOVES).where(being_made).values(left_alone))
    # Of a run that has ended nobody asks for it any more: what the server itself says to have no password is closed unasked, and that is
    # said before a worker starts.
    ended = _MOVES.c.migration_id.in_(select(_RUNS.c.id).where(_RUNS.c.ended_at.is_not(None)))
    connection.execute(update(_MOVES).where(_MOVES.c.from_backup, ended).values(secure_after=None))
    unknown = select(_MOVES.c.name, _MOVES.c.migration_id).where(being_made, idless)
    return _people(connection, unknown.where(~ended)), _people(connection, unknown.where(ended))


def _end_sessions(connection: Connection) -> None:
    """Everybody signs in anew: which sessions have been ended since, or by which password they were begun, is not known."""
    for admin_id in connection.scalars(select(_ADMINS.c.id)).all():
        connection.execute(update(_ADMINS).where(_ADMINS.c.id == admin_id).values(session_key=secrets.token_hex(16)))


def _hold_mails_back(connection: Connection) -> None:
    waiting = select(_MAILS.c.id).where(_MAILS.c.status == EmailStatus.QUEUED)
    connection.execute(update(_MAILS).where(_MAILS.c.id.in_(waiting)).values(status=EmailStatus.SENDING, error=MAIL_UNCLEAR))
