"""What follows from an error: try this user again later, give this user up, let the whole run wait, or end it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from panel.domain.reasons import Reason
from panel.domain.statuses import OPEN, MigrationStatus, MoveStatus, Step
from panel.extensions import config, db
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.platforms.base import (
    AlreadyThere,
    CredentialsRefused,
    LostAnswer,
    NameTaken,
    PlatformError,
    Remote,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
    WrongServer,
)
from panel.services import pace
from panel.services.run.rows import Wait, record, require_epoch
from panel.services.waiting import TRIED_AGAIN

#: Seconds before a run that has ended asks again a server that stays away.
ASK_AGAIN_S = 300.0
#: How many users in a row may fail by themselves where a server answers about everybody but them.
MOST_ALONE = 3
#: What is so about somebody whose step has failed.
WHAT_STANDS = {
    Step.GIVE: "The source access was left as it was. Once the reason is gone, a retry goes on from there.",
    Step.CHECK: "Has access on the target; the source access was left as it was.",
    Step.TAKE: "Has access on the target; whether the source access was removed is looked up by a retry.",
}


#: The same of whom it could not be looked up, before the removal and after it was tried.
UNKNOWN = "What they have there is looked up by a retry; the source access was left as it was."
UNKNOWN_BOTH = "What they have there, and whether the source access was removed, is looked up by a retry."


def with_what_stands(problem: str, step: Step) -> str:
    """The problem, whose last words may be the platform's own, and what is so all the same."""
    stands = WHAT_STANDS.get(step)
    return _followed_by(problem, stands) if stands else problem


def _followed_by(problem: str, stands: str) -> str:
    return f"{problem if problem.endswith(('.', '!', '?')) else f'{problem}.'} {stands}"


class RunStopped(Exception):
    """The whole run cannot go on; `str(error)` says why and what to do."""


def later(seconds: float, why: str, awaited_id: int | None = None) -> Wait:
    """Go on after so many seconds."""
    return Wait(utc_now() + timedelta(seconds=seconds), why, awaited_id)


def write_wait(run: Migration, wait: Wait, *, briefly: bool = False) -> None:
    """Write down what a run waits for. `briefly`: the worker waits itself. A server that does not answer stays the reason over the waits
    that have none of their own, such as for a turn, and over brief ones: it is still being tried. Flushed by the caller."""
    run.wake_at = None if briefly else wait.until
    if wait.awaited_id is None and run.awaited_id is not None and (briefly or not wait.why):
        return
    run.awaited_id = wait.awaited_id
    run.wake_reason = "" if briefly and wait.awaited_id is None else wait.why


def note_success(run: Migration) -> None:
    """Something was done: no server is awaited any more. Flushed by the caller."""
    if run.outages:
        run.outages = 0
    if run.awaited_id is not None:
        run.awaited_id, run.wake_reason = None, ""


def note_answer(run: Migration, server: Server) -> None:
    """This server has told what it was asked for: it is awaited no more. Nothing was done by that, so its outages still count. Flushed by
    the caller."""
    if run.awaited_id == server.id:
        run.awaited_id, run.wake_reason = None, ""


def cooling(*servers: Server) -> Wait | None:
    """A wait while one of these servers, or its Plex account, has asked to be left alone: then not even a list is asked for."""
    until = pace.cooling_until(servers)
    return Wait(until, f"Slowed down by {pace.who_slows(*servers)}. The run goes on by itself.") if until else None


def wait_out(run: Migration, error: PlatformError, server: Server) -> Wait:
    """This server, or plex.tv about it, not a user, is the trouble: how long the run waits. Raises `RunStopped` when waiting does not help
    (any more).

    Of a run that has ended nothing is to be stopped: whoever has accepted since waits until the server can be asked.
    """
    if isinstance(error, TooManyRequests):
        seconds = pace.cool_down(pace.name_for(run, server), error.retry_after_s)
        return later(seconds, f"{error} The run goes on by itself.")
    helpless = isinstance(error, (CredentialsRefused, WrongServer))
    waits = config().outage_waits_s
    if run.ended_at is not None and (helpless or run.outages >= len(waits)):
        return later(ASK_AGAIN_S, f"{error} {TRIED_AGAIN}")
    if helpless:
        raise RunStopped(str(error))
    if run.outages >= len(waits):
        raise RunStopped(f"{error} It was tried {run.outages + 1} times; those not moved yet stayed as they were.")
    seconds = waits[run.outages]
    run.outages += 1
    awaited_id = server.id if run.ended_at is None and not error.of_plex_tv else None
    return later(seconds, f"{error} {TRIED_AGAIN}", awaited_id)


def is_theirs_alone(run: Migration, error: PlatformError, remote: Remote) -> bool:
    """Whether a server does not answer as it should about one user, but lists everybody: asked (and committed before) when the run would
    wait for it no longer. Of a few in a row; after those it is the server's trouble all the same."""
    patience = len(config().outage_waits_s)
    if not isinstance(error, (Unreachable, UnexpectedAnswer)) or not patience <= run.outages < patience + MOST_ALONE:
        return False
    db.session.commit()
    try:
        remote.members()
    except PlatformError:
        return False
    run.outages += 1
    return True


def leave_unjudged(move: Move, error: PlatformError) -> None:
    """The target answers about everybody but this user, whom nobody has in hand: looked at again later, as they are, and in the end left to
    the admin. Flushed by the caller."""
    waits = config().retry_waits_s
    move.claim, move.needs_look = None, True
    if error.retryable and move.attempts < len(waits):
        move.not_before, move.attempts = utc_now() + timedelta(seconds=waits[move.attempts]), move.attempts + 1
        move.detail = str(error)
        return
    fail_unjudged(move, error)


def fail_unjudged(move: Move, error: PlatformError) -> None:
    """This user fails: what they have on the target could not be looked up. Flushed by the caller."""
    move.claim, move.needs_look, move.not_before = None, True, None
    move.status, move.retryable = MoveStatus.FAILED, True
    move.detail = _followed_by(str(error), UNKNOWN_BOTH if move.taken else UNKNOWN)


def wait_for_target(run: Migration, epoch: int, trouble: tuple[Move, PlatformError], target: Remote) -> Wait | bool:
    """After a look that the target did not let come to its end: the run waits for it, or (`True`, committed) the one it does not answer
    about fails alone. What was found is committed before. Raises `RunStopped`, `LeaseLost`."""
    move, error = trouble
    if not is_theirs_alone(run, error, target):
        return wait_out(run, error, run.target)
    # Who was cancelled while the target was asked stays so, and in a run that was paused meanwhile nobody fails.
    require_epoch(run.id, epoch)
    db.session.refresh(run)
    step = move.step
    db.session.refresh(move)
    if run.status is not MigrationStatus.PAUSED and move.status in OPEN and move.step is step:
        fail_unjudged(move, error)
    db.session.commit()
    return True


def give_up(move: Move, epoch: int, error: PlatformError, *, retryable: bool = True, **also: Any) -> None:
    """This user fails, with the platform's own words. `retryable`: whether a retry may help. Flushed."""
    detail = with_what_stands(str(error), move.step)
    record(move.id, epoch, status=MoveStatus.FAILED, detail=detail, retryable=retryable, needs_look=True, **also)


def put_back(move: Move, epoch: int, *, needs_look: bool, **also: Any) -> None:
    """Leave a user as they were: the trouble was not theirs. Flushed."""
    status = MoveStatus.PENDING if move.step is Step.GIVE else move.status
    # A mark set meanwhile, by a pause or a retry, stays.
    look = {"needs_look": True} if needs_look or move.needs_look else {}
    record(move.id, epoch, status=status, **look, **also)


def fail_or_retry(move: Move, epoch: int, error: PlatformError, **also: Any) -> None:
    """This user's step failed: put off where trying again may help, else failed with the platform's own words. Flushed."""
    if isinstance(error, NameTaken):
        record(move.id, epoch, status=MoveStatus.SKIPPED, step=Step.DONE, reasons=(Reason.NAME_TAKEN,), detail="", created_account=False)
        return
    waits = config().retry_waits_s
    if (error.retryable or isinstance(error, AlreadyThere)) and move.attempts < len(waits):
        # Whether an account was made and may stand open has to be looked up at once, not in a while.
        at_once = isinstance(error, LostAnswer) and move.attempts == 0
        put_off(move, epoch, 0.0 if at_once else waits[move.attempts], str(error), **also)
        return
    give_up(move, epoch, error, retryable=error.retryable, **also)


def put_off(move: Move, epoch: int, seconds: float, detail: str, **also: Any) -> None:
    """Try this user again after a while, looking first at what has happened already. Flushed."""
    record(
        move.id,
        epoch,
        status=MoveStatus.PENDING if move.step is Step.GIVE else move.status,
        attempts=move.attempts + 1,
        needs_look=True,
        not_before=utc_now() + timedelta(seconds=seconds),
        detail=detail,
        **also,
    )
