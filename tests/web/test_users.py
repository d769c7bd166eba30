"""The Users screens: list, detail, forms, deleting, merging, many at once, and e-mails from a CSV."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from html import escape, unescape
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import AuditEntry, Move, Payment, Plan, PossibleTwin, User
from tests.scene import Scene
from tests.web.asking import by_htmx


def user(name: str) -> User:
    return db.session.scalars(db.select(User).where(User.name == name)).one()


def noted(action: str) -> AuditEntry:
    return db.session.scalars(db.select(AuditEntry).where(AuditEntry.action == action)).one()


def fields(text: str) -> dict[str, list[str]]:
    """The hidden inputs of a page's question."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text):
        found.setdefault(name, []).append(unescape(value))
    return found


def names(text: str) -> list[str]:
    return re.findall(r'href="/users/\d+[^"]*"><bdi>([^<]+)</bdi>', text)


def test_says_what_belongs_there_while_it_is_empty(ada: FlaskClient) -> None:
    assert "No users yet" in ada.get("/users").text


def test_lists_users_and_narrows_them(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Perm", plan=None, permanent=True, plex_email="")
    pair.person("Guest", accepted=False, must_change_plex_account=True)
    assert names(ada.get("/users").text) == ["Alice", "Bob", "Guest", "Lapsed", "Perm"]
    assert names(ada.get("/users?sort=-name").text)[0] == "Perm"
    assert names(ada.get("/users?q=BOB@example").text) == ["Bob"]
    assert names(ada.get("/users?show=expired").text) == ["Lapsed"]
    assert names(ada.get("/users?show=permanent").text) == ["Perm"]
    assert names(ada.get("/users?show=active").text) == ["Alice", "Bob", "Guest", "Perm"]
    assert names(ada.get("/users?show=no-plex-email").text) == ["Perm"]
    assert names(ada.get("/users?show=waiting").text) == names(ada.get("/users?show=must-change").text) == ["Guest"]
    assert names(ada.get(f"/users?server={pair.target.row.id}").text) == []
    assert len(names(ada.get(f"/users?server={pair.source.row.id}").text)) == 5
    assert "No users match" in ada.get("/users?q=%25").text


def test_gives_the_list_alone_to_htmx(ada: FlaskClient, pair: Scene) -> None:
    assert ada.get("/users", headers=by_htmx("users")).text.lstrip().startswith('<div id="users">')


def test_shows_one_user_with_everything_known(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    text = ada.get(f"/users/{user('Alice').id}").text
    assert "alice@example.test" in text and "by a migration" in text and "found on the server" in text
    assert f'href="/migrations/{run.id}"' in text and "moved" in text and "Basic" in text


def test_escapes_what_users_are_called(ada: FlaskClient, pair: Scene) -> None:
    user("Alice").name = "<img src=x>"
    db.session.commit()
    for address in ("/users", "/users/1", "/users/1/actions", "/users/1/delete", "/users/2/merge?other=1", "/payments", "/shares"):
        text = ada.get(address).text
        assert "<img src=x" not in text and "&lt;img src=x" in text, address


def test_adds_and_edits_a_user(ada: FlaskClient) -> None:
    answer = ada.post("/users/new", data={"name": "Zoe", "email": " zoe@example.test ", "permanent": "y", "notes": "Pays in cash."})
    assert answer.status_code == 303
    assert (user("Zoe").email, user("Zoe").permanent, user("Zoe").notes) == ("zoe@example.test", True, "Pays in cash.")
    ada.post(f"/users/{user('Zoe').id}/edit", data={"name": "Zoë", "email": "zoe@example.test"})
    assert not user("Zoë").permanent
    assert noted("user.edited").detail == "name: Zoe → Zoë; permanent: yes → no; notes: Pays in cash. → empty"
    assert noted("user.added").by == "ada@example.test"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": "", "email": "x@example.test"}, "Every user needs a name."),
        ({"name": "Zoe", "plex_email": "no address"}, "must be an e-mail address"),
        ({"name": "Zoe", "emby_email": "ALICE@example.test"}, "Alice has the address ALICE@example.test already"),
    ],
)
def test_keeps_what_was_typed_beside_the_problem(ada: FlaskClient, pair: Scene, typed: dict[str, str], sentence: str) -> None:
    for headers in ({}, by_htmx("dialog")):
        answer = ada.post("/users/new", data=typed, headers=headers)
        assert answer.status_code == 422 and sentence in answer.text
        assert all(f'value="{value}"' in answer.text for value in typed.values() if value)
    assert db.session.scalar(db.select(User).where(User.name == "Zoe")) is None


def test_a_user_keeps_their_own_addresses(ada: FlaskClient, pair: Scene) -> None:
    data = {"name": "Alice", "email": "alice@example.test", "plex_email": "alice@example.test"}
    assert ada.post(f"/users/{user('Alice').id}/edit", data=data).status_code == 303


def test_says_what_is_lost_before_deleting(ada: FlaskClient, pair: Scene) -> None:
    address = f"/users/{user('Alice').id}/delete"
    assert "with 1 payment, 1 shared server and 1 known account." in ada.get(address).text
    assert ada.post(address, follow_redirects=True).status_code == 200
    assert db.session.scalar(db.select(User).where(User.name == "Alice")) is None
    assert noted("user.deleted").subject == "Alice"


def test_deletes_nobody_whom_a_run_has_open(ada: FlaskClient, pair: Scene) -> None:
    pair.start()
    address = f"/users/{user('Alice').id}/delete"
    assert "disabled" in ada.get(address).text
    assert "has not ended" in ada.post(address, follow_redirects=True).text
    assert user("Alice")


def test_merges_two_users_after_a_search(ada: FlaskClient, pair: Scene) -> None:
    alice, bob = user("Alice").id, user("Bob").id
    assert "Nobody is called that" in ada.get(f"/users/{alice}/merge?q=Alice").text
    assert f"/users/{alice}/merge?other={bob}" in ada.get(f"/users/{alice}/merge?q=bo").text.replace("&amp;", "&")
    assert "1 payment, 1 shared server and 1 known account<" in ada.get(f"/users/{alice}/merge?other={bob}").text
    assert "is Alice now" in ada.post(f"/users/{alice}/merge", data={"other": bob}, follow_redirects=True).text
    assert db.session.get(User, bob) is None and len(user("Alice").payments) == 2
    assert "Took over from Bob" in noted("user.merged").detail


def test_says_why_two_users_cannot_be_merged(ada: FlaskClient, pair: Scene) -> None:
    pair.start()
    answer = ada.post(f"/users/{user('Alice').id}/merge", data={"other": user("Bob").id}, follow_redirects=True)
    assert "has not ended" in answer.text and user("Bob")
    assert db.session.scalar(db.select(Move).where(Move.name == "Bob")).user_id == user("Bob").id  # type: ignore[union-attr]


def test_changes_the_checked_users_only_after_saying_how_many(ada: FlaskClient, pair: Scene) -> None:
    ids = [user("Alice").id, user("Bob").id]
    assert "Alice" in ada.get("/users/bulk", query_string={"ids": ids}).text
    asked = ada.post("/users/bulk", data={"ids": ids, "change": "permanent"}).text
    assert "Change 2 users?" in asked and "All 2 users chosen change." in asked and not user("Alice").permanent
    assert "done for 2 of 2" in ada.post("/users/bulk", data=fields(asked), follow_redirects=True).text
    assert user("Alice").permanent and user("Bob").permanent and not user("Lapsed").permanent
    assert noted("users.edited").detail == f"Make permanent: Alice ({ids[0]}), Bob ({ids[1]})"


def test_changes_all_that_match(ada: FlaskClient, pair: Scene) -> None:
    pair.plan("Gold")
    gold = db.session.scalars(db.select(Plan).where(Plan.name == "Gold")).one().id
    db.session.commit()
    asked = ada.post("/users/bulk", data={"all": "1", "change": "plan", "plan": gold}).text
    assert "Change 2 of 3 users?" in asked
    assert "2 of the 3 users chosen change; 1 has this plan already or no payment in force." in asked
    ada.post("/users/bulk", data=fields(asked))
    plans = {payment.user.name: payment.plan.name for payment in db.session.scalars(db.select(Payment))}
    assert plans == {"Alice": "Gold", "Bob": "Gold", "Lapsed": "Basic"}


def test_says_of_those_chosen_how_many_change_and_how_many_do_not(ada: FlaskClient, pair: Scene) -> None:
    user("Alice").permanent = True
    db.session.commit()
    ids = [user(name).id for name in ("Alice", "Bob", "Lapsed")]
    asked = ada.post("/users/bulk", data={"ids": ids, "change": "permanent"}).text
    assert "Change 2 of 3 users?" in asked and "2 of the 3 users chosen change; 1 is so already." in asked
    nobody = ada.post("/users/bulk", data={"ids": ids[:1], "change": "permanent"}).text
    assert "Nothing would change. The user chosen does not change: it is so already." in nobody


def test_lets_another_change_be_chosen_where_one_would_change_nothing(ada: FlaskClient, pair: Scene) -> None:
    ids = [user("Alice").id, user("Bob").id]
    answer = ada.post("/users/bulk", data={"ids": ids, "change": "pay", "plan": pair.plan("Basic").id})
    assert answer.status_code == 422 and "Nothing would change. None of the 2 users chosen changes" in answer.text
    assert 'id="bulk-form"' in answer.text and "Continue…" in answer.text and 'id="change-error"' in answer.text
    asked = ada.post("/users/bulk", data={**fields(answer.text), "change": "permanent"}).text
    ada.post("/users/bulk", data=fields(asked))
    assert user("Alice").permanent and user("Bob").permanent


def test_lets_another_change_be_chosen_where_one_has_become_needless(ada: FlaskClient, pair: Scene) -> None:
    asked = ada.post("/users/bulk", data={"ids": [user("Alice").id], "change": "permanent"}).text
    user("Alice").permanent = True
    db.session.commit()
    answer = ada.post("/users/bulk", data=fields(asked))
    assert answer.status_code == 422 and 'id="bulk-form"' in answer.text
    assert "have changed since you were asked: nothing was done. Nothing would change by now." in answer.text


def test_offers_to_show_a_user_only_where_they_are_not_shown(ada: FlaskClient, pair: Scene) -> None:
    alice = user("Alice").id
    payment = db.session.scalars(db.select(Payment).where(Payment.user_id == alice)).one().id
    for address in (f"/users/{alice}/actions", f"/payments/{payment}/actions"):
        entry = f'class="action" href="/users/{alice}?'
        assert entry in ada.get(f"{address}?next=/users?page%3D1").text
        assert entry.removesuffix("?") not in ada.get(address).text.replace(f"/users/{alice}/", "")


def test_extends_payments_that_have_not_ended(ada: FlaskClient, pair: Scene) -> None:
    ends = {payment.user.name: payment.end_at for payment in db.session.scalars(db.select(Payment))}
    asked = ada.post("/users/bulk", data={"all": "1", "change": "extend", "days": "7"}).text
    ada.post("/users/bulk", data=fields(asked))
    later = {payment.user.name: (payment.end_at - ends[payment.user.name]).days for payment in db.session.scalars(db.select(Payment))}
    assert later == {"Alice": 7, "Bob": 7, "Lapsed": 0}


def test_gives_a_payment_to_those_who_have_none(ada: FlaskClient, pair: Scene) -> None:
    pair.person("Always", plan=None, permanent=True)
    pair.person("New", plan=None)
    plan = pair.plan("Basic")
    asked = ada.post("/users/bulk", data={"all": "1", "change": "pay", "plan": plan.id}).text
    assert "a payment on Basic, 30 days from today." in asked
    assert "2 of the 5 users chosen change; 3 have a payment in force or are permanent." in asked
    ada.post("/users/bulk", data=fields(asked))
    db.session.expire_all()
    paid = {name: len(user(name).payments) for name in ("Alice", "Bob", "Lapsed", "Always", "New")}
    assert paid == {"Alice": 1, "Bob": 1, "Lapsed": 2, "Always": 0, "New": 1}
    (payment,) = user("New").payments
    # As many days as the form of one payment suggests.
    days = re.findall(r'type="date" value="([^"]+)"', ada.get(f"/payments/new?user={user('New').id}").text)
    assert (payment.plan, [f"{payment.start_at:%Y-%m-%d}", f"{payment.end_at:%Y-%m-%d}"]) == (plan, days)
    assert payment.end_at - payment.start_at == timedelta(days=30, microseconds=-1)


def test_asks_again_when_the_users_have_changed_meanwhile(ada: FlaskClient, pair: Scene) -> None:
    asked = ada.post("/users/bulk", data={"all": "1", "change": "must-change"}).text
    pair.person("Late")
    answer = ada.post("/users/bulk", data=fields(asked))
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert not user("Late").must_change_plex_account


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"change": "extend"}, "Say how many days."),
        ({"change": "plan"}, "Choose the plan."),
        ({"change": "pay"}, "Choose the plan."),
    ],
)
def test_wants_what_a_change_needs(ada: FlaskClient, pair: Scene, typed: dict[str, str], sentence: str) -> None:
    answer = ada.post("/users/bulk", data={"all": "1", **typed})
    assert answer.status_code == 422 and sentence in answer.text


def test_asks_again_when_as_many_others_match_by_now(ada: FlaskClient, pair: Scene) -> None:
    asked = ada.post("/users/bulk", data={"all": "1", "q": "Alice", "change": "permanent"}).text
    assert "Chosen: Alice." in asked
    alice, bob = user("Alice"), user("Bob")
    alice.name, alice.email, alice.plex_email, alice.emby_email, bob.name = "Anna", "", "", "", "Alice B"
    db.session.commit()
    answer = ada.post("/users/bulk", data=fields(asked))
    assert answer.status_code == 422 and "nothing was done yet" in answer.text and "Chosen: Alice B." in answer.text
    assert not user("Alice B").permanent
    assert "done for 1 of 1 user" in ada.post("/users/bulk", data=fields(answer.text), follow_redirects=True).text
    assert user("Alice B").permanent and not user("Anna").permanent


def test_changes_nobody_when_nobody_was_checked(ada: FlaskClient, pair: Scene) -> None:
    assert "Select at least one" in ada.post("/users/bulk", data={"change": "permanent"}, follow_redirects=True).text


CSV = "name;plex_email;emby_email\nAlice;new@example.test;\nNobody;x@example.test;\nBob;;BAD\n;;lapsed@example.test\n"


def test_previews_a_csv_and_fills_it_in(ada: FlaskClient, pair: Scene) -> None:
    preview = ada.post("/users/emails", data={"file": (io.BytesIO(CSV.encode()), "users.csv")}).text
    assert "Line 3: Nobody is called “Nobody”." in preview
    assert "Line 4: “BAD” is not an e-mail address." in preview
    said = " ".join(preview.split())
    assert "new@example.test" in preview and "1 value of 1 user will change. 1 line says what the panel knows already. 2 lines" in said
    assert user("Alice").plex_email == "alice@example.test"
    ada.post("/users/emails", data={"csv": CSV, "confirmed": fields(preview)["confirmed"]})
    assert (user("Alice").plex_email, user("Alice").emby_email) == ("new@example.test", "alice@example.test")
    assert noted("user.emails_filled").subject == "1 user"


def test_applies_nothing_on_a_stale_preview(ada: FlaskClient, pair: Scene) -> None:
    confirmed = fields(ada.post("/users/emails", data={"csv": CSV}).text)["confirmed"]
    user("Alice").plex_email = "meanwhile@example.test"
    db.session.commit()
    answer = ada.post("/users/emails", data={"csv": CSV, "confirmed": confirmed})
    assert answer.status_code == 422 and "nothing was done yet" in answer.text
    assert user("Alice").plex_email == "meanwhile@example.test"


def test_gives_nobody_an_address_of_somebody_else(ada: FlaskClient, pair: Scene) -> None:
    text = ada.post(
        "/users/emails", data={"csv": "name,email\nAlice,bob@example.test\nBob,one@example.test\nLapsed,ONE@example.test\n"}
    ).text
    assert "Line 2: Bob has the address bob@example.test." in text
    assert "Line 4: Bob has the address ONE@example.test." in text
    assert "Line 3:" not in text


def test_takes_long_tables_back_for_confirmation(ada: FlaskClient, pair: Scene) -> None:
    table = "name,email\n" + "Nobody at all,nobody@example.test\n" * 20_000
    assert len(table) > 600_000
    assert ada.post("/users/emails", data={"csv": table}).status_code == 200


@pytest.mark.parametrize("text", ["", "first,second\n1,2\n", "name\nAda\n"])
def test_says_which_columns_a_csv_needs(ada: FlaskClient, text: str) -> None:
    answer = ada.post("/users/emails", data={"csv": text})
    assert answer.status_code == 422
    assert "jellyfin_name" in answer.text.split("invalid-feedback")[1] or "at least one address" in answer.text


def test_lets_a_viewer_only_look(vic: FlaskClient, pair: Scene) -> None:
    assert 'href="/users/new' not in vic.get("/users").text
    for address in ("/users/new", "/users/bulk", "/users/emails", "/users/1/edit", "/users/1/delete", "/users/1/merge"):
        assert vic.post(address).status_code == 403, address
        assert "Only administrators can" in vic.get(address + ("?other=2" if "merge" in address else "?all=1")).text, address


def ask_about(one: str, other: str) -> None:
    db.session.add(PossibleTwin(user_id=user(one).id, other_id=user(other).id, why="Birch lists somebody with the same name."))
    db.session.commit()


def test_shows_a_question_with_both_users(ada: FlaskClient, pair: Scene) -> None:
    assert "Nothing to ask" in ada.get("/same-person").text
    ask_about("Alice", "Bob")
    text = ada.get("/same-person").text.replace("&amp;", "&")
    assert "the same name" in text and "alice@example.test" in text and "bob@example.test" in text
    assert f"/users/{user('Bob').id}/merge?other={user('Alice').id}" in text


def test_asks_no_more_once_they_are_different_people(ada: FlaskClient, pair: Scene) -> None:
    ask_about("Alice", "Bob")
    assert "Nothing to ask" in ada.post("/same-person/1/different", follow_redirects=True).text
    assert noted("twins.different").subject == "Alice" and user("Alice") and user("Bob")


def test_counts_the_questions_that_are_left(ada: FlaskClient, pair: Scene) -> None:
    for other in ("Bob", "Lapsed"):
        ask_about("Alice", other)
    assert "Noted: two people. 1 question is left." in ada.post("/same-person/1/different", follow_redirects=True).text


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


def link(text: str, path: str) -> str:
    """The address of the link that leads to `path`."""
    found = re.search(rf'href="({re.escape(path)}(?:\?[^"]*)?)"', text)
    assert found, path
    return unescape(found[1])


def target_of(form: str) -> str:
    """Where this page's form by POST is sent."""
    found = re.search(r'<form method="post" action="([^"]*)" novalidate', form)
    assert found
    return unescape(found[1])


def way_back(page: str) -> str:
    """Where the link above the title leads."""
    found = re.search(r'<p class="mb-2[^"]*"><a href="([^"]*)"', page)
    assert found
    return unescape(found[1])


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


@pytest.mark.parametrize(
    "address", ["/users?show=foo", "/users?sort=nonsense&show=foo&server=x", "/payments?state=foo&plan=x", "/shares?state=foo"]
)
def test_a_filter_that_makes_no_sense_narrows_nothing(ada: FlaskClient, pair: Scene, address: str) -> None:
    text = ada.get(address).text
    assert '<p class="tally">' in text and "found" not in text.partition('<p class="tally">')[2].partition("</p>")[0]
    assert "Show all" not in text and "foo" not in text
