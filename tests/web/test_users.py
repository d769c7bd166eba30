"""The screens of users: list, detail, forms and deleting."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from panel.extensions import db
from panel.models import Payment, SentRequest, User
from panel.models.types import utc_now
from panel.services.proof import ANNOUNCED, DIED
from tests.scene import Scene
from tests.web.asking import by_htmx
from tests.web.reading import names
from tests.web.rows import noted, user


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


@pytest.mark.parametrize(
    "address", ["/users?show=foo", "/users?sort=nonsense&show=foo&server=x", "/payments?state=foo&plan=x", "/shares?state=foo"]
)
def test_a_filter_that_makes_no_sense_narrows_nothing(ada: FlaskClient, pair: Scene, address: str) -> None:
    text = ada.get(address).text
    assert '<p class="tally">' in text and "found" not in text.partition('<p class="tally">')[2].partition("</p>")[0]
    assert "Show all" not in text and "foo" not in text


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


def test_offers_to_show_a_user_only_where_they_are_not_shown(ada: FlaskClient, pair: Scene) -> None:
    alice = user("Alice").id
    payment = db.session.scalars(db.select(Payment).where(Payment.user_id == alice)).one().id
    for address in (f"/users/{alice}/actions", f"/payments/{payment}/actions"):
        entry = f'class="action" href="/users/{alice}?'
        assert entry in ada.get(f"{address}?next=/users?page%3D1").text
        assert entry.removesuffix("?") not in ada.get(address).text.replace(f"/users/{alice}/", "")


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


def test_says_that_what_was_sent_for_somebody_outlives_them(ada: FlaskClient, pair: Scene) -> None:
    run = pair.move()
    alice = next(move for move in run.moves if move.name == "Alice")
    for method, path, status, result in (
        ("POST", "/Users/1/Policy", 500, "It answered 500."),
        ("", "", None, DIED),
        ("", "", None, ANNOUNCED),
    ):
        row = {"migration_id": run.id, "move_id": alice.id, "user_name": "Alice", "server_id": run.target_id, "at": utc_now()}
        db.session.add(SentRequest(**row, method=method, path=path, status=status, result=result))
    db.session.commit()
    address = f"/users/{user('Alice').id}/delete"
    before = ada.get(f"/migrations/{run.id}/calls.csv").text
    lines = before.count(",Alice,")
    stay = f"What migrations have sent to the servers for Alice stays on record in their downloads ({lines} lines), with the name."
    assert lines > 4 and stay in ada.get(address).text
    ada.post(address)
    assert "1 entry in a past migration" in noted("user.deleted").detail
    assert ada.get(f"/migrations/{run.id}/calls.csv").text == before
    assert "on record in their downloads" not in ada.get(f"/users/{user('Lapsed').id}/delete").text


def test_deletes_nobody_whom_a_run_has_open(ada: FlaskClient, pair: Scene) -> None:
    pair.start()
    address = f"/users/{user('Alice').id}/delete"
    assert "disabled" in ada.get(address).text
    assert "has not ended" in ada.post(address, follow_redirects=True).text
    assert user("Alice")


def test_lets_a_viewer_only_look(vic: FlaskClient, pair: Scene) -> None:
    assert 'href="/users/new' not in vic.get("/users").text
    for address in ("/users/new", "/users/bulk", "/users/emails", "/users/1/edit", "/users/1/delete", "/users/1/merge"):
        assert vic.post(address).status_code == 403, address
        assert "Only administrators can" in vic.get(address + ("?other=2" if "merge" in address else "?all=1")).text, address


def test_an_odd_address_that_a_server_has_told_keeps_nothing_from_being_saved(ada: FlaskClient, pair: Scene) -> None:
    odd = "ann(work)@example.test"
    user("Alice").plex_email = odd
    db.session.commit()
    address, typed = f"/users/{user('Alice').id}/edit", {"name": "Alice", "email": "alice@example.test", "notes": "Pays in cash."}
    assert ada.post(address, data={**typed, "plex_email": odd}).status_code == 303
    assert (user("Alice").notes, user("Alice").plex_email) == ("Pays in cash.", odd)
    answer = ada.post(address, data={**typed, "plex_email": "ann(home)@example.test"})
    assert answer.status_code == 422 and "must be an e-mail address" in answer.text
