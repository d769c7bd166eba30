"""An account that a run finds without a password: one that is closed is not opened before it has one, one that is open stays as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import Email, Setting
from panel.services import notices
from panel.services.claims.unclaimed import is_unclaimed
from panel.web.move_actions import why_no_claim
from tests.clock import Clock, clock
from tests.run.claiming import CHOSEN, at_take, choose, closed_without_a_password, housekeep, link_to, pair, stood_open, watch
from tests.scene import Scene

__all__ = ["clock"]


def test_a_later_run_does_not_open_it_without_a_password(scene: Scene) -> None:
    pair(scene)
    run = scene.move(removal=Removal.KEEP)
    watch(scene)
    token = closed_without_a_password(scene, run.moves[0])
    again = scene.move(removal=Removal.KEEP)
    assert scene.outcome(again) == {"ada": "moved"} and scene.opened("ada")
    assert not scene.target.sim.can_sign_in("ada", "") and not stood_open(scene)
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and scene.opened("ada")


def test_the_run_at_work_does_not_open_it_without_a_password(scene: Scene, clock: Clock) -> None:
    pair(scene)
    run = at_take(scene)
    watch(scene)
    closed_without_a_password(scene, run.moves[0])
    scene.finish(run)
    assert scene.opened("ada") is None and scene.opened("ada", scene.source), "it waits for what opens it again by itself"
    for _ in range(2):
        clock.ahead += timedelta(minutes=3)
        housekeep()
        run.wake_at = None
        db.session.commit()
        scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") and scene.opened("ada", scene.source) is None
    assert not scene.target.sim.can_sign_in("ada", "") and not stood_open(scene)


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_an_account_that_stood_closed_without_a_password_is_opened_with_one_its_person_can_replace(scene: Scene, target: str) -> None:
    scene.add_server("jellyfin" if target == "emby" else "emby", "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    setting = Setting.current()
    setting.smtp_host, setting.smtp_sender = "127.0.0.1", "p@example.test"
    ada = scene.person("ada")
    scene.place(ada, scene.target, ("Films",))
    account = watch(scene)
    account.password, account.policy["IsDisabled"] = "", True
    db.session.commit()
    run = scene.move()
    move = run.moves[0]
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada")
    assert not scene.target.sim.can_sign_in("ada", "") and not stood_open(scene)
    assert "without a password" in move.remark and not why_no_claim(run, move)
    told = db.session.scalars(db.select(Email).where(Email.event == notices.ACCOUNT_MOVED)).all()
    assert [mail.recipient for mail in told] == ["ada@example.test"]
    choose(link_to(move))
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not is_unclaimed(run, move)


def test_an_account_that_stands_open_without_a_password_is_left_as_it_is(scene: Scene) -> None:
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    ada = scene.person("ada", libraries=("Films", "Shows"))
    scene.place(ada, scene.target, ("Films",))
    scene.target.sim.user("ada").password = ""
    db.session.commit()
    run = scene.move()
    assert scene.outcome(run) == {"ada": "moved"} and scene.target.sim.can_sign_in("ada", "")
    assert why_no_claim(run, run.moves[0])
