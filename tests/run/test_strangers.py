"""Somebody else with the same name, on either family of platforms: never adopted, never edited, and nobody loses access because of them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from panel.extensions import db
from panel.models import Migration, Pacemaker
from panel.models.types import utc_now
from panel.services import run as running
from panel.services.run import steer
from panel.services.run.accept import check_invites
from panel.simulators.http import Call, Fault
from panel.simulators.mediabrowser_accounts import Account
from tests.run.test_faults import set_up, work_off
from tests.scene import Scene


def seen_by(scene: Scene, email: str) -> set[str]:
    """What a Plex user sees on the target."""
    share = scene.target.sim.share_of(email)
    return {section.title for section in scene.target.sim.sections if section.id in share.section_ids}


def test_a_namesake_on_plex_does_not_count_as_the_person_who_was_invited(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("bob")
    run = scene.move()
    scene.tv.withdraw(scene.tv.shares_of(scene.target.sim)[0])
    namesake = scene.tv.add_account("Bob", "another.bob@example.test")
    scene.tv.share(scene.target.sim, namesake, ["Films", "Shows"])
    check_invites(scene.target.row)
    assert scene.outcome(run) == {"bob": "failed"}, "his own invite is gone: the namesake's share is no answer to it"
    assert scene.opened("bob", scene.source) == {"Films"}


def test_a_lost_answer_does_not_lead_to_a_namesakes_share(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.add_server("plex", "New")
    scene.person("bob")
    namesake = scene.tv.add_account("Bob", "another.bob@example.test")
    scene.tv.share(scene.target.sim, namesake, ["Home videos"])
    run = scene.start()
    scene.tv.faults.append(Fault("POST", "/api/v2/shared_servers$", status=500))
    work_off(scene, run)
    assert seen_by(scene, "another.bob@example.test") == {"Home videos"}
    assert scene.outcome(run) == {"bob": "invited"}


def test_an_account_made_by_hand_while_the_server_was_away_is_left_alone(app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], outage_waits_s=(30.0, 30.0))
    set_up(scene, "jellyfin", "jellyfin")
    run = scene.start()
    sim, giving = scene.target.sim, sys.modules["panel.services.run.give"].Giving
    perform = giving.perform

    def after_the_server_left(self: object, gift: object) -> object:
        sim.stop()
        return perform(self, gift)

    monkeypatch.setattr(giving, "perform", after_the_server_left)
    running.work(run.id)
    monkeypatch.setattr(giving, "perform", perform)
    sim.start()
    sim.add_user("ada", "her own secret", libraries=["Films"])
    db.session.expire_all()
    run.wake_at = None
    db.session.commit()
    work_off(scene, run)
    assert sim.can_sign_in("ada", "her own secret")
    assert scene.outcome(run)["ada"] != "moved" and scene.opened("ada", scene.source) == {"Films"}


def one_to_move(scene: Scene, source: str = "jellyfin", target: str = "emby") -> Migration:
    """A run for ada alone, begun."""
    scene.add_server(source, "Old")
    scene.plan("Basic")
    scene.add_server(target, "New")
    scene.person("ada")
    return scene.start()


def is_left_alone(scene: Scene, run: Migration, stranger: Account) -> None:
    """The account of that name is as its owner made it, nobody's move ended on it, and ada has what she had."""
    assert stranger.password == "the stranger's own" and not stranger.policy["IsDisabled"] and stranger.policy["EnableAllFolders"]
    assert scene.outcome(run) == {"ada": "skipped"} and run.moves[0].target_account_id != stranger.id
    assert scene.opened("ada", scene.source) == {"Films"}


@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_nothing_counts_as_ours_where_the_target_was_away_before_anything_was_sent(scene: Scene, target: str) -> None:
    run = one_to_move(scene, "emby" if target == "jellyfin" else "jellyfin", target)
    running.work(run.id, slice_s=0)
    sim = scene.target.sim
    sim.stop()
    running.work(run.id, slice_s=0)
    db.session.expire_all()
    assert run.prepared_at is not None and run.outages and not sim.calls("POST"), "the trap is set"
    assert not run.moves[0].created_account
    sim.start()
    stranger = sim.add_user("ada", "the stranger's own", libraries="all")
    is_left_alone(scene, work_off(scene, run), stranger)


@pytest.mark.parametrize("fault", [{"status": 500}, {"drop": True}, {"html": True}], ids=str)
@pytest.mark.parametrize("target", ["emby", "jellyfin"])
def test_a_name_that_was_taken_is_not_ours_where_the_list_after_the_refusal_fails(scene: Scene, target: str, fault: Any) -> None:
    run = one_to_move(scene, "emby" if target == "jellyfin" else "jellyfin", target)
    sim, made = scene.target.sim, []

    def by_hand(call: Call, moment: str) -> None:
        if call.path.endswith("/Users/New") and moment == "before" and not made:
            made.append(sim.add_user("ada", "the stranger's own", libraries="all"))
            sim.faults.append(Fault("GET", "/Users$", **fault))

    sim.on_call = by_hand
    is_left_alone(scene, work_off(scene, run), made[0])


def test_an_account_made_by_hand_after_a_refusal_is_not_closed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["panel.services.run.secure"], "LOOK_AGAIN_S", 0.0)
    run = one_to_move(scene)
    sim = scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New", status=400, body="The maximum number of users of this license has been reached."))
    scene.finish(run)
    assert scene.outcome(run) == {"ada": "failed"} and "maximum number" in run.moves[0].detail
    by_hand = sim.add_user("ada", "the stranger's own", libraries="all")
    assert run.id not in running.due(), "nothing can stand open"
    running.work(run.id)
    assert by_hand.password == "the stranger's own" and not by_hand.policy["IsDisabled"]


def look_twice(run: Migration) -> None:
    """What may stand open is looked for until it is not any more."""
    deadline = time.monotonic() + 60
    looks = 0
    while run.id in running.due() or run.moves[0].created_account:
        running.work(run.id)
        db.session.expire_all()
        looks += 1
        assert time.monotonic() < deadline, "there is no end to it"
    assert looks >= 2


def test_a_paused_run_takes_no_account_for_its_own_once_two_looks_have_found_none(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["panel.services.run.secure"], "LOOK_AGAIN_S", 0.01)
    run = one_to_move(scene)
    sim = scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New", drop=True))
    while not sim.calls("POST", "/Users/New"):
        running.work(run.id, slice_s=0)
    steer.pause(run)
    db.session.commit()
    look_twice(run)
    stranger = sim.add_user("ada", "the stranger's own", libraries="all")
    running.work(run.id)
    steer.resume(run)
    db.session.commit()
    is_left_alone(scene, work_off(scene, run), stranger)


def test_a_run_that_was_asked_to_slow_down_takes_no_account_for_its_own_after_two_looks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["panel.services.run.secure"], "LOOK_AGAIN_S", 0.01)
    run = one_to_move(scene)
    sim = scene.target.sim
    slow = Fault("POST", "/Users/New", status=429, headers={"Retry-After": "3000"})
    sim.faults += [Fault("POST", "/Users/New", drop=True), slow]
    while not slow.seen:
        running.work(run.id)
    db.session.expire_all()
    assert run.wake_at is not None
    look_twice(run)
    stranger = sim.add_user("ada", "the stranger's own", libraries="all")
    running.work(run.id)
    # The time that was asked for is over.
    db.session.execute(update(Pacemaker).values(cool_until=None))
    db.session.commit()
    is_left_alone(scene, work_off(scene, run), stranger)


def test_each_request_whose_answer_is_lost_is_looked_for_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run = one_to_move(scene)
    sim = scene.target.sim
    sim.faults.append(Fault("POST", "/Users/New", drop=True))
    while not sim.calls("POST", "/Users/New"):
        running.work(run.id, slice_s=0)
    # What was looked for after an earlier request, more than a minute ago.
    run.moves[0].secure_after = utc_now() - timedelta(seconds=1)
    db.session.commit()
    sim.faults.append(Fault("POST", "/Users/New", drop=True))
    monkeypatch.setattr("panel.services.run.secure", lambda *args: None)
    while len(sim.calls("POST", "/Users/New")) < 2:
        running.work(run.id, slice_s=0)
    monkeypatch.undo()
    steer.pause(run)
    db.session.commit()
    running.work(run.id)
    db.session.expire_all()
    assert run.moves[0].created_account, "one look does not settle what became of the second request"
    sim.new_account("ada")
    run.moves[0].secure_after = None
    db.session.commit()
    running.work(run.id)
    assert sim.user("ada").policy["IsDisabled"] and not sim.can_sign_in("ada", ""), "it arrived late, and is known as ours"
