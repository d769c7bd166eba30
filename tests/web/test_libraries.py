"""Libraries and their groups: the list, choosing one by one and in bulk, suggestions, groups themselves."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from panel.extensions import db
from panel.models import AuditEntry, Library, LibraryGroup, Server
from panel.models.types import utc_now
from panel.services import basics
from panel.services import libraries as service
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import fields


@pytest.fixture
def scene_with_groups(pair: Scene) -> Scene:
    """Cedar with its four libraries in groups, Birch with its four in none."""
    basics.ensure_basics()
    for library in pair.target.row.libraries:
        library.group = None
    db.session.commit()
    return pair


def library(name: str, server: str = "Birch") -> Library:
    """A stored library."""
    return db.session.scalars(
        db.select(Library).join(Server, Server.id == Library.server_id).where(Library.name == name, Server.name == server)
    ).one()


def group(name: str) -> LibraryGroup:
    """A stored group."""
    return db.session.scalars(db.select(LibraryGroup).where(LibraryGroup.name == name)).one()


def actions() -> list[str]:
    """What was written down."""
    return list(db.session.scalars(db.select(AuditEntry.action)))


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "No libraries yet" in ada.get("/libraries").text


def test_lists_libraries_by_server_and_narrows_them(ada: FlaskClient, scene_with_groups: Scene) -> None:
    def shown(query: str) -> int:
        return ada.get(f"/libraries{query}", headers=by_htmx("libraries")).text.count("<tr id=")

    birch, standard = scene_with_groups.target.row.id, group("Standard").id
    assert shown("") == 8
    assert shown(f"?server={birch}") == 4
    assert shown("?group=none") == 4
    assert shown(f"?group={standard}") == 2
    assert shown("?q=4k") == 2
    assert shown(f"?q=films&server={birch}&group=none") == 2
    assert "No libraries match" in ada.get("/libraries?q=%25").text
    assert "<!doctype html>" in ada.get("/libraries?sort=-group&page=99").text


def test_marks_what_is_missing_and_what_was_never_found(ada: FlaskClient, scene_with_groups: Scene) -> None:
    library("Films").missing_since = utc_now()
    library("Shows").remote_id = ""
    db.session.commit()
    text = ada.get("/libraries").text
    assert "Missing on the server since" in text and "no sync has found it yet" in text


def test_puts_one_library_into_a_group_without_javascript(ada: FlaskClient, scene_with_groups: Scene) -> None:
    address = f"/libraries/{library('Films').id}/group"
    answer = ada.post(address, data={"group": group("Premium 4K").id}, follow_redirects=True)
    assert "Films is in Premium 4K now." in answer.text
    assert library("Films").group_id == group("Premium 4K").id
    ada.post(address, data={"group": "none"})
    assert library("Films").group_id is None
    assert actions() == ["libraries.grouped"] * 2


def test_answers_htmx_with_the_row_alone(ada: FlaskClient, scene_with_groups: Scene) -> None:
    row = f"library-{library('Films').id}"
    answer = ada.post(f"/libraries/{library('Films').id}/group", data={"group": group("Standard").id}, headers=by_htmx(row))
    assert answer.text.strip().startswith(f'<tr id="{row}">') and answer.text.strip().endswith("</tr>")
    assert "selected>Standard" in answer.text and "Suggested" not in answer.text


def test_refuses_a_group_that_is_gone(ada: FlaskClient, scene_with_groups: Scene) -> None:
    answer = ada.post(f"/libraries/{library('Films').id}/group", data={"group": "999"})
    assert answer.status_code == 400 and "This group is gone" in answer.text


def test_puts_many_into_a_group_and_comes_back_to_the_same_list(ada: FlaskClient, scene_with_groups: Scene) -> None:
    ids = [library("Films").id, library("Shows").id]
    answer = ada.post("/libraries/groups", data={"library": ids, "group": group("Standard").id, "next": "/libraries?group=none"})
    assert answer.headers["Location"] == "/libraries?group=none"
    assert library("Films").group_id == library("Shows").group_id == group("Standard").id
    assert library("Films 4K").group_id is None
    assert "Select the libraries first" in ada.post("/libraries/groups", data={"group": "none"}, follow_redirects=True).text
    elsewhere = ada.post("/libraries/groups", data={"library": ids, "group": group("Standard").id, "next": "//evil.test"})
    assert "evil" not in elsewhere.headers["Location"]


def test_puts_all_that_match_into_a_group_after_asking(ada: FlaskClient, scene_with_groups: Scene) -> None:
    place = "/libraries?q=Films&server=2&group=none"
    assert "Apply to all 2…" in ada.get(place).text
    typed = {"all": "1", "q": "Films", "server": "2", "in": "none", "group": group("Standard").id, "next": place}
    asked = ada.post("/libraries/groups", data=typed).text
    assert "Put 2 libraries into Standard?" in asked and library("Films").group_id is None
    assert ada.post("/libraries/groups", data=fields(asked)).headers["Location"] == place
    assert library("Films").group_id == library("Films 4K").group_id == group("Standard").id
    assert library("Shows").group_id is None
    assert "no such library" in ada.post("/libraries/groups", data=fields(asked), follow_redirects=True).text


def test_takes_many_out_of_their_groups_only_after_saying_what_plans_lose(ada: FlaskClient, scene_with_groups: Scene) -> None:
    ids = [library(name, "Cedar").id for name in ("Films", "Shows")]
    before = [library(name, "Cedar").group_id for name in ("Films", "Shows")]
    assert '<option value="">Choose…</option>' in ada.get("/libraries").text
    unsaid = ada.post("/libraries/groups", data={"library": ids, "group": ""})
    assert unsaid.status_code == 422 and "Put 2 libraries into which group?" in unsaid.text
    asked = ada.post("/libraries/groups", data={"library": ids, "group": "none"}).text
    assert "Take 2 libraries out of their groups?" in asked and "What these plans include gets smaller by this: Basic" in asked
    assert [library(name, "Cedar").group_id for name in ("Films", "Shows")] == before
    data = {**fields(asked), "library": ids}
    assert "2 libraries taken out of their groups." in ada.post("/libraries/groups", data=data, follow_redirects=True).text
    assert library("Films", "Cedar").group_id is None and library("Shows", "Cedar").group_id is None
    again = ada.post("/libraries/groups", data={"library": ids, "group": "none"}, follow_redirects=True)
    assert "None of the 2 libraries chosen changes: they are in no group." in again.text


def test_says_of_those_chosen_how_many_change_and_how_many_do_not(ada: FlaskClient, scene_with_groups: Scene) -> None:
    ids = [library("Films").id, library("Films", "Cedar").id, library("Shows", "Cedar").id]
    out = ada.post("/libraries/groups", data={"library": ids, "group": "none"}).text
    assert "Take 2 of 3 libraries out of their groups?" in out
    assert "2 of the 3 libraries chosen change; 1 is in no group." in out
    typed = {"library": ids, "group": group("Standard").id}
    assert (
        "1 of 3 libraries moved to Standard; 2 are there already." in ada.post("/libraries/groups", data=typed, follow_redirects=True).text
    )
    asked = ada.post("/libraries/groups", data={"all": "1", "q": "Films", "group": group("Standard").id}).text
    assert "Put 2 of 4 libraries into Standard?" in asked
    assert "2 of the 4 libraries chosen change; 2 are there already." in asked


def test_waits_with_saving_a_group_until_the_arrow_keys_rest(ada: FlaskClient, scene_with_groups: Scene) -> None:
    row = ada.get("/libraries").text
    assert 'hx-trigger="change delay:600ms, submit" hx-sync="this:replace"' in row


def test_suggests_groups_and_applies_all_of_them(ada: FlaskClient, scene_with_groups: Scene) -> None:
    text = ada.get("/libraries").text
    assert "Suggested: Standard" in text and "Suggested: Premium 4K" in text and "Suggested: Private" in text
    asked = ada.get("/libraries/suggestions", headers=by_htmx("dialog")).text
    assert "2 into <bdi>Standard" in asked and "data-leave>Cancel</a>" in asked
    named = re.findall(r'<li><bdi>([^<]+)</bdi> <span class="text-body-secondary">on <bdi>([^<]+)</bdi>', asked)
    assert named == [("Films 4K", "Birch"), ("Home videos", "Birch"), ("Films", "Birch"), ("Shows", "Birch")]
    done = ada.post("/libraries/suggestions", data=fields(asked), follow_redirects=True).text
    assert "4 libraries put into the suggested groups" in done
    assert {name: library(name).group_id for name in ("Films", "Films 4K", "Home videos")} == {
        "Films": group("Standard").id,
        "Films 4K": group("Premium 4K").id,
        "Home videos": group("Private").id,
    }
    assert "Every library is in a group" in ada.get("/libraries/suggestions").text
    assert actions() == ["libraries.grouped"]


def test_asks_again_when_other_libraries_are_suggested_by_now(ada: FlaskClient, scene_with_groups: Scene) -> None:
    asked = fields(ada.get("/libraries/suggestions").text)
    ada.post(f"/libraries/{library('Films').id}/group", data={"group": group("Private").id})
    answer = ada.post("/libraries/suggestions", data=asked)
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert library("Shows").group_id is None and library("Films").group_id == group("Private").id
    assert ada.post("/libraries/suggestions", data=fields(answer.text)).status_code == 303
    assert library("Shows").group_id == group("Standard").id


def test_says_that_a_migration_under_way_does_not_follow(ada: FlaskClient, pair: Scene) -> None:
    assert "A migration is using" not in ada.get("/libraries").text
    pair.start()
    assert "A migration is using Birch and Cedar" in ada.get("/libraries").text


def test_adds_renames_and_deletes_groups(ada: FlaskClient, scene_with_groups: Scene) -> None:
    assert "Kids is there" in ada.post("/libraries/groups/new", data={"name": " Kids "}, follow_redirects=True).text
    number = group("Kids").id
    ada.post(f"/libraries/{library('Films').id}/group", data={"group": number})
    assert 'value="Kids"' in ada.get(f"/libraries/groups/{number}/edit", headers=by_htmx("dialog")).text
    assert (
        "Kids is called Children now" in ada.post(f"/libraries/groups/{number}/edit", data={"name": "Children"}, follow_redirects=True).text
    )
    assert "The library in it is in no group afterwards" in ada.get(f"/libraries/groups/{number}/delete").text
    assert "Children is deleted" in ada.post(f"/libraries/groups/{number}/delete", follow_redirects=True).text
    assert library("Films").group_id is None
    assert actions() == ["group.added", "libraries.grouped", "group.renamed", "group.deleted"]


@pytest.mark.parametrize(("name", "sentence"), [("", "Give the group a name."), ("standard", "There is a group Standard already.")])
def test_keeps_a_wrong_name_beside_what_is_wrong(ada: FlaskClient, scene_with_groups: Scene, name: str, sentence: str) -> None:
    answer = ada.post("/libraries/groups/new", data={"name": name})
    assert answer.status_code == 422 and sentence in answer.text and f'value="{name}"' in answer.text


def test_leaves_locked_groups_and_those_of_plans_alone(ada: FlaskClient, scene_with_groups: Scene) -> None:
    scene_with_groups.plan("Gold", ("Premium 4K",))
    db.session.commit()
    for name, sentence in (("Private", "belongs to Streamferry"), ("Standard", "belongs to Streamferry"), ("Premium 4K", "the plan Gold")):
        number = group(name).id
        assert sentence in ada.post(f"/libraries/groups/{number}/delete", follow_redirects=True).text
        assert group(name).id == number
    answer = ada.post(f"/libraries/groups/{group('Private').id}/edit", data={"name": "Open"})
    assert answer.status_code == 422 and "keeps its name" in answer.text


def test_lets_a_viewer_look_only(vic: FlaskClient, scene_with_groups: Scene) -> None:
    assert "Only administrators can do this." in vic.get("/libraries").text
    assert vic.post("/libraries/suggestions").status_code == 403
    assert vic.get("/libraries/groups").status_code == 200


def test_stays_small_and_asks_as_often_for_many_libraries(ada: FlaskClient, scene_with_groups: Scene) -> None:
    def asked() -> int:
        statements: list[str] = []
        listen = lambda *args: statements.append(args[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", listen)
        answer = ada.get("/libraries")
        event.remove(db.engine, "before_cursor_execute", listen)
        assert len(answer.data) < 100_000
        return len(statements)

    few = asked()
    row = scene_with_groups.target.row
    row.libraries += [Library(remote_id=f"x{number}", name=f"Library {number}", kind="movies") for number in range(300)]
    db.session.commit()
    assert asked() == few
    assert service.libraries_page("", "", 1).pages == 13


def test_one_library_comes_back_to_the_same_list_without_javascript(ada: FlaskClient, scene_with_groups: Scene) -> None:
    place = "/libraries?q=film&amp;page=1"
    text = ada.get("/libraries?q=film").text
    forms = re.findall(r'<form [^>]*action="/libraries/\d+/group".*?</form>', text, re.S)
    assert forms and all(f'name="next" value="{place}"' in form for form in forms)
    address = re.search(r'action="(/libraries/\d+/group)"', forms[0])
    assert address
    sent = {"group": "none", "next": "/libraries?q=film&page=1"}
    assert ada.post(address[1], data=sent).headers["Location"] == sent["next"]
    row = re.search(r"\d+", address[1])
    assert row
    answer = ada.post(address[1], data=sent, headers=by_htmx(f"library-{row[0]}")).text
    assert f'name="next" value="{place}"' in answer
    assert ada.post(address[1], data={**sent, "next": "//elsewhere.test"}).headers["Location"] == "/libraries"
