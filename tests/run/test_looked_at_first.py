"""What may happen between the read-back and the removal: a retry, hours, a server that stays away, a clock; and a password that its person
has chosen by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Email, Migration, Move, Setting
from panel.models.types import utc_now
from panel.platforms.base import PlatformError
from panel.services import claims
from panel.services import run as running
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.services.run.check import is_fresh
from panel.services.run.take import Removal, Taking
from panel.services.unclaimed import unclaimed_among
from panel.simulators.http import Fault
from tests.databases import BOTH
from tests.run.test_taken_late import go, refuse_removal, retry, set_up, work_until_taking
from tests.scene import Scene


def move_of(run: Migration, name: str) -> Move:
    """The row of this user."""
    return next(move for move in run.moves if move.name == name)


def choose(run: Migration, name: str) -> None:
    """The person opens their link and chooses a password."""
    link = claims.find(claims.CLAIM, claims.make(claims.CLAIM, move_of(run, name).id))
    assert link is not None
    claims.choose_password(link, f"chosen by {name}")


def later(hours: float) -> None:
    """So long ago was the last look."""
    for run in db.session.scalars(select(Migration)):
        run.looked_at = utc_now() - timedelta(hours=hours)
    db.session.commit()


def test_a_retry_while_others_are_taken_is_looked_at_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(scene, "jellyfin", "emby", "ada", *(f"person{number}" for number in range(12)))
    run = scene.start()
    work_until_taking(scene, run)
    ada = move_of(run, "ada")
    ada.status, ada.retryable = MoveStatus.FAILED, True
    db.session.commit()
    scene.target.sim.user("ada").policy["IsDisabled"] = True
    noted = Taking.note
    taken: list[str] = []

    def note(self: Taking, removal: Removal, outcome: PlatformError | None) -> None:
        noted(self, removal, outcome)
        taken.append(removal.move.name)
        if len(taken) == 3:
            db.session.commit()
            steer.retry(db.session.get_one(Migration, run.id), ada.id)
            db.session.commit()

    monkeypatch.setattr(Taking, "note", note)
    scene.finish(run)
    assert scene.outcome(run)["ada"] == "moved"
    assert scene.opened("ada") == {"Films", "Shows"}, "given again before anything was removed"


def test_what_a_person_has_chosen_survives_that_access_is_given_again(scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    choose(run, "ada")
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    later(hours=2)
    scene.finish(run)
    assert (scene.outcome(run)["ada"], scene.opened("ada")) == ("moved", {"Films", "Shows"})
    assert scene.target.sim.can_sign_in("ada", "chosen by ada")


def test_it_survives_a_retry_days_later_too(scene: Scene) -> None:
    set_up(scene)
    refuse_removal(scene, "ada", 400)
    run = go(scene, *scene.sides)
    choose(run, "ada")
    scene.source.sim.faults.clear()
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    retry(scene, run, "ada")
    assert scene.opened("ada") == {"Films", "Shows"}
    assert scene.target.sim.can_sign_in("ada", "chosen by ada")


def test_an_account_that_is_made_anew_is_told_of_again(scene: Scene) -> None:
    set_up(scene)
    setting = Setting.current()
    setting.smtp_host, setting.public_url = "127.0.0.1", "https://panel.example"
    db.session.commit()
    run = scene.start()
    work_until_taking(scene, run)
    choose(run, "ada")
    scene.target.sim.delete_account(scene.target.sim.user("ada"))
    later(hours=2)
    scene.finish(run)
    ada = move_of(run, "ada")
    assert (ada.status, scene.opened("ada")) == (MoveStatus.MOVED, {"Films", "Shows"})
    assert len(db.session.scalars(select(Email).where(Email.move_id == ada.id)).all()) == 2
    assert ada.id in unclaimed_among(run, [ada.id])


def test_a_run_whose_source_stays_away_ends(app: Flask, scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    scene.source.sim.faults.append(Fault(status=503, times=None))
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(5.0, 15.0, 45.0, 120.0, 300.0))
    for _ in range(20):
        running.work(run.id)
        db.session.expire_all()
        if run.ended_at is not None:
            break
        # The time it wants to wait has passed.
        run.wake_at = None
        later(hours=0.1)
    assert run.ended_at is not None and run.problem
    assert all(scene.opened(name, scene.source) == {"Films"} for name in ("ada", "ben"))


@pytest.mark.parametrize("refused", [True, False])
def test_an_ended_run_whose_source_cannot_be_asked_waits(scene: Scene, refused: bool) -> None:
    set_up(scene, "jellyfin", "plex")
    run = go(scene, *scene.sides)
    for share in scene.tv.shares_of(scene.target.sim):
        scene.tv.accept(share)
    check_invites(scene.target.row)
    scene.source.sim.faults.append(Fault(status=401 if refused else 503, times=None))
    for _ in range(10):
        running.work(run.id)
        db.session.expire_all()
        if run.wake_at is None or (run.wake_at - utc_now()).total_seconds() > 60:
            break
        run.wake_at = None
        later(hours=0.1)
    assert run.wake_at is not None and run.wake_at > utc_now() and run.id not in running.due()
    assert scene.source.row.migration_id is None


def test_a_clock_put_back_makes_no_old_look_fresh(scene: Scene) -> None:
    set_up(scene)
    run = scene.start()
    work_until_taking(scene, run)
    later(hours=-1)
    assert not is_fresh(run)
    running.due()
    db.session.expire_all()
    assert not is_fresh(run)


class TestZones:
    """PostgreSQL compares by the zone of the session, unless it is told."""

    @pytest.fixture(params=BOTH)
    def database_kind(self, request: pytest.FixtureRequest) -> str:
        """Both."""
        return str(request.param)

    @pytest.fixture(autouse=True)
    def far_east(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a server or a person's environment may say."""
        monkeypatch.setenv("PGOPTIONS", "-c timezone=Asia/Tokyo")

    def test_a_later_run_is_seen_also_by_who_had_access_already(self, scene: Scene) -> None:
        set_up(scene)
        refuse_removal(scene, "ada", 400)
        first = go(scene, *scene.sides)
        move_of(first, "ada").given_at = None
        db.session.commit()
        scene.source.sim.faults.clear()
        go(scene, scene.target, scene.source)
        retry(scene, first, "ada")
        assert scene.opened("ada", scene.source) == {"Films", "Shows"}
