"""Every screen on PostgreSQL, with enough rows for several pages of each list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import AuditEntry, Library, LibraryGroup, Move, Plan, PossibleTwin, Server, User
from panel.models.types import utc_now
from panel.services import audit, seed
from panel.services.preflight import assess
from panel.services.run.start import start
from tests.web.asking import by_htmx
from tests.web.crawling import Crawl

#: Reached by a secret, by a step before, in a state that nothing here is in, or by a file's name.
NOT_LINKED = {
    "claims.show",
    "auth.setup",
    "static",
    "bootstrap.static",
    "templates.show_html",
    "templates.ask",
    "admins.ask_reset",
    "invites.ask_withdraw",
    "moves.ask_cancel",
    "admins.ask_role",
}
#: What is right without further words: no pair was named, and nothing works for the panel here.
EXPECTED = {"/migrations/duration": 404, "/readyz": 503}
TOO_LARGE = (2**31, 2**63, 10**30)


@pytest.fixture
def database_kind() -> str:
    """Only PostgreSQL: everything else here runs on SQLite."""
    return "postgresql"


@pytest.fixture
def seeded(ada: FlaskClient, vic: FlaskClient) -> FlaskClient:
    """300 users, a run with users in every state, questions, changes, another admin."""
    seed.plant(300)
    source, target = db.session.scalars(db.select(Server).order_by(Server.id)).all()
    start(assess(source, target))
    moves = db.session.scalars(db.select(Move).order_by(Move.id)).all()
    for move, status in zip(moves, list(MoveStatus) * 3, strict=False):
        move.status = status
        move.step = Step.ACCEPT if status is MoveStatus.INVITED else move.step
    ids = db.session.scalars(db.select(User.id).order_by(User.id).limit(60)).all()
    db.session.add_all(PossibleTwin(user_id=one, other_id=other, why="?") for one, other in zip(ids[::2], ids[1::2], strict=True))
    for number in range(120):
        audit.note("ada@example.test", "user.edited", f"Someone {number}", "")
    db.session.commit()
    return ada


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_every_page_filter_and_order_opens(seeded: FlaskClient) -> None:
    rules = [rule for rule in seeded.application.url_map.iter_rules() if "GET" in (rule.methods or ())]
    crawl = Crawl([rule.rule for rule in rules if not rule.arguments])
    opened, broken = set(), []
    crawl.waiting += [
        "/migrations/1/mail",
        "/migrations/1/progress",
        "/migrations/1/undo",
        "/servers/1/remove",
        "/servers/1/believe",
        # What is in use has no link to it.
        "/plans/1/delete",
        "/libraries/groups/1/delete",
        "/settings/admins/2/remove",
    ]
    adapter = seeded.application.url_map.bind("localhost")
    for address in crawl:
        answer = seeded.get(address)
        opened.add(adapter.match(address.partition("?")[0])[0])
        if answer.status_code not in (200, 204, 303, 302) and EXPECTED.get(address) != answer.status_code:
            broken.append((address, answer.status_code))
        if answer.mimetype == "text/html":
            crawl.read(address, answer.text)
    assert broken == []
    assert {rule.endpoint for rule in rules} - opened <= NOT_LINKED


def test_an_id_larger_than_any_leads_nowhere(seeded: FlaskClient) -> None:
    rules = [rule for rule in seeded.application.url_map.iter_rules() if any(name.endswith("_id") for name in rule.arguments)]
    for rule in rules:
        for number in TOO_LARGE:
            address = rule.rule
            for name in rule.arguments:
                address = address.replace(f"<int:{name}>", str(number))
            method = "GET" if "GET" in (rule.methods or ()) else "POST"
            assert seeded.open(address, method=method).status_code in (404, 405), (method, address)


@pytest.mark.parametrize("number", TOO_LARGE)
def test_an_id_larger_than_any_in_a_query_or_a_form_is_no_server_error(seeded: FlaskClient, number: int) -> None:
    for address in (
        f"/users?server={number}",
        f"/migrations?q={number}&server={number}&page={number}",
        f"/users?page={number}",
        f"/payments?plan={number}",
        f"/payments/new?user={number}",
        f"/shares?server={number}",
        f"/invites?server={number}",
        f"/libraries?group={number}&server={number}",
        f"/comparison?source={number}&target={number}",
        f"/migrations/new?source={number}",
        f"/migrations/1?page={number}",
        f"/users/bulk?ids={number}",
        f"/payments/extend?ids={number}",
        f"/users/1/merge?other={number}",
        f"/servers/new?platform=plex&account={number}",
    ):
        assert seeded.get(address).status_code < 500, address
    for address, form in (
        ("/migrations", {"source": number, "target": number}),
        ("/users/bulk", {"ids": number, "change": "permanent"}),
        ("/libraries/groups", {"ids": number, "group": number}),
        ("/payments/new?user=1", {"plan": number, "start_on": "2026-01-01", "end_on": "2026-02-01"}),
        ("/plans/new", {"name": "Long", "groups": number, "duration_days": number}),
        ("/servers/1/edit", {"name": "A", "url": "http://127.0.0.1:9", "plex_account": number, "max_users": number}),
    ):
        assert seeded.post(address, data=form).status_code < 500, address


def test_a_character_that_no_database_keeps_is_no_server_error(seeded: FlaskClient) -> None:
    for address in ("/users", "/payments", "/shares", "/invites", "/libraries", "/settings/changes", "/payments/new"):
        assert seeded.get(f"{address}?q=a%00b").status_code < 500, address
        assert seeded.get(f"{address}?q=%ED%A0%80").status_code < 500, address
    assert seeded.post("/users/new", data={"name": "a\x00b"}).status_code < 500
    assert seeded.post("/users/new", data={"name": "fine", "notes": "a\x00b"}).status_code < 500


def test_a_search_finds_names_in_any_case_and_takes_wildcards_literally(seeded: FlaskClient) -> None:
    db.session.add_all([User(name="Änne Öhlin", email="ANNE@example.test"), User(name="100%_sure")])
    db.session.commit()
    for typed, name in (("änne", "Änne Öhlin"), ("ÖHLIN", "Änne Öhlin"), ("anne@EXAMPLE", "Änne Öhlin"), ("0%_s", "100%_sure")):
        assert name in seeded.get("/users", query_string={"q": typed}).text, typed
    assert "100%_sure" not in seeded.get("/users?q=1%_").text


def test_each_kind_of_change_is_made_once(seeded: FlaskClient) -> None:
    user, plan = db.session.scalars(db.select(User).order_by(User.id)).first(), Plan.default()
    assert user is not None and plan is not None
    first, last = utc_now().date(), utc_now().date() + timedelta(days=30)
    group = db.session.scalars(db.select(LibraryGroup).order_by(LibraryGroup.id)).all()[-1]
    library = db.session.scalars(db.select(Library).where(Library.group_id != group.id)).first()
    twin = db.session.scalars(db.select(PossibleTwin)).first()
    assert library is not None and twin is not None
    changes: list[tuple[str, dict[str, object]]] = [
        ("/users/new", {"name": "New One", "email": "new.one@example.test"}),
        (f"/users/{user.id}/edit", {"name": "Changed", "notes": "Said so."}),
        (f"/payments/new?user={user.id}", {"plan": plan.id, "start_on": str(first), "end_on": str(last)}),
        ("/users/emails", {"csv": "name,plex_email\nChanged,changed@example.test"}),
        ("/plans/new", {"name": "Another", "groups": group.id, "duration_days": 30}),
        (f"/plans/{plan.id}/edit", {"name": "Renamed", "groups": group.id, "duration_days": 31, "is_default": "y"}),
        ("/libraries/groups/new", {"name": "Kids"}),
        (f"/libraries/{library.id}/group", {"group": group.id}),
        ("/settings", {"sync_every_h": "2", "import_as": "standard", "time_zone": "Europe/Berlin", "remind_after_d": "7"}),
        ("/settings/admins", {"email": "zoe@example.test", "role": "viewer", "password": "long enough for all"}),
        (f"/same-person/{twin.id}/different", {}),
        (f"/servers/{library.server_id}/switch", {"field": "enabled"}),
        ("/migrations/1/pause", {}),
        ("/migrations/1/cancel", {}),
    ]
    for address, form in changes:
        before = _changes()
        answer = seeded.post(address, data=form)
        assert answer.status_code in (200, 303), (address, answer.status_code, answer.text)
        assert _changes() > before or address == "/users/emails", address


def test_a_user_is_merged_and_another_deleted(seeded: FlaskClient) -> None:
    pair = [User(name="Mona"), User(name="Mona M.", email="mona@example.test")]
    db.session.add_all(pair)
    db.session.commit()
    keep, away = (user.id for user in pair)
    assert seeded.post(f"/users/{keep}/merge", data={"other": away}).status_code == 303
    kept = db.session.get(User, keep)
    assert kept is not None and kept.email == "mona@example.test" and db.session.get(User, away) is None
    assert seeded.post(f"/users/{keep}/delete").status_code == 303
    assert db.session.get(User, keep) is None


def test_a_name_taken_meanwhile_leaves_the_screen_usable(seeded: FlaskClient) -> None:
    for _ in range(2):
        answer = seeded.post("/libraries/groups/new", data={"name": "Kids"}, headers=by_htmx("groups"))
    assert answer.status_code == 422 and "Kids" in answer.text
    assert seeded.get("/libraries/groups").status_code == 200


def _changes() -> int:
    return db.session.scalar(db.select(db.func.count()).select_from(AuditEntry)) or 0
