"""M4: the target must be enabled and take new subscriptions; the source need not."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.extensions import db
from tests.mission.stage import changed_anything, cli, codes, set_up
from tests.scene import Scene


# M4
@pytest.mark.parametrize(
    ("switches", "code", "remedy"),
    [
        ({"enabled": False}, "target_disabled", "“Enabled”"),
        ({"allow_new_subscriptions": False}, "target_closed", "“Allow new subscriptions”"),
    ],
)
def test_a_target_that_is_off_or_closed_is_refused_with_the_switch_to_turn(
    app: Flask, scene: Scene, switches: dict[str, bool], code: str, remedy: str
) -> None:
    set_up(scene, "jellyfin", "emby")
    for column, value in switches.items():
        setattr(scene.target.row, column, value)
    assert codes(scene.preflight()) == [code]
    result = cli(app, "migrate-users", "Old", "New", "--wait")
    assert result.exit_code == 1
    assert remedy in result.stderr and "New" in result.stderr
    assert changed_anything(scene) == []


# M4
def test_both_switches_off_are_both_named(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.target.row.enabled = scene.target.row.allow_new_subscriptions = False
    db.session.commit()
    assert codes(scene.preflight()) == ["target_disabled", "target_closed"]


# M4
def test_the_switches_of_the_source_do_not_matter(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.source.row.enabled = scene.source.row.allow_new_subscriptions = False
    db.session.commit()
    run = scene.move()
    assert set(scene.outcome(run).values()) == {"moved"}


# M4
def test_a_target_switched_off_after_the_start_gets_nobody(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    run = scene.start()
    scene.target.row.enabled = False
    db.session.commit()
    scene.finish(run)
    assert set(scene.outcome(run).values()) == {"failed"}
    assert "“Enabled”" in run.problem
    assert changed_anything(scene) == []
