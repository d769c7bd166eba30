"""M5: the library groups that the plans in use need are offered by both servers or by neither."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.extensions import db
from tests.mission.stage import cli, codes, document, set_up
from tests.scene import Scene

WITHOUT_4K = ("Films", "Shows")


def set_up_4k(scene: Scene, source: tuple[str, ...], target: tuple[str, ...]) -> None:
    """A plan *Gold* with the group Premium 4K in use, and servers with these libraries."""
    scene.add_server("jellyfin", "Old", libraries=source)
    scene.plan("Basic")
    scene.plan("Gold", ("Standard", "Premium 4K"))
    scene.add_server("emby", "New", libraries=target)
    scene.person("ada", plan="Gold")
    scene.person("ben")


# M5
@pytest.mark.parametrize(
    ("source", "target", "lacking"),
    [((*WITHOUT_4K, "Films 4K"), WITHOUT_4K, "New"), (WITHOUT_4K, (*WITHOUT_4K, "Films 4K"), "Old")],
    ids=["target lacks it", "source lacks it"],
)
def test_a_group_that_only_one_server_offers_blocks_and_the_message_names_plan_group_and_server(
    app: Flask, scene: Scene, source: tuple[str, ...], target: tuple[str, ...], lacking: str
) -> None:
    set_up_4k(scene, source, target)
    result = cli(app, "preflight", "Old", "New", "--json")
    (blocker,) = document(result)["blockers"]
    assert blocker["code"] == "missing_library_group"
    assert "“Gold”" in blocker["message"]
    assert "“Premium 4K”" in blocker["message"]
    assert f"{lacking} has no library in it" in blocker["message"]


# M5
@pytest.mark.parametrize("libraries", [WITHOUT_4K, (*WITHOUT_4K, "Films 4K")], ids=["neither", "both"])
def test_a_group_that_both_or_neither_offer_is_no_obstacle(scene: Scene, libraries: tuple[str, ...]) -> None:
    set_up_4k(scene, libraries, libraries)
    assert codes(scene.preflight()) == []
    run = scene.move()
    assert scene.outcome(run) == {"ada": "moved", "ben": "moved"}
    assert scene.opened("ada") == set(libraries)
    assert scene.opened("ben") == set(WITHOUT_4K)


# M5
@pytest.mark.parametrize("days", [(-60, -30), (30, 60)], ids=["expired", "not begun"])
def test_a_plan_that_nobody_on_the_source_is_on_now_does_not_matter(scene: Scene, days: tuple[int, int]) -> None:
    set_up(scene, "jellyfin", "emby")
    scene.plan("Gold", ("Standard", "Premium 4K"))
    scene.person("dora", plan="Gold", days=days)
    for library in scene.target.row.libraries:
        if library.name == "Films 4K":
            library.group_id = None
    db.session.commit()
    assert codes(scene.preflight()) == []


# M5
def test_a_group_counts_only_while_its_library_is_there_and_each_missing_one_is_named(scene: Scene) -> None:
    set_up_4k(scene, (*WITHOUT_4K, "Films 4K"), (*WITHOUT_4K, "Films 4K"))
    scene.plan("Kids", ("Cartoons",))
    scene.person("cleo", plan="Kids")
    films = next(library for library in scene.source.row.libraries if library.name == "Shows")
    films.group = scene.group("Cartoons")
    scene.target.sim.libraries = [library for library in scene.target.sim.libraries if library.name != "Films 4K"]
    db.session.commit()
    messages = [refusal.message for refusal in scene.preflight().blockers]
    assert len(messages) == 2
    assert "“Gold”" in messages[0] and "“Premium 4K”" in messages[0]
    assert "“Kids”" in messages[1] and "“Cartoons”" in messages[1]
