"""Choosing a password: whatever breaks, the link still works afterwards, nobody is lost and nothing stands open."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from panel.extensions import db
from panel.models import Move
from panel.platforms.base import PlatformError
from panel.services.claims import alone, links
from panel.services.claims.unclaimed import is_unclaimed
from tests.clock import Clock, clock
from tests.run.claiming import CHOSEN, choose, housekeep, killed_at, link_to, once_reset, pair, stood_open, watch
from tests.scene import Scene

__all__ = ["clock"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_process_killed_at_any_request_leaves_nobody_closed_out(scene: Scene, clock: Clock, number: int, moment: str) -> None:
    pair(scene)
    run = scene.move()
    watch(scene)
    token, libraries = link_to(run.moves[0]), scene.opened("ada")
    with killed_at(number, moment):
        choose(token)
    with pytest.raises(alone.BeingUsed, match="in two minutes"):
        choose(token)
    assert is_unclaimed(run, run.moves[0])
    clock.ahead += timedelta(minutes=2, seconds=1)
    housekeep()
    assert scene.opened("ada") == libraries and not scene.target.sim.can_sign_in("ada", "")
    choose(token)
    assert scene.opened("ada") == libraries and scene.target.sim.can_sign_in("ada", CHOSEN)
    assert not stood_open(scene) and not is_unclaimed(run, run.moves[0])


@pytest.mark.parametrize("by_the_same_link", [True, False])
def test_two_presses_at_once_set_one_password(app: Flask, scene: Scene, by_the_same_link: bool) -> None:
    pair(scene)
    move_id = scene.move().moves[0].id
    watch(scene)
    token, answers = link_to(db.session.get_one(Move, move_id)), []

    def press() -> None:
        another = token if by_the_same_link else link_to(db.session.get_one(Move, move_id))
        try:
            choose(another, "of the other press")
        except alone.BeingUsed as error:
            answers.append(str(error))

    once_reset(scene, app, press)
    choose(token)
    assert len(answers) == 1 and scene.target.sim.can_sign_in("ada", CHOSEN) and not stood_open(scene)
    assert links.find(links.CLAIM, token) is None


def test_a_claim_that_takes_too_long_sends_nothing_under_the_hands_of_the_next(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    monkeypatch.setattr(alone, "MOST_S", -1.0)
    before = len(scene.changes(scene.target))
    with pytest.raises(PlatformError, match="took too long"):
        choose(token)
    assert len(scene.changes(scene.target)) == before
    monkeypatch.undo()
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN)


def test_a_link_is_not_used_up_where_the_process_dies_before_anything_is_sent(scene: Scene, clock: Clock) -> None:
    pair(scene, "jellyfin")
    run = scene.move()
    token = link_to(run.moves[0])
    with killed_at(1, "before"):
        choose(token)
    assert is_unclaimed(run, run.moves[0])
    clock.ahead += timedelta(minutes=2, seconds=1)
    assert not housekeep()
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN) and not is_unclaimed(run, run.moves[0])


@pytest.mark.parametrize("ahead_h", [-5, 5])
def test_a_clock_that_was_wrong_holds_no_link_for_long(scene: Scene, clock: Clock, ahead_h: int) -> None:
    pair(scene)
    token = link_to(scene.move().moves[0])
    clock.ahead = timedelta(hours=ahead_h)
    with killed_at(3, "after"):
        choose(token)
    clock.ahead = timedelta(minutes=2, seconds=1)
    housekeep()
    assert scene.opened("ada") and not scene.target.sim.can_sign_in("ada", "")
    choose(token)
    assert scene.target.sim.can_sign_in("ada", CHOSEN)
