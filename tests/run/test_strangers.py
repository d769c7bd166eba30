"""Somebody else with the same name, on either family of platforms: never adopted, never edited, and nobody loses access because of them."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from flask import Flask

from panel.extensions import db
from panel.services import run as running
from panel.services.run.accept import check_invites
from panel.simulators.http import Fault
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
