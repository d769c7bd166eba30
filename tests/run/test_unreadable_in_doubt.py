"""An account that may stand open on the target, and of which its list tells nothing that can be read: it is neither forgotten nor touched
blindly, and closed as soon as it can be read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from panel.domain.statuses import MigrationStatus, MoveStatus, Step
from panel.extensions import db
from panel.models import Account, Evidence, Migration
from panel.models.types import utc_now
from panel.services import run as running
from tests.clock import Clock, clock
from tests.run.bending import Bend, Bender, of_one
from tests.run.test_unreadable import move_of, set_up
from tests.scene import Scene

__all__ = ["clock"]

MINUTE = timedelta(seconds=61)


def in_doubt(scene: Scene, **columns: Any) -> Migration:
    """A run that has ended: nobody knows whether the account of ada, which stands open on Emby, was made."""
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    for move in run.moves:
        move.status, move.retryable = MoveStatus.FAILED, True
    ada = move_of(run, "ada")
    ada.step, ada.needs_look, ada.attempts, ada.created_account, ada.target_member_id, ada.claim = Step.GIVE, True, 1, True, "", None
    for name, value in columns.items():
        setattr(ada, name, value)
    run.status, run.ended_at = MigrationStatus.FAILED, utc_now()
    run.source.migration_id = run.target.migration_id = None
    db.session.commit()
    (scene.target.sim.user("ada") or scene.target.sim.add_user("ada", "", libraries=["Films"])).password = ""
    return run


def looked_for(run: Migration) -> None:
    running.work(run.id)
    db.session.expire_all()


def is_closed(scene: Scene) -> bool:
    return scene.opened("ada") is None and not scene.target.sim.can_sign_in("ada", "")


def in_lists(bend: Bend) -> Bend:
    """Only where all accounts are listed."""
    return lambda call, body: bend(call, body) if call.path.rstrip("/").endswith(("/Users", "/Users/Query")) else None


def test_an_account_whose_name_cannot_be_read_may_be_the_one(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene)
    with Bender(of_one("ada", "Name", "missing")).around(scene.target.sim):
        for _ in range(3):
            looked_for(run)
            ada = move_of(run, "ada")
            assert ada.created_account and ada.missing_since is None, "no look that counts"
            assert "a name" in ada.remark
            clock.ahead += MINUTE
    looked_for(run)
    assert is_closed(scene) and move_of(run, "ada").target_member_id


def test_an_account_without_a_name_that_is_somebodys_is_none_of_them(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene)
    scene.target.sim.users.pop(scene.target.sim.user("ada").id)
    other = scene.target.sim.add_user("eve", "their own", libraries=["Films"])
    eve = scene.person("eve")
    db.session.add(Account(user_id=eve.id, server_id=scene.target.row.id, remote_id=other.id, name="eve", known_by=Evidence.FOUND))
    db.session.commit()
    with Bender(of_one("eve", "Name", "missing")).around(scene.target.sim):
        looked_for(run)
        clock.ahead += MINUTE
        looked_for(run)
    assert not move_of(run, "ada").created_account


def test_after_a_restore_one_that_cannot_be_read_is_not_taken_for_somebodys(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene, from_backup=True)
    with Bender(of_one("ada", "Policy", "null")).around(scene.target.sim):
        looked_for(run)
    ada = move_of(run, "ada")
    assert ada.created_account and ada.from_backup
    clock.ahead += MINUTE
    looked_for(run)
    assert is_closed(scene)


@pytest.mark.parametrize("administrator", [False, True])
def test_one_that_can_be_read_by_its_id_alone_is_judged_by_that(scene: Scene, administrator: bool) -> None:
    run = in_doubt(scene)
    scene.target.sim.user("ada").policy["IsAdministrator"] = administrator
    with Bender(in_lists(of_one("ada", "Policy", "null"))).around(scene.target.sim):
        scene.target.sim.journal.clear()
        looked_for(run)
    ada = move_of(run, "ada")
    if administrator:
        assert not scene.target.sim.calls(changes=True) and not ada.created_account and not ada.remark
    else:
        assert is_closed(scene) and ada.target_member_id and not ada.remark


def test_one_without_an_id_is_left_and_looked_for_again(scene: Scene, clock: Clock) -> None:
    run = in_doubt(scene)
    other = move_of(run, "ben")
    other.target_account_id, other.given_at = "", utc_now()
    db.session.commit()
    with Bender(of_one("ada", "Id", "missing")).around(scene.target.sim):
        scene.target.sim.journal.clear()
        looked_for(run)
    ada = move_of(run, "ada")
    assert ada.created_account and "“ada”" in ada.remark and "empty" not in ada.remark
    assert not scene.target.sim.calls(changes=True)
    clock.ahead += MINUTE
    looked_for(run)
    assert is_closed(scene)


def test_a_run_at_work_does_not_take_its_name_for_somebody_elses(scene: Scene, clock: Clock) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    ada = move_of(run, "ada")
    ada.status, ada.step, ada.needs_look, ada.attempts = MoveStatus.PENDING, Step.GIVE, True, 1
    ada.created_account, ada.target_member_id, ada.claim = True, "", None
    db.session.commit()
    (scene.target.sim.user("ada") or scene.target.sim.add_user("ada", "", libraries=["Films"])).password = ""
    scene.target.sim.journal.clear()
    with Bender(of_one("ada", "Name", "missing")).around(scene.target.sim):
        for _ in range(12):
            looked_for(run)
            clock.ahead += timedelta(seconds=5)
    ada = move_of(run, "ada")
    assert ada.created_account and ada.status is not MoveStatus.SKIPPED
    assert not [entry for entry in scene.target.sim.calls("POST", "/Users/New") if b'"ada"' in entry.call.body]
    for _ in range(3):
        clock.ahead += MINUTE
        looked_for(run)
    assert move_of(run, "ada").target_member_id and not scene.target.sim.can_sign_in("ada", "")
