"""M3: both servers are added, synchronised and grouped before a run may start."""

from __future__ import annotations

import pytest
from flask import Flask

from panel.extensions import db
from panel.models import Library, Migration, Server
from panel.models.types import utc_now
from panel.services.run.start import Blocked, start
from panel.services.sync import sync_server
from tests.mission.stage import PEOPLE, cli, codes, set_up
from tests.scene import Scene


# M3
@pytest.mark.parametrize(("source", "target"), [("Old", "Nowhere"), ("Nowhere", "New")])
def test_a_server_that_was_not_added_is_refused_by_name(app: Flask, scene: Scene, source: str, target: str) -> None:
    set_up(scene, "jellyfin", "emby")
    result = cli(app, "migrate-users", source, target)
    assert result.exit_code == 1
    assert "no server named “Nowhere”" in result.stderr and "New, Old" in result.stderr
    assert db.session.query(Migration).count() == 0


# M3
@pytest.mark.parametrize("side", [0, 1], ids=["source", "target"])
@pytest.mark.parametrize("lack", ["not synchronised", "not grouped", "all gone", "private only"])
def test_a_server_without_synchronised_libraries_in_groups_blocks_and_is_named(scene: Scene, side: int, lack: str) -> None:
    set_up(scene, "jellyfin", "emby")
    row = scene.sides[side].row
    for library in row.libraries:
        if lack == "not synchronised":
            library.remote_id = ""
        elif lack == "not grouped":
            library.group_id = None
        elif lack == "all gone":
            library.missing_since = utc_now()
        elif library.name != "Home videos":
            library.group_id = None
    db.session.commit()
    flight = scene.preflight()
    assert codes(flight) == ["no_libraries_in_groups"]
    assert row.name in flight.blockers[0].message and "Sync" in flight.blockers[0].message
    with pytest.raises(Blocked):
        start(flight)


# M3
def test_a_sync_and_groups_are_all_that_a_new_server_needs(scene: Scene) -> None:
    set_up(scene, "jellyfin", "emby")
    new = scene.target.row
    db.session.query(Library).filter(Library.server_id == new.id).delete()
    db.session.commit()
    db.session.expire_all()
    assert codes(scene.preflight()) == ["no_libraries_in_groups"]
    assert sync_server(new).problem == ""
    assert codes(scene.preflight()) == ["no_libraries_in_groups"], "found, but in no group yet"
    films = db.session.scalar(db.select(Library).join(Server).where(Server.id == new.id, Library.name == "Films"))
    assert films is not None
    films.group = scene.group("Standard")
    db.session.commit()
    assert codes(scene.preflight()) == []
    run = scene.move()
    assert {name: scene.outcome(run)[name] for name in PEOPLE} == dict.fromkeys(PEOPLE, "moved")
    assert scene.opened("ada") == {"Films"}, "what is in no group is opened to nobody"
