"""From a list to a user and their forms, and back to the list as it was: by links, forms and dialogs, and never out of the panel."""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import fields, link, target_of, way_back
from tests.web.rows import ask_about, user

PLACE = "/users?q=example&sort=-name&show=active&page=1"
HERE = "next=/users?q%3Dexample%26sort%3D-name%26show%3Dactive%26page%3D1"


def test_comes_back_to_the_list_as_it_was(ada: FlaskClient, pair: Scene) -> None:
    alice, bob = user("Alice").id, user("Bob").id
    assert f'href="/users/{alice}/actions?{HERE}%23actions-{alice}"' in ada.get(PLACE).text
    menu = ada.get(f"/users/{alice}/actions?{HERE}", headers=by_htmx("dialog")).text.replace("&amp;", "&")
    edit, merge, delete = (f"/users/{alice}/{verb}?{HERE}" for verb in ("edit", "merge", "delete"))
    pay = f"/payments/new?user={alice}&{HERE}"
    assert all(f'href="{address}"' in menu for address in (edit, merge, delete, pay))

    form = ada.get(edit).text
    assert f'action="{edit}"' in form and f'href="{PLACE.replace("&", "&amp;")}" data-leave' in form and ">Users<" in form
    assert ada.post(edit, data={"name": ""}).text.count(f'action="{edit}"') == 1
    assert ada.post(edit, data={"name": "Alice"}).headers["Location"] == PLACE
    assert ada.post(edit, data={"name": "Alice"}, headers=by_htmx("dialog")).headers["HX-Redirect"] == PLACE
    row = f"{edit}%23actions-{alice}"
    assert ada.post(row, data={"name": "Alice"}).headers["Location"] == f"{PLACE}#actions-{alice}"
    assert ada.post(row, data={"name": "Alice"}, headers=by_htmx("dialog")).headers["HX-Redirect"] == PLACE

    assert f'href="{PLACE.replace("&", "&amp;")}" data-leave' in (form := ada.get(pay).text) and ">Users<" in form
    days = {"plan": pair.plan("Basic").id, "start_on": "2026-02-01", "end_on": "2026-02-28"}
    assert ada.post(pay, data=days).headers["Location"] == PLACE

    found = ada.get(f"{merge}&q=bob").text.replace("&amp;", "&")
    question = f"/users/{alice}/merge?other={bob}&{HERE}"
    assert f'href="{question}"' in found and f'href="/users/{bob}/merge?other={alice}&{HERE}"' in ada.get(question).text.replace(
        "&amp;", "&"
    )
    sent = re.search(r'action="(/users/\d+/merge[^"]*)"', ada.get(question).text)
    assert sent and ada.post(unescape(sent[1]), data={"other": bob}).headers["Location"] == PLACE

    assert ada.post(delete.partition("?")[0], data=fields(ada.get(delete).text)).headers["Location"] == PLACE
    assert ada.post(f"/users/{user('Lapsed').id}/delete").headers["Location"] == "/users"


@pytest.mark.parametrize("headers", [{}, by_htmx("dialog")], ids=["without scripts", "in the dialog"])
def test_comes_back_to_the_page_of_a_user_with_the_list_it_was_opened_from(ada: FlaskClient, pair: Scene, headers: dict[str, str]) -> None:
    alice, bob = user("Alice").id, user("Bob").id
    here = link(ada.get(PLACE).text, f"/users/{alice}")
    page = ada.get(here).text
    assert way_back(page) == PLACE

    def sends(address: str, changes: dict[str, object]) -> None:
        form = ada.get(address, headers=headers).text
        assert f'href="{escape(here)}" data-leave' in form
        for typed in changes, {**fields(form), **changes}:
            answer = ada.post(target_of(form), data=typed, headers=headers)
            form = answer.text if answer.status_code == 422 else form
        assert answer.headers.get("HX-Redirect", answer.headers.get("Location")) == here
        assert way_back(ada.get(here).text) == PLACE

    menu = ada.get(link(page, f"/users/{alice}/actions"), headers=headers).text
    assert "Identities, payments" not in menu, "what is open is not offered"
    assert headers or (way_back(menu), ">Alice<" in menu.partition("<h1")[0]) == (here, True)
    sends(link(menu, f"/users/{alice}/edit"), {"name": "Alice"})
    days = {"plan": pair.plan("Basic").id, "start_on": "2026-02-01", "end_on": "2026-02-28"}
    for added in link(menu, "/payments/new"), link(page, "/payments/new"):
        sends(added, days)
    payment = user("Alice").payments[0].id
    menu_of_payment = ada.get(link(ada.get(here).text, f"/payments/{payment}/actions"), headers=headers).text
    assert "Show the user" not in menu_of_payment
    sends(link(menu_of_payment, f"/payments/{payment}/edit"), days)
    question = ada.get(link(menu_of_payment, f"/payments/{payment}/delete"), headers=headers).text
    done = ada.post(target_of(question), data=fields(question), headers=headers)
    assert done.headers.get("HX-Redirect", done.headers.get("Location")) == here

    found = ada.get(f"{link(menu, f'/users/{alice}/merge')}&q=bob", headers=headers).text
    sent = ada.post(target_of(ada.get(link(found, f"/users/{alice}/merge"), headers=headers).text), data={"other": bob}, headers=headers)
    assert sent.headers.get("HX-Redirect", sent.headers.get("Location")) == here


def test_comes_back_with_what_was_wrong_mended(ada: FlaskClient, pair: Scene) -> None:
    alice = user("Alice").id
    here = link(ada.get(PLACE).text, f"/users/{alice}")
    page = ada.get(here).text
    menu = ada.get(link(page, f"/users/{alice}/actions")).text
    days = {"plan": pair.plan("Basic").id, "start_on": "2026-02-01", "end_on": "2026-02-28"}
    for path, wrong, right in ((f"/users/{alice}/edit", {"name": ""}, {"name": "Alice"}), ("/payments/new", {**days, "end_on": ""}, days)):
        refused = ada.post(target_of(ada.get(link(menu, path)).text), data=wrong)
        assert refused.status_code == 422 and way_back(refused.text) == here
        assert ada.post(target_of(refused.text), data=right).headers["Location"] == here


def test_goes_from_the_page_of_somebody_who_is_gone_to_who_is_left(ada: FlaskClient, pair: Scene) -> None:
    alice, bob, lapsed = (user(name).id for name in ("Alice", "Bob", "Lapsed"))
    page = ada.get(f"/users/{alice}?{HERE}").text
    menu = ada.get(link(page, f"/users/{alice}/actions")).text
    found = ada.get(f"{link(menu, f'/users/{alice}/merge')}&q=bob").text
    swapped = ada.get(link(ada.get(link(found, f"/users/{alice}/merge")).text, f"/users/{bob}/merge")).text
    assert ">Alice<" in swapped.partition("<h1")[0], "the way back is called by where it leads"
    left = ada.post(target_of(swapped), data={"other": alice}).headers["Location"]
    assert urlsplit(left).path == f"/users/{bob}" and way_back(ada.get(left).text) == PLACE

    menu = ada.get(link(ada.get(f"/users/{lapsed}?{HERE}").text, f"/users/{lapsed}/actions")).text
    question = ada.get(link(menu, f"/users/{lapsed}/delete")).text
    assert ada.post(target_of(question), data=fields(question)).headers["Location"] == PLACE
    question = ada.get(link(ada.get(f"/users/{bob}/actions").text, f"/users/{bob}/delete")).text
    assert ada.post(target_of(question), data=fields(question)).headers["Location"] == "/users"


def test_shows_who_was_added_with_the_list_that_was_left(ada: FlaskClient, pair: Scene) -> None:
    shown = ada.post(target_of(ada.get(f"/users/new?{HERE}").text), data={"name": "Erin"}).headers["Location"]
    assert urlsplit(shown).path == f"/users/{user('Erin').id}" and way_back(ada.get(shown).text) == PLACE


def test_an_address_holds_one_list_and_grows_no_further(ada: FlaskClient, pair: Scene) -> None:
    alice, address = user("Alice").id, f"/users/{user('Alice').id}?next=/users?q%3Da"
    for _ in range(4):
        add = link(ada.get(address).text, "/payments/new")
        address = f"/users/{alice}?next={quote(parse_qs(urlsplit(add).query)['next'][0])}"
        assert len(add) < 120, add
    assert parse_qs(urlsplit(add).query)["next"] == [f"/users/{alice}?next=/users/{alice}"]


def test_merges_two_who_may_be_one_and_comes_back_to_the_other_questions(ada: FlaskClient, pair: Scene) -> None:
    ask_about("Alice", "Bob")
    alice, bob = user("Alice").id, user("Bob").id
    listed = ada.get("/same-person").text
    assert way_back(ada.get(link(listed, f"/users/{alice}")).text) == "/same-person?page=1"
    question = ada.get(link(listed, f"/users/{bob}/merge")).text
    assert "Same person?" in question.partition("<h1")[0].rpartition("<p class")[2]
    done = ada.post(target_of(question), data={"other": alice}, headers=by_htmx("dialog"))
    assert done.headers["HX-Redirect"] == "/same-person?page=1"
    assert "Nothing to ask" in ada.get("/same-person?page=1").text


def test_fills_in_a_csv_and_comes_back_to_the_list_as_it_was(ada: FlaskClient, pair: Scene) -> None:
    address = f"/users/emails?{HERE}"
    assert f'href="{address}"' in ada.get(PLACE).text and f'action="{address}"' in ada.get(address).text
    preview = ada.post(address, data={"csv": "name,email\nAlice,new@example.test\n"}).text
    assert f'action="{address}"' in preview and f'href="{address}"' in preview
    done = ada.post(address, data={"csv": "name,email\nAlice,new@example.test\n", "confirmed": fields(preview)["confirmed"]})
    assert done.headers["Location"] == PLACE


def test_goes_on_from_the_list_as_it_was_narrowed_last(ada: FlaskClient, pair: Scene) -> None:
    answer = ada.get(PLACE, headers=by_htmx("users")).text
    assert 'id="users-heading"' in answer and 'hx-swap-oob="true"' in answer and f"/users/emails?{HERE}" in answer


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.test/", "//elsewhere.test", "/\\elsewhere.test", "javascript:alert(1)"])
def test_comes_back_to_nothing_outside_the_panel(ada: FlaskClient, pair: Scene, elsewhere: str) -> None:
    alice, bob, query = user("Alice").id, user("Bob").id, {"next": elsewhere}
    assert "elsewhere" not in ada.get(f"/users/{alice}/actions", query_string=query).text
    assert 'href="/users" data-leave' in ada.get(f"/users/{alice}/edit", query_string=query).text
    assert ada.post(f"/users/{alice}/edit", query_string=query, data={"name": "Alice"}).headers["Location"] == "/users"
    assert ada.post(f"/users/{alice}/merge", query_string=query, data={"other": bob}).headers["Location"] == "/users"
    assert ada.post(f"/users/{alice}/delete", data=query).headers["Location"] == "/users"


@pytest.mark.parametrize(
    "elsewhere", ["https://elsewhere.test/", "//elsewhere.test", "/\\elsewhere.test", "//[", "/users?next=//elsewhere.test"]
)
def test_comes_back_to_nothing_outside_the_panel_from_the_page_of_a_user(ada: FlaskClient, pair: Scene, elsewhere: str) -> None:
    alice, bob = user("Alice").id, user("Bob").id
    page = f"/users/{alice}?next={quote(elsewhere)}"
    assert "elsewhere" not in ada.get(page).text.replace(escape("/users?next=//elsewhere.test"), "")
    assert urlsplit(way_back(ada.get(page).text))[:3] == ("", "", "/users")
    assert parse_qs(urlsplit(link(ada.get(page).text, "/payments/new")).query)["next"] == [f"/users/{alice}?next=/users"]
    merged = ada.post(f"/users/{bob}/merge?next={quote(page)}", data={"other": alice}).headers["Location"]
    assert merged == f"/users/{bob}?next=/users"
    gone = f"/users/{bob}?next={quote(elsewhere)}"
    assert ada.post(f"/users/{bob}/delete", data={"next": gone}).headers["Location"] in ("/users", "/users?next=//elsewhere.test")
