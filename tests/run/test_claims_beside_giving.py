"""Choosing a password while a run gives access to the account: neither changes anything under the hands of the other."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from flask import Flask

from panel.domain.statuses import Removal
from panel.extensions import db
from panel.services import run as running
from panel.services.claims import alone
from tests.clock import Clock, clock
from tests.databases import ON_BOTH
from tests.run.claiming import CHOSEN, at_take, choose, link_to, once_reset, pair, stood_open, watch
from tests.scene import Scene

__all__ = ["clock"]


@ON_BOTH
def test_a_run_leaves_an_account_alone_whose_person_is_choosing_a_password(app: Flask, scene: Scene, clock: Clock) -> None:
    pair(scene)
    run = at_take(scene)
    watch(scene)
    token, run_id, meanwhile = link_to(run.moves[0]), run.id, []

    def work() -> None:
        for _ in range(6):
            running.work(run_id)
        meanwhile.append((scene.opened("ada"), scene.target.sim.user("ada").password))

    once_reset(scene, app, work)
    choose(token)
    assert meanwhile == [(None, "")], "nothing was changed under the hands of the claim"
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and scene.opened("ada")
    db.session.expire_all()
    assert run.moves[0].taken_at is None and scene.opened("ada", scene.source), "it waits"
    clock.ahead += timedelta(seconds=31)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada", scene.source) is None
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not stood_open(scene)


@ON_BOTH
def test_nobody_chooses_a_password_while_a_run_gives_access(app: Flask, scene: Scene) -> None:
    pair(scene)
    run = scene.move(removal=Removal.KEEP)
    token = link_to(run.moves[0])
    scene.target.sim.user("ada").policy["EnabledFolders"] = []
    sim, answers = scene.target.sim, []

    def press() -> None:
        with app.app_context():
            try:
                choose(token)
            except alone.BeingUsed as error:
                answers.append(str(error))

    def on_call(call: Any, moment: str) -> None:
        if moment == "before" and call.method == "POST" and call.path.endswith("/Policy"):
            sim.on_call = None
            thread = threading.Thread(target=press)
            thread.start()
            thread.join(30)

    sim.on_call = on_call
    again = scene.move(removal=Removal.KEEP)
    assert scene.outcome(again) == {"ada": "moved"}
    assert len(answers) == 1 and "try again in a few minutes" in answers[0]
    choose(token)
    assert sim.can_sign_in("ada", CHOSEN)
