"""An account that was being made when a backup was made: what became of it is not known to whoever restores it, and nothing is presumed.

Only where the server itself says that it has no password can nobody have chosen one, and it is closed and gone on with as after a crash.
"""

from __future__ import annotations

import math

from sqlalchemy import ColumnElement, and_, case, update

from panel.domain.statuses import OPEN, MigrationStatus, MoveStatus, Step
from panel.extensions import config, execute
from panel.models import Migration, Move
from panel.platforms.base import Member, PlatformError, TooManyRequests


def is_unjudged() -> ColumnElement[bool]:
    """To whom nothing is given before it has been looked up what became of their account."""
    return and_(Move.from_backup, Move.created_account, Move.target_member_id == "")


def awaits_judgement(move: Move) -> bool:
    """The same of one who was read."""
    return move.from_backup and move.created_account and not move.target_member_id


def look_for(run_id: int) -> None:
    """They are looked for from now on; of those who have not failed no look that came to nothing before counts any more. Flushed."""
    attempts = case((Move.status.in_(OPEN), 0), else_=Move.attempts)
    execute(update(Move).where(Move.migration_id == run_id, is_unjudged()).values(secure_after=None, attempts=attempts))


def is_nobodys_to_touch(move: Move, member: Member) -> bool:
    """Whether somebody may have chosen a password for this account since the backup: the server says that it has one, or does not say."""
    return move.from_backup and not member.no_password


def wait_for_judgement(move: Move) -> None:
    """The run waits with this user until the next look. Flushed by the caller."""
    if move.from_backup:
        move.not_before = move.secure_after


def put_off(run: Migration, move: Move, error: PlatformError, *, apart_s: float) -> None:
    """The target could not be looked at: the run waits, but not for ever. Whoever is to be moved fails once no look, each `apart_s` seconds
    after the one before, has come about for as long as an outage is waited for, and is looked for as after a run that has ended. A run that
    somebody has paused fails nobody. Flushed by the caller."""
    if not move.from_backup:
        return
    wait_for_judgement(move)
    if move.status not in OPEN or run.status is MigrationStatus.PAUSED or isinstance(error, TooManyRequests):
        return
    move.attempts += 1
    if move.attempts > math.ceil(sum(config().outage_waits_s) / apart_s):
        move.status, move.retryable, move.needs_look, move.not_before, move.reasons = MoveStatus.FAILED, True, True, None, ()
        move.detail = f"What became of “{move.account_name}” since the restored backup was made could not be found out: {error}"


def note_judged(run: Migration, move: Move, *, is_closed: bool) -> None:
    """What became of the account is known now: it `is_closed`, or none of ours stands there. That settles what its user is to get; who has
    failed because nobody knew is left to a retry. Flushed by the caller."""
    if not move.from_backup:
        return
    if move.status in OPEN:
        run.prepared_at = None
    elif move.attempts:
        found = "is there, and closed" if is_closed else "is not there"
        move.detail = f"“{move.account_name}” could be looked for on {run.target.name} in the end: it {found}. A retry goes on from there."
    move.from_backup, move.not_before, move.attempts = False, None, 0


def leave_alone(run: Migration, move: Move, member: Member) -> None:
    """The account is somebody's by now, for all we know: its user fails, and a person has to look. Flushed by the caller."""
    if move.step is not Step.GIVE:
        return
    move.status, move.retryable, move.needs_look, move.reasons = MoveStatus.FAILED, True, True, ()
    move.detail = (
        f"“{member.name}” on {run.target.name} was being made when the restored backup was made, and may be in use by now: it has a "
        f"password, or {run.target.name} does not say. It was left as it is, and so was the access to {run.source.name}. Look at it on "
        f"{run.target.name}: if this person uses it, they are there already; if it was left half made, remove it. Then retry."
    )
