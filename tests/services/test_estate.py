"""An estate file creates or updates rows, all or nothing, as often as one likes, and asks no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from panel.domain.platform import Platform
from panel.models import EmailTemplate, Library, LibraryGroup, Payment, Plan, PlexAccount, Server, Setting, SmtpSecurity, User
from panel.services.estate import EstateError, Summary, apply, load
from tests.services.rows import dump
from tests.world import World, estate_of

ESTATE = """
plex_accounts:
- {email: olga@example.test, token: plex-token, has_plex_pass: true}
servers:
- {name: Den, platform: plex, url: "http://den.example.test:32400/", plex_account: olga@example.test, max_users: 50}
- {name: Cedar, platform: emby, url: "https://cedar.example.test", token: key, has_emby_premiere: true}
library_groups: [Kids]
libraries:
- {server: Den, name: Movies, group: Standard}
- {server: Cedar, name: Films, group: Kids}
plans:
- {name: Basic, library_groups: [Standard, Kids], allow_downloads: true, duration_days: 90, default: true}
users:
- name: Ann
  email: ann@example.test
  plex_email: ann@plex.test
  permanent: false
  payments:
  - {plan: Basic, start: 2026-01-01, end: 2026-12-31}
settings:
  admin_email: admin@example.test
  pace_s: 45
  smtp: {host: mail.example.test, port: 25, security: none, username: u, password: p, sender: Panel <panel@example.test>}
  system_message_enabled: false
  import_as_permanent: true
"""


def take(db: Any, text: str, **environ: str) -> Summary:
    summary = apply(load(text, environ))
    db.session.commit()
    db.session.expunge_all()
    return summary


def refused(db: Any, text: str) -> str:
    """What is said of a file that is refused, having looked that nothing has changed."""
    before = dump()
    with pytest.raises(EstateError) as error:
        apply(load(text, {}))
    db.session.commit()
    assert dump() == before
    return str(error.value)


def one(db: Any, model: Any) -> Any:
    return db.session.scalars(select(model)).one()


@pytest.fixture
def estate(db: Any) -> str:
    take(db, ESTATE)
    return ESTATE


def test_creates_everything_the_file_names(db: Any, estate: str) -> None:
    den, cedar = db.session.scalars(select(Server).order_by(Server.id))
    assert (den.platform, den.url, den.plex_account.email, den.max_users) == (
        Platform.PLEX,
        "http://den.example.test:32400",
        "olga@example.test",
        50,
    )
    assert (cedar.token, cedar.has_emby_premiere, cedar.enabled, cedar.allow_new_subscriptions) == ("key", True, True, True)
    assert (one(db, PlexAccount).token, one(db, PlexAccount).has_plex_pass) == ("plex-token", True)
    libraries = [(row.name, row.group.name, row.remote_id) for row in db.session.scalars(select(Library).order_by(Library.id))]
    assert libraries == [("Movies", "Standard", ""), ("Films", "Kids", "")]
    plan = one(db, Plan)
    assert (plan.allow_downloads, plan.duration_days, plan.is_default) == (True, 90, True)
    assert [group.name for group in plan.groups] == ["Kids", "Standard"]
    ann = one(db, User)
    assert (ann.name, ann.email, ann.plex_email, ann.imported, ann.permanent) == ("Ann", "ann@example.test", "ann@plex.test", True, False)
    assert [(p.start_at, p.end_at) for p in ann.payments] == [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, 23, 59, 59, 999999, UTC))
    ]


def test_writes_the_settings(db: Any, estate: str) -> None:
    row = Setting.current()
    assert (row.admin_email, row.pace_s, row.import_as_permanent) == ("admin@example.test", 45.0, True)
    assert (row.smtp_host, row.smtp_port, row.smtp_security, row.smtp_username, row.smtp_password, row.smtp_sender) == (
        "mail.example.test",
        25,
        SmtpSecurity.NONE,
        "u",
        "p",
        "Panel <panel@example.test>",
    )
    assert db.session.get(EmailTemplate, "system_message").enabled is False


def test_makes_the_groups_that_ship(db: Any) -> None:
    take(db, "users: []\n")
    groups = {row.name: row.locked for row in db.session.scalars(select(LibraryGroup))}
    assert groups == {"Private": True, "Standard": True, "Premium 4K": False}


def test_changes_nothing_the_second_time(db: Any, estate: str) -> None:
    before = dump()
    assert str(take(db, estate)) == "Everything was as the file says already."
    assert dump() == before


def test_asks_no_server(db: Any, world: World) -> None:
    take(db, estate_of(world))
    assert [entry for host in world.hosts for entry in host.journal] == []


def test_leaves_alone_what_an_update_does_not_name(db: Any, estate: str) -> None:
    before = dump("settings", "users", "servers")
    take(
        db,
        "users:\n- {name: Ann B, email: ANN@example.test}\nsettings: {smtp: {port: 2525}}\n"
        "servers: [{name: cedar, platform: emby, url: 'http://new'}]\n",
    )
    ann, setting, cedar = one(db, User), Setting.current(), Server.by_name("Cedar")
    assert (ann.name, ann.plex_email, len(ann.payments)) == ("Ann B", "ann@plex.test", 1)
    assert (setting.smtp_port, setting.smtp_host, setting.smtp_password, setting.admin_email) == (
        2525,
        "mail.example.test",
        "p",
        "admin@example.test",
    )
    assert cedar is not None
    assert (cedar.url, cedar.token, cedar.has_emby_premiere) == ("http://new", "key", True)
    assert dump("settings", "users", "servers") == before


def test_keeps_the_machine_id_when_a_url_changes(db: Any, estate: str) -> None:
    server = Server.by_name("Cedar")
    assert server is not None
    server.machine_id = "cedar-machine"
    db.session.commit()
    take(db, estate.replace("https://cedar.example.test", "http://other.example.test"))
    assert [row.machine_id for row in db.session.scalars(select(Server).where(Server.name == "Cedar"))] == ["cedar-machine"]


def test_matches_payments_by_plan_and_start(db: Any, estate: str) -> None:
    take(
        db,
        "users:\n- name: Ann\n  email: ann@example.test\n  payments:\n"
        "  - {plan: Basic, start: 2026-01-01, end: 2027-01-31}\n  - {plan: basic, start: 2027-02-01, end: 2027-02-28}\n",
    )
    assert [payment.end_at.date().isoformat() for payment in one(db, User).payments] == ["2027-01-31", "2027-02-28"]


def test_moves_the_default_to_another_plan(db: Any, estate: str) -> None:
    take(db, "plans: [{name: Gold, default: true}]\n")
    assert {plan.name: plan.is_default for plan in db.session.scalars(select(Plan))} == {"Basic": False, "Gold": True}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "libraries:\n- {server: Dan, name: Movies}\n",
            "line 2, libraries[0].server: there is no server named “Dan”; known: Cedar, Den.",
        ),
        (
            "libraries:\n- {server: Den, name: Movies, group: Grownups}\n",
            "line 2, libraries[0].group: there is no library group named “Grownups”; "
            "known: Brand new, Kids, Premium 4K, Private, Standard.",
        ),
        (
            "plans:\n- name: Gold\n  library_groups:\n  - Standard\n  - Golden\n",
            "line 5, plans[0].library_groups[1]: there is no library group named “Golden”",
        ),
        (
            "users:\n- name: Bob\n  payments:\n  - plan: Gold\n    start: 2026-01-01\n    end: 2026-01-31\n",
            "line 4, users[0].payments[0].plan: there is no plan named “Gold”; known: Basic.",
        ),
        (
            "servers:\n- {name: Loft, platform: plex, url: 'http://a', plex_account: who@example.test}\n",
            "line 2, servers[0].plex_account: there is no Plex account named “who@example.test”; known: olga@example.test.",
        ),
        (
            "servers:\n- {name: Loft, platform: plex, url: 'http://a'}\n",
            "line 2, servers[0].plex_account: is missing: Plex servers need one.",
        ),
        ("servers:\n- {name: Oak, platform: emby, url: 'http://a'}\n", "line 2, servers[0].token: is missing: Emby servers need one."),
        ("plex_accounts:\n- email: new@example.test\n", "line 2, plex_accounts[0].token: is missing: a new Plex account needs its token."),
        ("plex_accounts:\n- email: olga@example.test\n  token:\n", "line 3, plex_accounts[0].token: must not be empty."),
        (
            "servers:\n- {name: Cedar, platform: jellyfin, url: 'http://a', token: t}\n",
            "line 2, servers[0].platform: Cedar is of Emby, and a server's platform never changes: add another one.",
        ),
    ],
)
def test_changes_nothing_when_the_file_does_not_fit_what_is_there(db: Any, estate: str, text: str, expected: str) -> None:
    new = "library_groups: [Brand new]\nusers:\n- name: Zoe\n" if "users:" not in text else "library_groups: [Brand new]\n"
    assert expected in refused(db, text + new)


def test_names_mistakes_of_several_kinds_together(db: Any) -> None:
    users = "users:\n- name: B\n  payments: [{plan: P, start: 2026-01-01, end: 2026-02-01}]\n"
    said = refused(db, "libraries: [{server: A, name: M, group: G}]\n" + users)
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "line 1, libraries[0].server",
        "line 1, libraries[0].group",
        "line 4, users[0].payments[0].plan",
    ]


# M16
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"platforms": ("plex",)}, "line 6, servers[1]: This installation does not allow Emby servers (PANEL_PLATFORMS)."),
        ({"max_servers": 1}, "line 6, servers[1]: This installation may have 1 servers at most (PANEL_MAX_SERVERS)."),
    ],
)
def test_refuses_servers_past_the_limits_of_the_installation(app: Any, db: Any, limits: dict[str, Any], expected: str) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], **limits)
    assert refused(db, ESTATE) == expected


def test_updates_servers_although_the_limit_is_reached(app: Any, db: Any, estate: str) -> None:
    app.extensions["panel_config"] = replace(app.extensions["panel_config"], max_servers=2)
    take(db, estate.replace("max_users: 50", "max_users: 60"))
    assert db.session.scalar(select(Server.max_users).where(Server.name == "Den")) == 60


@pytest.mark.parametrize("field", ["email", "plex_email", "emby_email"])
def test_meets_a_user_found_by_sync_by_any_address(db: Any, field: str) -> None:
    db.session.add(User(name="someone", **{field: "Ann@Example.test"}))
    db.session.commit()
    take(db, "users:\n- {name: Ann, plex_email: ann@example.test}\n")
    assert (one(db, User).name, one(db, User).imported) == ("Ann", True)


@pytest.mark.parametrize(
    ("stored", "count"),
    [(["ann"], 1), (["ANN"], 1), (["ann", "ANN"], 2), (["Ann", "ann"], 2), (["Ann", "Ann"], 3), (["ANN", "aNN"], 3), (["Anne"], 2)],
)
def test_meets_a_user_by_name_only_when_exactly_one_has_it(db: Any, stored: list[str], count: int) -> None:
    db.session.add_all(User(name=name) for name in stored)
    db.session.commit()
    name = "ann" if stored == ["ann", "ANN"] else "Ann"
    take(db, f"users:\n- {{name: {name}, email: ann@example.test}}\n")
    assert len(db.session.scalars(select(User)).all()) == count


def test_meets_a_user_found_on_jellyfin_by_the_name_there(db: Any) -> None:
    db.session.add(User(name="juna", jellyfin_name="juna"))
    db.session.commit()
    take(db, "users:\n- {name: June Anders, jellyfin_name: Juna}\n")
    assert one(db, User).name == "June Anders"


def test_does_not_take_one_person_for_another_of_the_same_name(db: Any) -> None:
    db.session.add(User(name="Ann", plex_id="9", plex_email="other@example.test"))
    db.session.commit()
    take(db, "users:\n- {name: Ann, plex_email: ann@example.test}\n")
    assert sorted(user.plex_email for user in db.session.scalars(select(User))) == ["ann@example.test", "other@example.test"]


def test_keeps_two_people_of_one_name_apart(db: Any) -> None:
    text = "users:\n- {name: Alex, email: a@example.test}\n- {name: Alex, email: b@example.test}\n- {name: Alex}\n"
    take(db, text)
    before = dump()
    take(db, text)
    assert len(before["users"]) == 3
    assert dump() == before


def test_gives_a_group_to_a_library_that_was_found(db: Any, estate: str) -> None:
    library = db.session.scalars(select(Library).where(Library.name == "Movies")).one()
    library.remote_id, library.name = "77", "MOVIES"
    db.session.commit()
    take(db, "libraries: [{server: Den, name: Movies, group: Kids}]\n")
    rows = db.session.scalars(select(Library).where(Library.name == "MOVIES")).all()
    assert [(row.remote_id, row.group.name) for row in rows] == [("77", "Kids")]


def test_keeps_hostile_names_as_they_are(db: Any) -> None:
    names = ["<script>alert(1)</script>", "{{ 7*7 }}", "'; DROP TABLE users; --", "Zoë 🎬 ‮", "x" * 255]
    take(db, "users:\n" + "".join(f"- name: '{name.replace(chr(39), chr(39) * 2)}'\n" for name in names))
    assert [user.name for user in db.session.scalars(select(User).order_by(User.id))] == names


def test_clears_what_is_given_as_nothing(db: Any, estate: str) -> None:
    take(
        db,
        "servers: [{name: Den, platform: plex, url: 'http://den', max_users: null}]\n"
        "users: [{name: Ann, email: ann@example.test, plex_email: }]\nlibraries: [{server: Den, name: Movies, group: null}]\n",
    )
    assert one(db, User).plex_email == ""
    assert [(row.name, row.group_id) for row in db.session.scalars(select(Library).where(Library.name == "Movies"))] == [("Movies", None)]
    assert db.session.scalar(select(Server.max_users).where(Server.name == "Den")) is None


def test_takes_back_everything_when_writing_fails(db: Any, estate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dump()

    def fail(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr("panel.services.estate._write_settings", fail)
    with pytest.raises(RuntimeError):
        apply(load(estate.replace("Ann", "Bea").replace("Kids", "Teens"), {}))
    db.session.commit()
    assert dump() == before


def test_counts_what_it_did(db: Any, estate: str) -> None:
    assert str(take(db, estate.replace("max_users: 50", "max_users: 60"))) == "Updated 1 server."
    assert str(take(db, "users: [{name: B, email: b@example.test}, {name: C, email: c@example.test}]\n")) == "Created 2 users."
    assert len(db.session.scalars(select(Payment)).all()) == 1
