"""A sync brings the libraries in step with a server, and keeps the group each of them was given."""

from __future__ import annotations

from typing import Any

from panel.models import Library, LibraryGroup
from panel.services import estate
from tests.services.syncing import known, libraries, server, sync
from tests.world import World

__all__ = ["known"]


def test_finds_libraries_and_meets_those_the_file_names(db: Any, known: World) -> None:
    result = sync(db, "Den")
    found = libraries(db, "Den")
    assert result.libraries_found == len(found) == 4
    assert {row.remote_id for row in found.values()} == {str(section.id) for section in known.den.sections}
    assert found["Movies 4K"].group is not None
    assert found["Movies 4K"].group.name == "Premium 4K"


def test_meets_a_library_of_the_file_by_its_name_in_any_case(db: Any, known: World) -> None:
    row = libraries(db, "Birch")["Films"]
    row.name = "FILMS"
    db.session.commit()
    sync(db, "Birch")
    assert libraries(db, "Birch")["Films"].id == row.id


def test_keeps_the_row_and_group_of_a_renamed_library(db: Any, known: World) -> None:
    sync(db, "Den")
    before = libraries(db, "Den")["Movies"]
    known.den.sections[0].title = "Cinema"
    sync(db, "Den")
    after = libraries(db, "Den")["Cinema"]
    assert (after.id, after.group_id) == (before.id, before.group_id)


def test_gives_a_found_library_the_group_the_file_gave_its_new_name(db: Any, known: World) -> None:
    sync(db, "Den")
    before = libraries(db, "Den")["Movies"].id
    kids = LibraryGroup(name="Kids")
    db.session.add(kids)
    db.session.flush()
    db.session.add(Library(server_id=server(db, "Den").id, name="Cinema", group_id=kids.id))
    db.session.commit()
    known.den.sections[0].title = "Cinema"
    sync(db, "Den")
    assert (libraries(db, "Den")["Cinema"].id, libraries(db, "Den")["Cinema"].group_id) == (before, kids.id)
    assert len(libraries(db, "Den")) == 4


def test_marks_a_vanished_library_and_takes_it_back_when_it_returns(db: Any, known: World) -> None:
    sync(db, "Birch")
    films = known.birch.libraries.pop(0)
    sync(db, "Birch")
    gone = libraries(db, "Birch")["Films"]
    assert gone.missing_since is not None
    assert not gone.is_there
    known.birch.libraries.insert(0, films)
    sync(db, "Birch")
    assert libraries(db, "Birch")["Films"].is_there
    assert libraries(db, "Birch")["Films"].group_id == gone.group_id


def test_keeps_a_library_that_no_server_has_yet(db: Any, known: World) -> None:
    estate.apply(estate.load("libraries: [{server: Den, name: Later, group: Standard}]\n", {}))
    db.session.commit()
    sync(db, "Den")
    assert (libraries(db, "Den")["Later"].remote_id, libraries(db, "Den")["Later"].missing_since) == ("", None)
