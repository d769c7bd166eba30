"""Never left open: an account that may stand half made after everything failed is looked for and closed, whatever became of the run."""

from __future__ import annotations

import secrets

from sqlalchemy import ColumnElement, and_, select

from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.platforms.base import PlatformError, Remote
from panel.services import pace
from panel.services.run.lease import Lease
from panel.services.run.listed import Listed
from panel.services.run.rows import Outcome, Wait, require_epoch
from panel.services.run.trouble import RunStopped, later, wait_out

#: Seconds between two looks at a server that stays away.
LOOK_AGAIN_S = 60.0


def doubtful() -> ColumnElement[bool]:
    """Users given up on while an account of theirs may stand on the target: it was to be made, and nobody knows whether it was."""
    return and_(
        Move.status == MoveStatus.FAILED,
        Move.step == Step.GIVE,
        Move.created_account,
        Move.target_member_id == "",
        Move.claim.is_(None),
    )


def secure(run: Migration, lease: Lease, remote: Remote) -> Outcome:
    """Close what stands open of those who have failed: a password nobody knows, no libraries, disabled. Commits.

    A retry adopts the closed account. On Plex nothing can stand open.
    """
    if run.target.platform is Platform.PLEX:
        return False
    moves = db.session.scalars(select(Move).where(Move.migration_id == run.id, doubtful()).order_by(Move.position)).all()
    if not moves:
        return False
    try:
        listed = Listed(remote.members())
        for move in moves:
            member = listed.of(move)
            if member is None:
                move.created_account = False
                continue
            remote.set_password(member.account_id, secrets.token_urlsafe(24))
            remote.take(member)
            move.target_member_id, move.target_account_id = member.id, member.account_id
    except PlatformError as error:
        db.session.rollback()
        return _look_again(run, error)
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


def _look_again(run: Migration, error: PlatformError) -> Wait:
    """However long the server stays away, and whatever its trouble is: a run that has ended cannot fail any further."""
    try:
        return wait_out(run, error, pace.name_for(run, run.target))
    except RunStopped:
        return later(LOOK_AGAIN_S, f"{error} An account may stand open there; it is closed as soon as the server answers.")
