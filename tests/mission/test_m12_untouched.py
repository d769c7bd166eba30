"""M12: a migration changes no row of a user's other data: payments, logins, notes."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import User
from panel.services import admins
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.mission.stage import rows_of, set_up, settle
from tests.scene import Scene

#: Each platform on each side, and within one of each kind.
PAIRS = [("plex", "plex"), ("plex", "emby"), ("emby", "jellyfin"), ("jellyfin", "plex")]
KEPT = ("users", "payments", "plans", "admins", "library_groups", "libraries")


def furnish(scene: Scene) -> None:
    """Notes, further payments, somebody permanent, and two logins."""
    for user in db.session.scalars(db.select(User)):
        user.notes = f"Pays in cash.\n{user.name} likes Westerns."
        db.session.add(scene.payment(user, "Basic", (-400, -300)))
        db.session.add(scene.payment(user, "Basic", (100, 200)))
        # A person known to Plex from before: what plex.tv answers is not to be learned during the run.
        account = scene.tv.find(user.plex_email) or scene.tv.add_account(user.name, user.plex_email)
        user.plex_id = str(account.id)
    scene.person("dora", plan=None, permanent=True, notes="A friend.")
    admins.create("olga@example.test", "a long password")
    admins.create("emil@example.test", "another long password")
    db.session.commit()


# M12
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_no_row_of_users_payments_logins_notes_changes(app: Flask, scene: Scene, source: str, target: str) -> None:
    set_up(scene, source, target)
    furnish(scene)
    if (source, target) != ("plex", "plex"):
        dora = db.session.scalars(db.select(User).where(User.name == "dora")).one()
        account = scene.tv.find(dora.plex_email) or scene.tv.add_account("dora", dora.plex_email)
        dora.plex_id = str(account.id)
    before = rows_of(*KEPT)
    run = settle(scene, scene.move())
    assert set(scene.outcome(run).values()) == {"moved"}
    assert rows_of(*KEPT) == before


# M12
@pytest.mark.parametrize("database_kind", BOTH)
@pytest.mark.parametrize("removal", list(Removal))
def test_nor_when_users_fail_are_cancelled_or_retried(scene: Scene, removal: Removal, database_kind: str) -> None:
    set_up(scene, "jellyfin", "emby")
    furnish(scene)
    before = rows_of(*KEPT)
    scene.target.sim.faults.append(Fault("POST", "/Users/New", times=None, status=400, body="No."))
    run = scene.move(removal=removal)
    assert set(scene.outcome(run).values()) == {"failed"}
    assert rows_of(*KEPT) == before


# M12
def test_somebody_new_to_plex_gains_their_plex_id_and_nothing_else_changes(scene: Scene) -> None:
    set_up(scene, "emby", "plex", people=("ada",))
    ada = db.session.scalars(db.select(User)).one()
    ada.notes = "Pays in cash."
    assert ada.plex_id == ""
    before = rows_of(*KEPT)
    settle(scene, scene.move())
    ada.plex_id = ""
    assert rows_of(*KEPT) == before
