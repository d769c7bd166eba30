"""Lists with somebody in them of whom nothing can be read: nobody is taken for somebody else by them, and nobody for gone."""

from __future__ import annotations

import json

import pytest

from panel.extensions import db
from panel.models import PossibleTwin, Server, User
from panel.services.sync import sync_server
from panel.services.sync.progress import is_disbelieved
from panel.services.sync.shares import is_disbelief, why_held
from panel.services.sync.texts import MOST_NAMED
from panel.simulators.http import Call
from tests.run.bending import Bender, of_one
from tests.run.test_unreadable import set_up, shares_on
from tests.scene import Scene


def test_a_namesake_who_cannot_be_read_keeps_a_name_from_deciding(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    for name in ("ben", "eve"):
        scene.person(name)
    db.session.add(User(name="tom", imported=True))
    db.session.commit()
    for name, address in (("tom", "tom@example.test"), ("Tom", "other@example.test")):
        scene.tv.share(scene.source.sim, scene.tv.add_account(name, address), ["Films"], accepted=True)
    with Bender(of_one("tom", "libraries", "null")).around(scene.tv):
        result = sync_server(scene.source.row)
    assert not result.problem and "tom" in result.note
    [tom] = db.session.scalars(db.select(User).where(User.imported)).all()
    assert (tom.plex_id, tom.plex_email) == ("", "")


def only_of_another_server(_call: Call, body: bytes) -> tuple[bytes, str] | None:
    """Half a list: bob is missing, and the row of ada, who is on another server, does not say of which."""
    if not body.startswith(b"["):
        return None
    rows = [row for row in json.loads(body) if not str(row.get("invitedEmail")).startswith("bob@")]
    for row in rows:
        row["machineIdentifier"] = None if str(row.get("invitedEmail")).startswith("ada@") else row["machineIdentifier"]
    return json.dumps(rows).encode(), "half"


def test_a_list_of_one_who_cannot_be_read_ends_nobody_elses_access(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    other = scene.add_server("plex", "Other", owner=scene.source.owner)
    scene.person("bob")
    scene.person("ada", on=other)
    before = shares_on(scene.source)
    assert list(before) == ["bob"]
    with Bender(only_of_another_server).around(scene.tv):
        result = sync_server(scene.source.row)
    assert is_disbelief(result.problem) and is_disbelieved(scene.source.row)
    assert result.problem == (
        "Old listed nobody of whom anything could be read, though 1 had access at the last sync: nobody was removed from the panel. "
        "Look at the server, and sync again when it lists everyone."
    )
    assert shares_on(scene.source) == before


def test_the_only_friend_who_cannot_be_read_makes_no_list_doubtful(scene: Scene) -> None:
    scene.add_server("plex", "Old")
    scene.plan("Basic")
    scene.person("bob")
    before = shares_on(scene.source)
    with Bender(of_one("bob", "libraries", "null")).around(scene.tv):
        result = sync_server(scene.source.row)
    assert not result.problem and "bob" in result.note and "save them" not in result.note
    assert "Look at their access to the server in Plex" in result.note
    assert shares_on(scene.source) == before


@pytest.mark.parametrize("believe", [False, True])
def test_a_row_that_may_be_anybodys_keeps_all_until_the_admin_believes_the_list(scene: Scene, believe: bool) -> None:
    set_up(scene, "emby", "jellyfin")
    for name in ("dan", "eve"):
        scene.person(name)
    side = scene.source
    side.sim.users.pop(side.sim.user("cleo").id)
    side.sim.add_user("stranger", "their own", libraries=["Films"])
    with Bender(of_one("stranger", "Id", "null")).around(side.sim):
        result = sync_server(side.row, believe_short_list=believe)
    assert not result.problem and "stranger" in result.note
    assert ("cleo" in shares_on(side)) is not believe
    held = (
        "The server lists stranger without the id of their access. That may be one of those who seem to be missing, "
        "so nobody was removed from the panel."
    )
    assert is_disbelief(result.note) is not believe and result.note.endswith(f" {held}") is not believe
    assert result.held == ("" if believe else held) and side.row.sync_result.endswith(f". {held}") is not believe
    assert "Open them on the server and save them once." in result.note
    assert is_disbelieved(side.row) is not believe, "the page offers to believe it"


def test_a_row_that_may_be_anybodys_is_no_matter_where_nobody_is_missing(scene: Scene) -> None:
    set_up(scene, "emby", "jellyfin")
    scene.source.sim.add_user("stranger", "their own", libraries=["Films"])
    with Bender(of_one("stranger", "Id", "null")).around(scene.source.sim):
        result = sync_server(scene.source.row)
    assert not is_disbelief(result.note) and not is_disbelieved(scene.source.row)


@pytest.mark.parametrize("path", ["nothing of it", "Policy", "Name"])
def test_somebody_new_is_not_taken_for_one_who_is_listed_too_and_cannot_be_read(scene: Scene, path: str) -> None:
    set_up(scene, "jellyfin", "emby")
    ada = db.session.scalars(db.select(User).where(User.name == "ada")).one()
    ada.name = "Ada Lovelace"
    db.session.commit()
    scene.source.sim.add_user("ada lovelace", "their own", libraries=["Films"])
    with Bender(of_one("ada", path, "null")).around(scene.source.sim):
        result = sync_server(scene.source.row)
    assert not result.problem and ("cannot be read" in result.note) is (path != "nothing of it")
    assert db.session.query(User).filter(User.name == "ada lovelace").count() == 1, "they are somebody new"
    assert db.session.query(PossibleTwin).count() == 0 and "Same person?" not in result.note


def test_each_sentence_that_holds_people_back_is_known_for_one_behind_what_was_found_too() -> None:
    held = why_held([f"stranger {number}" for number in range(MOST_NAMED + 1)])
    assert held.startswith("The server lists stranger 0, stranger 1, stranger 2, stranger 3, stranger 4 and others without the id")
    assert is_disbelieved(Server(sync_result=f"2 libraries, 3 people. {held}"))
    assert not is_disbelieved(Server(sync_result="2 libraries, 3 people, 2 shares ended."))
