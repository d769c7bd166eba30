"""Servers beside each other."""

from __future__ import annotations

from flask.testing import FlaskClient

from panel.extensions import db
from panel.services import basics
from tests.scene import Scene
from tests.web.asking import by_htmx


def words(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "Nothing to compare yet" in ada.get("/comparison").text


def test_counts_the_libraries_of_each_group_on_each_server(ada: FlaskClient, pair: Scene) -> None:
    basics.ensure_basics()
    pair.target.row.libraries[0].group = None
    db.session.commit()
    text = words(ada.get("/comparison").text)
    assert "2 libraries of Cedar in Standard" in text
    assert "never given to anybody" in text and "can carry it" in text


# M5
def test_names_plan_and_group_that_keep_two_servers_apart(ada: FlaskClient, pair: Scene) -> None:
    pair.plan("Gold", ("Premium 4K",))
    for library in pair.target.row.libraries:
        if library.name in ("Films", "Shows", "Films 4K"):
            library.group = None
    next(library for library in pair.target.row.libraries if library.name == "Films").group = pair.group("Kids")
    db.session.commit()
    query = f"/comparison?source={pair.source.row.id}&target={pair.target.row.id}"
    text = words(ada.get(query, headers=by_htmx("pair")).text)
    assert text.startswith('<section id="pair"')
    now, later = text.split("No obstacle now")
    assert "Plan “Basic” includes the library group “Standard”, but Birch has no library in it." in now
    assert "Plan “Gold” includes the library group “Premium 4K”" in later and "Gold" not in now
    assert "lacks Premium 4K" in words(ada.get("/comparison").text)


def test_says_that_a_licence_is_lacking(ada: FlaskClient, pair: Scene) -> None:
    pair.plan("With downloads", allow_downloads=True)
    pair.source.row.has_emby_premiere = False
    db.session.commit()
    assert "lacks Emby Premiere" in words(ada.get("/comparison").text)


def test_says_that_nothing_stands_between_two_servers(ada: FlaskClient, pair: Scene) -> None:
    text = ada.get(f"/comparison?source={pair.source.row.id}&target={pair.target.row.id}").text
    assert "Nothing stands between them" in text and "See who would move" in text
    assert ada.get("/comparison?source=99&target=x").status_code == 200
