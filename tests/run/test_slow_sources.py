"""A source that takes minutes to tell who is there: nobody is removed on what the target told before, and the run ends all the same."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from panel.domain.statuses import MoveStatus
from panel.extensions import db
from panel.models import Migration
from panel.services import run as running
from panel.services.run import undo
from panel.simulators.http import Fault
from tests.clock import Clock, clock
from tests.run.test_looked_at_first import Hidden, later, move_of
from tests.run.test_looks_in_trouble import is_list
from tests.run.test_taken_late import set_up, work_until_taking
from tests.run.working import work_until_it_ends
from tests.scene import Scene, Side

__all__ = ["clock"]


@pytest.fixture
def ageing(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Clock:
    """A clock by which lists and looks age as well."""
    for name in ("source_list", "told"):
        module = sys.modules[f"panel.services.run.{name}"]
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.ahead.total_seconds()))
    return clock


@pytest.fixture(autouse=True)
def two_at_a_time(app: Flask) -> None:
    """As many as are looked up together."""
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], side_by_side=2)


def is_by_id(call: Any) -> bool:
    """Whether one account is asked for."""
    return call.method == "GET" and "/Users/" in call.path and not is_list(call)


class Slow:
    """A server that takes so long to answer, at most `times`; `also` happens meanwhile, once."""

    def __init__(self, side: Side, clock: Clock, asked: Any, seconds: float, *, times: int = 10_000, also: Any = None) -> None:
        self.clock, self.asked, self.seconds, self.left, self.also = clock, asked, seconds, times, also
        self.count = 0
        side.sim.on_call = self.answered

    def answered(self, call: Any, moment: str) -> None:
        """Take the time."""
        if moment != "after" or not self.asked(call) or self.left <= 0:
            return
        self.left, self.count = self.left - 1, self.count + 1
        self.clock.ahead += timedelta(seconds=self.seconds)
        if self.also:
            self.also()
            self.also = None


def work(run: Migration, clock: Clock, times: int = 40) -> None:
    """Stretch after stretch; who is put off waits."""
    work_until_it_ends(run, clock, pause=timedelta(seconds=1), times=times, slice_s=0)


def read_back(scene: Scene, *people: str, source: str = "emby") -> Migration:
    """A run to Jellyfin; everybody has been read back there, and nobody has been removed on the source."""
    set_up(scene, source, "jellyfin", *people)
    run = scene.start()
    work_until_taking(scene, run)
    return run


def taking_back(scene: Scene, **settings: bool) -> Migration:
    """The undo of a run to Plex, where ada had a share with these settings before; it is about to list who is there."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.place(scene.person("ada"), scene.target, ("Films", "Home videos"), settings=settings or None)
    db.session.commit()
    back = undo.start_undo(scene.move())
    db.session.commit()
    work_until_taking(scene, back)
    return back


@pytest.mark.parametrize("because", ["missing in the list", "an old list"])
def test_nobody_is_removed_who_lost_the_target_while_somebody_else_was_asked_for(scene: Scene, ageing: Clock, because: str) -> None:
    run = read_back(scene, "ada", "fay")
    later(hours=1)
    if because == "missing in the list":
        Hidden(scene.source, ("ada",), 1000)
    else:
        Slow(scene.target, ageing, is_list, 61)
    fay = scene.target.sim.user("fay")
    slow = Slow(scene.source, ageing, is_by_id, 70, times=1, also=lambda: fay.policy.update(IsDisabled=True))
    for _ in range(40):
        work(run, ageing, 1)
        assert scene.opened("fay", scene.source) or scene.opened("fay"), "whoever has lost the one has the other"
    assert slow.count == 1
    assert run.ended_at is not None and set(scene.outcome(run).values()) == {"moved"}


def test_about_whom_it_always_takes_too_long_fails_with_a_sentence_and_alone(scene: Scene, ageing: Clock) -> None:
    run = read_back(scene, "ada", "ben", "cleo")
    Hidden(scene.source, ("ada",), 1000)
    slow = Slow(scene.source, ageing, is_by_id, 70)
    work(run, ageing)
    assert run.ended_at is not None and scene.outcome(run) == {"ada": "failed", "ben": "moved", "cleo": "moved"}
    assert slow.count <= 6
    ada = move_of(run, "ada")
    assert ada.retryable and "Old took so long to answer that what New had told no longer counted." in ada.detail
    assert scene.opened("ada", scene.source) == {"Films"}


def test_a_source_that_takes_a_minute_over_everything_ends_the_run_too(scene: Scene, ageing: Clock) -> None:
    people = ("ada", "ben", "cleo")
    run = read_back(scene, *people)
    later(hours=1)
    Slow(scene.source, ageing, lambda call: True, 61)
    Slow(scene.target, ageing, is_list, 61)
    work(run, ageing, 60)
    assert run.ended_at is not None and scene.outcome(run) == dict.fromkeys(people, "failed")
    assert all("took so long to answer" in move.detail and move.status is MoveStatus.FAILED for move in run.moves)


def test_those_about_whom_it_takes_a_while_are_asked_for_one_after_another(scene: Scene, ageing: Clock) -> None:
    people = ("ada", "ben", "cleo")
    run = read_back(scene, *people)
    later(hours=1)
    Hidden(scene.source, people, 1000)
    Slow(scene.source, ageing, is_by_id, 40)
    work(run, ageing)
    assert run.ended_at is not None and scene.outcome(run) == dict.fromkeys(people, "moved")
    assert not any(move.attempts for move in run.moves)


@pytest.mark.parametrize("seconds", [0, 300])
def test_a_restriction_set_on_a_share_during_the_look_is_not_lifted_by_an_undo(scene: Scene, ageing: Clock, seconds: float) -> None:
    back = taking_back(scene, allowSync=False)
    later(hours=1)

    def forbid() -> None:
        scene.target.sim.share_of("ada@example.test").relation.settings["filterMovies"] = "contentRating=PG"

    slow = Slow(scene.source, ageing, is_list, seconds, times=1, also=forbid)
    work(back, ageing)
    assert slow.count == 1 and scene.outcome(back) == {"ada": "moved"}
    share = scene.target.sim.share_of("ada@example.test")
    assert share.relation.settings["filterMovies"] == "contentRating=PG" and scene.opened("ada") == {"Films", "Home videos"}


def test_an_undo_ends_where_plex_takes_longer_to_list_than_a_look_lasts(scene: Scene, ageing: Clock) -> None:
    back = taking_back(scene)

    def slowly(call: Any, moment: str) -> None:
        if moment == "after" and call.method == "GET":
            ageing.ahead += timedelta(seconds=400)

    scene.tv.on_call = slowly
    work(back, ageing, 60)
    assert back.ended_at is not None and scene.outcome(back) == {"ada": "failed"}
    assert "took so long to answer" in back.moves[0].detail


def test_nobody_is_removed_who_lost_the_target_while_the_turn_was_waited_for(
    scene: Scene, ageing: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_back(scene, "ada", source="plex")
    had = scene.opened("ada", scene.source)
    sim, waits = scene.target.sim, [700.0]
    one_pass = sys.modules["panel.services.run.one_pass"]
    turns = one_pass.wait_for_turn

    def waited_for(*turn: Any) -> float:
        if waits:
            ageing.ahead += timedelta(seconds=waits.pop())
            del sim.users[sim.user("ada").id]
        return turns(*turn)

    monkeypatch.setattr(one_pass, "wait_for_turn", waited_for)
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert had and scene.opened("ada", scene.source) == had and not move_of(run, "ada").attempts
    work(run, ageing)
    assert scene.outcome(run) == {"ada": "moved"} and scene.opened("ada") and not scene.opened("ada", scene.source)


def test_a_list_that_fails_before_each_look_and_is_slow_after_it_ends_the_run(scene: Scene, ageing: Clock) -> None:
    run = read_back(scene, "ada", "ben")
    later(hours=1)
    lists: list[str] = []

    def by_turns(call: Any, moment: str) -> None:
        if moment == "before" and is_list(call):
            lists.append(call.path)
            if len(lists) % 2:
                scene.source.sim.faults.append(Fault(status=500))
        elif is_list(call) and len(lists) % 2 == 0:
            ageing.ahead += timedelta(seconds=61)

    scene.source.sim.on_call = by_turns
    work(run, ageing, 60)
    assert run.ended_at is not None
