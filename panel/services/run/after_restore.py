"""An account that was being made when a backup was made: what became of it is not known to whoever restores it, and nothing is presumed.

Only where the server itself says that it has no password can nobody have chosen one, and it is closed and gone on with as after a crash.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, update

from panel.domain.statuses import OPEN, MoveStatus, Step
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
    """Those accounts are looked for from now on, also where nobody resumes the run. Flushed."""
    execute(update(Move).where(Move.migration_id == run_id, Move.from_backup).values(secure_after=None, changed_at=Move.changed_at))


def is_nobodys_to_touch(move: Move, member: Member) -> bool:
    """Whether somebody may have chosen a password for this account since the backup: the server says that it has one, or does not say."""
    return move.from_backup and not member.no_password


def wait_for_judgement(move: Move) -> None:
    """The run waits with this user until the next look. Flushed by the caller."""
    if move.from_backup:
        move.not_before = move.secure_after


def put_off(run: Migration, move: Move, error: PlatformError) -> None:
    """The target could not be looked at: the run waits, but not for ever. Whoever is to be moved fails once no look has come about as often
    as an outage is waited for, and is looked for as after a run that has ended. Flushed by the caller."""
    if not move.from_backup:
        return
    wait_for_judgement(move)
    if move.status not in OPEN or isinstance(error, TooManyRequests):
        return
    move.attempts += 1
    if move.attempts > len(config().outage_waits_s):
        move.status, move.retryable, move.needs_look, move.not_before, move.reasons = MoveStatus.FAILED, True, True, None, ()
        move.detail = f"What became of “{move.account_name}” since the restored backup was made could not be found out: {error}"


def note_judged(run: Migration, move: Move) -> None:
    """What became of the account is known now; what its user is to get is settled by that. Flushed by the caller."""
    if move.from_backup:
        move.from_backup, move.not_before, move.attempts, run.prepared_at = False, None, 0, None


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
