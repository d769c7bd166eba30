"""A dead worker's request that arrives late, after the next worker has looked who is there: the account it makes is still known as ours."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from panel.config import Config
from panel.extensions import db
from panel.models import Migration, Move, Pacemaker
from panel.models.types import utc_now
from panel.platforms.base import NameTaken
from panel.services import run as running
from panel.simulators.http import Call, Fault
from tests.run.one_worker import OneWorker
from tests.scene import Scene

PEOPLE = ("ada", "ben")
PATIENCE_S = 30.0


class Post:
    """Holds the creating requests of the first worker on their way, and lets them arrive between the second one's look and its own."""

    def __init__(self) -> None:
        self.late: list[Call] = []
        self.landed: list[Call] = []
        self.killed = False
        self.listed = False
        self.changed = threading.Condition()

    def on_call(self, call: Call, moment: str) -> None:
        """Hooked into the target."""
        creates = call.method == "POST" and call.path.endswith("/Users/New")
        with self.changed:
            if creates and moment == "before" and not self.killed:
                self.late.append(call)
                self.changed.notify_all()
                self.until(lambda: self.listed)
            elif creates and moment == "before":
                self.until(lambda: len(self.landed) == len(self.late))
            elif creates and any(call is late for late in self.late):
                self.landed.append(call)
            elif moment == "after" and call.method == "GET" and call.path.endswith("/Users") and self.killed:
                self.listed = True
            self.changed.notify_all()

    def until(self, happened: object) -> None:
        """Wait, with the lock given up meanwhile."""
        assert callable(happened)
        assert self.changed.wait_for(happened, PATIENCE_S), "it never happened"


def killed_with_requests_on_their_way(scene: Scene, config: Config, source: str, target: str) -> tuple[Migration, Post]:
    """A run whose worker died when it had written down and sent off its first accounts, none of which has arrived."""
    scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    for name in PEOPLE:
        scene.person(name)
    run, post = scene.start(), Post()
    scene.target.sim.on_call = post.on_call
    first = OneWorker(config, run)
    with post.changed:
        post.until(lambda: len(post.late) == len(PEOPLE))
    first.kill()
    post.killed = True
    assert [account.name for account in scene.target.sim.users.values()] == ["admin"], "nothing has arrived yet"
    return run, post


@pytest.mark.parametrize(("source", "target"), [("jellyfin", "emby"), pytest.param("emby", "jellyfin", marks=pytest.mark.thorough)])
def test_an_account_made_late_by_a_dead_worker_is_closed_at_once_and_moved(
    app: Flask, config: Config, scene: Scene, source: str, target: str
) -> None:
    run, post = killed_with_requests_on_their_way(scene, config, source, target)
    assert OneWorker(config, run).wait() == 0
    db.session.expire_all()
    sim = scene.target.sim
    assert len(post.landed) == len(PEOPLE), "all of them arrived, after the look"
    assert [entry.status for entry in sim.calls("POST", "/Users/New$")].count(400) == len(PEOPLE), "the second worker's came too late"
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert len(sim.users) == 1 + len(PEOPLE), "the administrator and one account each"
    for name in PEOPLE:
        assert scene.opened(name) == {"Films", "Shows"}
        assert scene.opened(name, scene.source) is None
        assert not sim.can_sign_in(name, "")
    assert not [moment for moment in sim.exposed_moments() if moment[1] > 1], "the next change to each account closed it"


@pytest.mark.thorough
def test_nobody_else_is_begun_before_such_an_account_is_closed(app: Flask, config: Config, scene: Scene) -> None:
    run, _ = killed_with_requests_on_their_way(scene, config, "jellyfin", "emby")
    late = scene.person("cleo")
    db.session.add(
        Move(migration_id=run.id, user_id=late.id, position=9, name="cleo", account_name="cleo", libraries=list(run.moves[0].libraries))
    )
    db.session.commit()
    assert OneWorker(config, run).wait() == 0
    db.session.expire_all()
    sent = [(entry.call.path.rpartition("/")[2], entry.call.body) for entry in scene.target.sim.calls("POST")]
    closed = [number for number, (what, _) in enumerate(sent) if what == "Password"][: len(PEOPLE)]
    begun = next(number for number, (what, body) in enumerate(sent) if what == "New" and b"cleo" in body)
    assert max(closed) < begun
    assert scene.outcome(run) == dict.fromkeys((*PEOPLE, "cleo"), "moved")


def in_doubt(scene: Scene, *, intended: bool) -> Migration:
    """A prepared run whose only user was left behind by a worker that died, with or without the intent written down."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    scene.person("ada")
    run = scene.start()
    give = sys.modules["panel.services.run"].give
    try:
        sys.modules["panel.services.run"].give = lambda *args: False  # type: ignore[attr-defined]
        scene.finish(run)
    finally:
        sys.modules["panel.services.run"].give = give  # type: ignore[attr-defined]
    (move,) = run.moves
    move.claim, move.created_account = run.epoch, intended
    db.session.commit()
    return run


def appears_after_the_look(scene: Scene) -> None:
    """Somebody makes an account of the same name between the look and our request."""
    sim = scene.target.sim

    def squat(call: Call, moment: str) -> None:
        if moment == "before" and call.path.endswith("/Users/New") and sim.user("ada") is None:
            sim.add_user("ada", "her own secret", libraries=["Home videos"])

    sim.on_call = squat


def test_a_name_taken_at_the_first_attempt_is_somebody_elses(app: Flask, scene: Scene) -> None:
    run = in_doubt(scene, intended=False)
    appears_after_the_look(scene)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "skipped"}
    assert scene.target.sim.can_sign_in("ada", "her own secret")
    assert scene.target.sim.visible(scene.target.sim.user("ada")) == {"Home videos"}
    assert scene.opened("ada", scene.source) == {"Films"}


def test_an_administrator_of_that_name_is_never_taken_over(app: Flask, scene: Scene) -> None:
    run = in_doubt(scene, intended=True)
    sim = scene.target.sim
    appears_after_the_look(scene)
    grab = sim.on_call

    def as_administrator(call: Call, moment: str) -> None:
        grab(call, moment)
        if sim.user("ada") is not None:
            sim.user("ada").policy["IsAdministrator"] = True

    sim.on_call = as_administrator
    scene.finish(run)
    assert scene.outcome(run)["ada"] != "moved"
    assert sim.can_sign_in("ada", "her own secret")
    assert scene.opened("ada", scene.source) == {"Films"}


def test_looking_again_ends_when_the_account_is_never_in_the_list(
    app: Flask, config: Config, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = in_doubt(scene, intended=True)
    tried = []

    def taken(self: object, person: object, access: object) -> None:
        tried.append(person)
        raise NameTaken("Somebody has this name.")

    monkeypatch.setattr("panel.platforms.emby.EmbyRemote._create", taken)
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "skipped"}
    assert len(tried) == 1 + len(config.retry_waits_s)
    assert not any(move.claim or move.created_account for move in run.moves)


class ByName(Fault):
    """Strikes the creation of one name only."""

    name = ""

    def strikes(self, call: Call) -> bool:
        return call.path.endswith("/Users/New") and self.name.encode() in call.body and super().strikes(call)


def test_an_account_made_late_is_closed_before_a_long_wait_for_the_server(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request for ada is lost and arrives just before the second; at that moment the server asks to slow down because of ben."""
    scene.add_server("jellyfin", "Old")
    scene.plan("Basic")
    scene.add_server("emby", "New")
    for name in PEOPLE:
        scene.person(name)
    run, sim = scene.start(), scene.target.sim
    second, told_to_wait = threading.Event(), threading.Event()
    giving = sys.modules["panel.services.run.give"].Giving
    halt = giving._halt

    def halted(self: object, error: object) -> None:
        halt(self, error)
        told_to_wait.set()

    def late(call: Call, moment: str) -> None:
        if not call.path.endswith("/Users/New") or moment != "before":
            return
        if b"ben" in call.body:
            assert second.wait(PATIENCE_S)
        elif lost.seen and not second.is_set():
            sim.new_account("ada")
            second.set()
            assert told_to_wait.wait(PATIENCE_S)

    lost, slow = ByName("POST", drop=True), ByName("POST", status=429, headers={"Retry-After": "3000"})
    lost.name, slow.name = PEOPLE
    sim.faults += [lost, slow]
    sim.on_call = late
    monkeypatch.setattr(giving, "_halt", halted)
    left = running.work(run.id)
    assert left.wake_at is not None and left.wake_at > utc_now() + timedelta(minutes=10)
    assert second.is_set() and [entry.status for entry in sim.calls("POST", "/Users/New$")].count(400) == 1, "the trap was set"
    assert not sim.can_sign_in("ada", "") and sim.user("ada").policy["IsDisabled"]
    db.session.expire_all()
    assert not [move.name for move in run.moves if move.claim is not None]
    run.wake_at = None
    db.session.execute(update(Pacemaker).values(cool_until=None))
    db.session.commit()
    scene.finish(run)
    assert scene.outcome(run) == dict.fromkeys(PEOPLE, "moved")
    assert len(sim.users) == 1 + len(PEOPLE)
