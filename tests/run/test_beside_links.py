"""An account that is closed for a moment, because its person is choosing a password, while a run or a sync looks who has access."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from panel.domain.statuses import Removal, Step
from panel.extensions import db
from panel.models import Server, Share
from panel.services import run as running
from panel.services import sync
from panel.services.run import steer
from panel.simulators.http import Call
from tests.clock import Clock, clock
from tests.databases import BOTH
from tests.run.claiming import CHOSEN, choose, closed_without_a_password, housekeep, link_to, pair
from tests.run.test_claims_beside_runs import aside, works
from tests.run.test_looked_at_first import later
from tests.run.test_looks_in_trouble import work_until_checking
from tests.run.test_taken_late import work_until_taking
from tests.scene import Scene

__all__ = ["clock"]


def at_the_reset(call: object, moment: str) -> bool:
    """Emby has taken the account's password away."""
    return moment == "after" and b"ResetPassword" in getattr(call, "body", b"")


@pytest.mark.parametrize("database_kind", BOTH)
@pytest.mark.parametrize("cancelled", [True, False])
def test_who_chooses_a_password_before_the_source_access_goes_is_waited_for(
    app: Flask, scene: Scene, clock: Clock, cancelled: bool
) -> None:
    pair(scene)
    run = scene.start()
    work_until_taking(scene, run)
    if cancelled:
        steer.cancel(run)
    db.session.commit()
    later(hours=1)
    token = link_to(run.moves[0])
    aside(app, scene.target.sim, at_the_reset, works(run))
    choose(token)
    db.session.expire_all()
    assert (scene.outcome(run), run.moves[0].attempts) == ({"ada": "moving"}, 0)
    clock.ahead += timedelta(seconds=31)
    run.wake_at = None
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"}
    assert scene.opened("ada") == {"Films", "Shows"} and scene.opened("ada", scene.source) is None


def within_a_list(app: Flask, scene: Scene, token: str) -> Callable[[], bool]:
    """The next list of the target is made while the person's account is closed; they have begun after it was asked for, and are done before
    it arrives. Answers whether that is what has happened."""
    closed, listed, done = threading.Event(), threading.Event(), threading.Event()

    def press() -> None:
        with app.app_context():
            choose(token)
        done.set()

    pressing = threading.Thread(target=press)

    def on_call(call: Call, moment: str) -> None:
        is_list = call.method == "GET" and call.path.rstrip("/").endswith(("/Users", "/Users/Query"))
        if is_list and moment == "before" and pressing.ident is None:
            pressing.start()
            assert closed.wait(30)
        elif is_list and not listed.is_set():
            listed.set()
            pressing.join(30)
        elif at_the_reset(call, moment):
            closed.set()
            listed.wait(30)

    scene.target.sim.on_call = on_call
    return done.is_set


@pytest.mark.parametrize("database_kind", BOTH)
def test_who_begins_and_ends_while_a_list_is_on_its_way_is_looked_at_again_and_loses_no_try(app: Flask, scene: Scene, clock: Clock) -> None:
    pair(scene)
    run = scene.start()
    work_until_taking(scene, run)
    later(hours=1)
    is_done = within_a_list(app, scene, link_to(run.moves[0]))
    works(run)()
    scene.target.sim.on_call = None
    db.session.expire_all()
    assert is_done() and scene.target.sim.can_sign_in("ada", CHOSEN)
    assert (scene.outcome(run), run.moves[0].step, run.moves[0].attempts) == ({"ada": "moving"}, Step.TAKE, 0)
    clock.ahead += timedelta(seconds=31)
    run.wake_at = None
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada", scene.source) is None


def test_who_chooses_a_password_during_the_read_back_is_not_given_access_again(app: Flask, scene: Scene, clock: Clock) -> None:
    pair(scene)
    token = link_to(scene.move(removal=Removal.KEEP).moves[0])
    second = scene.start(removal=Removal.KEEP)
    work_until_checking(scene, second)
    aside(app, scene.target.sim, at_the_reset, works(second))
    choose(token)
    clock.ahead += timedelta(seconds=31)
    db.session.expire_all()
    second.wake_at = None
    db.session.commit()
    scene.finish(second)
    assert scene.outcome(second) == {"ada": "moved"} and scene.opened("ada") == {"Films", "Shows"}
    assert not second.moves[0].before, "what it was for a moment is nothing to be given back"


@pytest.mark.parametrize("returns", [True, False])
def test_an_account_a_link_left_closed_is_waited_for_until_it_is_opened_again_but_not_for_ever(
    scene: Scene, clock: Clock, returns: bool
) -> None:
    pair(scene)
    run = scene.start()
    work_until_taking(scene, run)
    closed_without_a_password(scene, run.moves[0])
    later(hours=1)
    running.work(run.id)
    db.session.expire_all()
    assert scene.outcome(run) == {"ada": "moving"} and scene.opened("ada", scene.source) == {"Films"}
    for _ in range(8):
        clock.ahead += timedelta(minutes=3)
        if returns:
            housekeep()
        db.session.expire_all()
        run.wake_at = None
        db.session.commit()
        scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and run.ended_at is not None
    assert scene.opened("ada") == {"Films", "Shows"} and not scene.target.sim.can_sign_in("ada", "")


def test_a_sync_ends_no_share_of_who_is_choosing_a_password(app: Flask, scene: Scene) -> None:
    pair(scene)
    run = scene.move()
    token, server_id = link_to(run.moves[0]), scene.target.row.id
    said: list[str] = []
    aside(app, scene.target.sim, at_the_reset, lambda: said.append(str(sync.sync_server(db.session.get_one(Server, server_id)))))
    choose(token)
    db.session.expire_all()
    shares = db.session.scalars(db.select(Share).where(Share.server_id == server_id, Share.account_name == "ada")).all()
    assert len(said) == 1 and "shares ended 0" in said[0]
    assert [{library.name for library in share.libraries} for share in shares] == [{"Films", "Shows"}]
    assert shares[0].settings.get("IsDisabled") is not True
