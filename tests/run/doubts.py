"""A run in which nobody knows whether an account was made."""

from __future__ import annotations

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration
from panel.services import run as running
from panel.services.run import steer
from tests.run.test_taken_late import set_up
from tests.scene import Scene

ON_THEIR_WAY = "ada", "ben"


def in_doubt(scene: Scene, *names: str) -> Migration:
    """A run at work, in which nobody knows whether accounts of these names have been made on Emby."""
    set_up(scene, "jellyfin", "emby", *ON_THEIR_WAY)
    run = scene.start()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    for move in run.moves:
        if move.name in names:
            move.status, move.step, move.needs_look, move.attempts = MoveStatus.PENDING, Step.GIVE, True, 1
            move.created_account, move.target_member_id, move.claim = True, "", None
    db.session.commit()
    return run


def paused(run: Migration) -> None:
    """It rests; committed."""
    steer.pause(run)
    db.session.commit()
