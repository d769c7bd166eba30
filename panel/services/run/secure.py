"""Never left open: an account that may stand half made after everything failed is looked for and closed, whatever became of the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from panel.domain.names import fold
from panel.domain.platform import Platform
from panel.domain.statuses import OPEN, MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Account, Evidence, Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import Member, NotThere, PlatformError, Remote
from panel.platforms.sealing import random_password
from panel.platforms.unreadable import require_readable
from panel.services import proof
from panel.services.people import record_account
from panel.services.remarks import with_warning, without_warning
from panel.services.run.after_restore import is_nobodys_to_touch, leave_alone, note_judged, put_off, wait_for_judgement
from panel.services.run.lease import Lease, LeaseLost
from panel.services.run.listed import Listed
from panel.services.run.made_anew import forget_claims
from panel.services.run.rows import require_epoch
from panel.services.shared_clock import shared_now

#: Seconds before another try at closing an account, or another look at a server that stays away.
LOOK_AGAIN_S = 60.0
#: When an account is looked for that a restored backup knows as half made, in a run that was at work, until somebody resumes, cancels or
#: retries: it may have become somebody's since.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


def doubtful() -> ColumnElement[bool]:
    """Those in doubt whose account is to be looked for now."""
    return and_(_in_doubt(), or_(Move.secure_after.is_(None), Move.secure_after <= utc_now()))


def _in_doubt() -> ColumnElement[bool]:
    """Users whom nobody has in hand while an account of theirs may stand open on the target: it was to be made, and nobody knows whether
    it was. That they are taken back by another run changes nothing: it knows of no account either."""
    given_up = Move.status == MoveStatus.FAILED
    left_waiting = (Move.status == MoveStatus.PENDING) & Move.needs_look
    return and_(
        or_(given_up, left_waiting),
        Move.step.in_((Step.GIVE, Step.DONE)),
        Move.created_account,
        Move.target_member_id == "",
        Move.claim.is_(None),
    )


def leave_in_doubt(run_id: int, until: datetime) -> None:
    """Nobody in doubt is looked for before: something of ours goes wrong with it each time. What was found of them stands. Flushed."""
    sooner = or_(Move.secure_after.is_(None), Move.secure_after < until)
    execute(update(Move).where(Move.migration_id == run_id, _in_doubt(), sooner).values(secure_after=until))


def secure(run: Migration, lease: Lease, remote: Remote) -> None:
    """Close what may stand open: a password nobody knows, no libraries, disabled. Commits after each account.

    Whoever is given access later gets it on the closed account. What cannot be closed now is tried again in a minute, whatever becomes of
    the run; nothing waits for it, but for what a restored backup left unknown. What a later run has given under that name is left alone. On
    Plex nothing can stand open. A mistake of ours about one of them is raised once the others were tried. Raises `LeaseLost`.
    """
    if run.target.platform is Platform.PLEX:
        return
    query = select(Move).where(Move.migration_id == run.id, doubtful()).order_by(Move.position)
    moves = db.session.scalars(query.execution_options(populate_existing=True)).all()
    db.session.commit()
    if not moves:
        return
    try:
        listed = Listed(remote.members(), names=True)
    except PlatformError as error:
        _put_off(run, lease, moves, error)
        return
    mistakes = [mistake for move in moves if (mistake := _secured(move, listed, run, lease, remote))]
    if mistakes:
        raise mistakes[0]


def _secured(move: Move, listed: Listed, run: Migration, lease: Lease, remote: Remote) -> Exception | None:
    """One account closed, or put off; committed. Answers what nobody foresaw: it must not keep others from being closed."""
    try:
        with proof.announced(run.id, move.id, run.target_id):
            _close(move, listed, run, lease, remote)
    except PlatformError as error:
        _put_off(run, lease, [move], error)
    except (LeaseLost, SQLAlchemyError):
        raise
    except Exception as mistake:
        db.session.rollback()
        return mistake
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return None


def _close(move: Move, listed: Listed, run: Migration, lease: Lease, remote: Remote) -> None:
    member = _readable(listed.of(move), remote)
    # The run's row is written before those of its users, here and below, as whoever steers it does.
    require_epoch(run.id, lease.epoch)
    if member is None:
        listed.require_named(move)
        _look_once_more(run, move)
        return
    move.missing_since = None
    if is_nobodys_to_touch(move, member):
        _settle(run, move)
        leave_alone(run, move, member)
        return
    if _is_about_to_be_known(move, run):
        move.secure_after = utc_now() + timedelta(seconds=LOOK_AGAIN_S)
        wait_for_judgement(move)
        return
    if member.is_owner or _is_anothers(member, move, run):
        # Neither an administrator's account is touched nor one that came to be otherwise than by the request that was lost.
        _settle(run, move)
        return
    # Nothing is locked while the target is asked.
    db.session.commit()
    remote.set_password(member.account_id, random_password())
    remote.take(member)
    require_epoch(run.id, lease.epoch)
    move.target_member_id, move.target_account_id, move.remark = member.id, member.account_id, without_warning(move.remark)
    note_judged(run, move, is_closed=True)
    forget_claims(move)
    # It is another one than was given before, if any was.
    move.given_at, move.account_mail = None, ""
    record_account(run.target, move.user, member.account_id, member.name, Evidence.MOVE)


def _readable(member: Member | None, remote: Remote) -> Member | None:
    """The account as it is: of one that cannot be read in the list it is asked for by its id (1 request, what was flushed is committed
    before). `None`: there is none. Raises `PlatformError`, `Unreadable` too."""
    if member is None or not member.unreadable:
        return member
    if not member.id:
        require_readable(member)
    # Nothing is locked while the target is asked.
    db.session.commit()
    try:
        return remote.member(member.id)
    except NotThere:
        return None


def _is_about_to_be_known(move: Move, run: Migration) -> bool:
    """Whether another run is making an account of this name on the same server, so that the one which is listed may be that run's. It
    soon knows. Asked after the list: whoever has made what stands in it had written down before that they would."""
    query = (
        select(Move.account_name)
        .join(Migration, Migration.id == Move.migration_id)
        .where(Migration.target_id == run.target_id, Migration.id != run.id)
        .where(Move.status.in_(OPEN), Move.step == Step.GIVE, Move.created_account, Move.target_member_id == "")
    )
    return any(fold(name) == fold(move.account_name) for name in db.session.scalars(query))


def _is_anothers(member: Member, move: Move, run: Migration) -> bool:
    """Whether this account has been given to somebody since, by a run that knows it by its id. What a sync alone has found says nothing:
    it finds what a lost request has made as well."""
    given = exists().where(
        Move.target_account_id == member.account_id,
        Move.id != move.id,
        Move.given_at.is_not(None),
        Migration.id == Move.migration_id,
        Migration.target_id == run.target_id,
    )
    known = exists().where(Account.server_id == run.target_id, Account.remote_id == member.account_id, Account.known_by == Evidence.MOVE)
    return bool(db.session.scalar(select(or_(given, known))))


def _look_once_more(run: Migration, move: Move) -> None:
    """Nothing stands there now, but a request that was given up may still arrive: only a second look, at least a minute later, settles it,
    however often it was put off without a look. From then on an account of this name is somebody else's, also where the user is to be tried
    again anyway. A further request begins anew, and so does a clock that was put back."""
    now, apart = shared_now(), timedelta(seconds=LOOK_AGAIN_S)
    if move.missing_since is None or move.missing_since > now:
        move.missing_since = now
    if now - move.missing_since >= apart:
        _settle(run, move)
    else:
        move.secure_after = utc_now() + (move.missing_since + apart - now)
        wait_for_judgement(move)


def _settle(run: Migration, move: Move) -> None:
    """None of ours stands there."""
    move.created_account, move.missing_since, move.remark = False, None, without_warning(move.remark)
    note_judged(run, move, is_closed=False)


def _put_off(run: Migration, lease: Lease, moves: Sequence[Move], error: PlatformError) -> None:
    """Those who are still in doubt: whoever fell asleep while the server was asked knows less than whoever has the run by now, and a pause,
    a resume or a retry that came meanwhile counts. Commits. Raises `LeaseLost`."""
    require_epoch(run.id, lease.epoch)
    db.session.refresh(run)
    still = select(Move).where(Move.id.in_([move.id for move in moves]), _in_doubt()).order_by(Move.position)
    for move in db.session.scalars(still.execution_options(populate_existing=True)).all():
        move.secure_after = utc_now() + timedelta(seconds=LOOK_AGAIN_S)
        put_off(run, move, error, apart_s=LOOK_AGAIN_S)
        move.remark = with_warning(move.remark, str(error))
    db.session.commit()
