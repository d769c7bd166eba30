"""From an empty panel to a finished migration and its mail, by nothing but what the pages offer: a real tree, browser and mail server."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from panel.demo.received import Mail
from panel.simulators.connect import ConnectAccount
from panel.simulators.emby import Emby
from panel.simulators.jellyfin import Jellyfin
from panel.simulators.plex_tv import PlexServer
from tests.browser import REASON, chromium_path
from tests.journeys.browsing import browser_type_launch_args
from tests.journeys.installation import PATIENCE_S, Installation, empty_installation
from tests.journeys.person import EMAIL, PATIENCE_MS, Person
from tests.processes import wait_until

__all__ = ["browser_type_launch_args"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400), pytest.mark.skipif(chromium_path() is None, reason=REASON)]

PLEX_LIBRARIES = [("Movies", "movie"), ("TV Shows", "show"), ("Movies 4K", "movie"), ("Home Videos", "movie")]
LIBRARIES = [("Films", "movies"), ("Shows", "tvshows"), ("Films 4K", "movies"), ("Home Videos", "homevideos")]

Sit = Callable[..., Person]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An empty panel."""
    with empty_installation(tmp_path) as running:
        yield running


@pytest.fixture
def sit(browser: Browser) -> Iterator[Sit]:
    """Opens a window for somebody; in the end no browser may have complained."""
    windows, complaints = [], []

    def open_window(*, javascript: bool = True) -> Person:
        context = browser.new_context(java_script_enabled=javascript)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        windows.append(context)
        return Person(page, javascript)

    yield open_window
    for window in windows:
        window.close()
    assert complaints == []


def plex_server(installation: Installation, name: str) -> PlexServer:
    """A Plex server of Olga's."""
    owner = installation.tv.find("olga") or installation.tv.add_account("olga", "olga@example.test", plex_pass=True)
    server = installation.tv.add_server(owner, name, PLEX_LIBRARIES)
    installation.opened(server)
    return server


def emby_server(installation: Installation) -> Emby:
    """Cedar, with Alice, whose address it knows, Bob and Zoe."""
    cedar = Emby("Cedar", libraries=LIBRARIES)
    cedar.connect_accounts["alice@example.test"] = ConnectAccount("alice@example.test", "alice@example.test")
    cedar.add_user("Alice", "secret", libraries=["Films", "Shows"], connect_email="alice@example.test")
    cedar.add_user("Bob", "secret", libraries=["Films"])
    cedar.add_user("Zoe", "secret", libraries=["Films"])
    installation.opened(cedar)
    return cedar


def jellyfin_server(installation: Installation) -> Jellyfin:
    """Birch, on which nobody is yet."""
    birch = Jellyfin("Birch", libraries=LIBRARIES)
    installation.opened(birch)
    return birch


def seen_on(server: Any, name: str) -> set[str] | None:
    """The libraries somebody sees on an Emby or Jellyfin server; `None` without access."""
    account = server.user(name)
    return None if account is None or account.policy["IsDisabled"] else set(server.visible(account))


def shared_on(server: PlexServer, email: str) -> set[str] | None:
    """The libraries of a Plex server that somebody sees; `None` without a share they have accepted."""
    share = server.share_of(email)
    if share is None or not share.accepted:
        return None
    return {section.title for section in server.sections if section.id in share.section_ids}


def rows_of(mail: Mail) -> dict[str, str]:
    """Name and status of each line of the table that comes with a result mail."""
    (table,) = mail.attachments
    return {row["user"]: row["status"] for row in csv.DictReader(io.StringIO(table.content.decode()))}


def numbers_of(mail: Mail) -> dict[str, int]:
    """The counts in the text of a result mail."""
    pairs = (line.split(":") for line in mail.text.splitlines() if line.partition(":")[2].strip().isdecimal())
    return {name: int(number) for name, number in pairs}


def test_plex_to_jellyfin(installation: Installation, sit: Sit) -> None:
    oak, birch = plex_server(installation, "Oak"), jellyfin_server(installation)
    for name, titles in {"alice": ["Movies", "TV Shows"], "bob": ["Movies"], "dora": ["Movies", "Movies 4K"], "erik": ["Movies"]}.items():
        installation.tv.share(oak, installation.tv.add_account(name, f"{name}@example.test"), titles)
    installation.tv.share(oak, installation.tv.add_account("carl", "carl@example.test"), ["Movies"], accepted=False)
    ada = sit()
    ada.become_admin(installation.setup_link)
    ada.first_step("Add two servers")
    ada.sign_in_with_plex("olga")
    ada.add_listed_server("Oak")
    ada.await_sync("Oak", "4 libraries, 5 people, 5 new.")
    ada.first_step("Add two servers")
    ada.add_server("Jellyfin", "Birch", birch.url, birch.api_key)
    ada.await_sync("Birch", "4 libraries, 1 person, 1 new.")
    ada.is_next("Put libraries into groups")
    ada.apply_suggestions(8)
    ada.first_step("Make the plans")
    ada.make_plan("Basic", "Standard")
    ada.make_plan("Premium", "Standard", "Premium 4K")
    ada.first_step("Look through the users")
    ada.pay("Premium", "dora")
    ada.pay("Basic", "alice", "bob", "carl")
    ada.set_up_mail(installation.smtp_port)
    ada.say_where_the_panel_is()
    pair = ada.open_preflight("Oak", "Birch")
    expect(pair.get_by_text("3 people move")).to_be_visible()
    expect(pair.get_by_text("1 person stays: they have no active subscription")).to_be_visible()
    ada.start("3 users", access="When active", pace="0.2")
    ada.watch_until("finished")
    ada.sees("alice", "moved")
    ada.sees("erik", "skipped")

    mail = installation.mail(EMAIL, "Oak → Birch: 3 of 3 moved")
    assert numbers_of(mail) == {"Users in total": 6, "Moved": 3, "Invited": 0, "Skipped": 3, "Failed": 0}
    assert "erik (skipped): Has no active subscription" in mail.text
    assert {name for name, status in rows_of(mail).items() if status == "moved"} == {"alice", "bob", "dora"}
    opened = {name: seen_on(birch, name) for name in ("alice", "bob", "carl", "dora", "erik")}
    assert opened == {
        "alice": {"Films", "Shows"},
        "bob": {"Films", "Shows"},
        "dora": {"Films", "Shows", "Films 4K"},
        "carl": None,
        "erik": None,
    }
    left = {name: shared_on(oak, f"{name}@example.test") for name in ("alice", "bob", "dora", "erik")}
    assert left == {"alice": None, "bob": None, "dora": None, "erik": {"Movies"}}

    told = installation.mail("alice@example.test", "")
    alice = sit()
    alice.page.goto(next(word for word in told.text.split() if "/claim/" in word))
    alice.page.get_by_label("New password").fill("my own password")
    alice.page.get_by_label("The same password again").fill("my own password")
    alice.page.get_by_role("button", name="Set the password").click()
    expect(alice.page.get_by_role("heading", name="Your password is set")).to_be_visible()
    assert birch.can_sign_in("alice", "my own password")


@pytest.mark.thorough
def test_emby_to_plex(installation: Installation, sit: Sit) -> None:
    cedar, elm = emby_server(installation), plex_server(installation, "Elm")
    for name in ("alice", "bob"):
        installation.tv.add_account(name, f"{name}@plex.test")
    ada = sit()
    ada.become_admin(installation.setup_link)
    ada.first_step("Add two servers")
    ada.add_server("Emby", "Cedar", cedar.url, cedar.api_key)
    ada.await_sync("Cedar", "4 libraries, 4 people, 4 new.")
    ada.first_step("Add two servers")
    ada.sign_in_with_plex("olga")
    ada.add_listed_server("Elm")
    ada.await_sync("Elm", "4 libraries, 0 people.")
    ada.apply_suggestions(8)
    ada.first_step("Make the plans")
    ada.make_plan("Basic", "Standard")
    ada.first_step("Look through the users")
    ada.pay("Basic")
    ada.fill_in_addresses("name;plex_email;emby_email\nAlice;alice@plex.test;\nBob;bob@plex.test;bob@example.test\n", 3, 2)
    ada.set_up_mail(installation.smtp_port)
    ada.say_where_the_panel_is()
    pair = ada.open_preflight("Cedar", "Elm")
    expect(pair.get_by_text("2 people move")).to_be_visible()
    expect(pair.get_by_text("2 people stay: their Plex e-mail is missing")).to_be_visible()
    ada.start("2 users", access="When active", pace="0.2")
    ada.watch_until("finished")
    ada.sees("Alice", "invited")

    mail = installation.mail(EMAIL, "Cedar → Elm: 2 of 2 moved")
    assert numbers_of(mail) == {"Users in total": 4, "Moved": 0, "Invited": 2, "Skipped": 2, "Failed": 0}
    assert rows_of(mail)["Zoe"] == "skipped"
    assert installation.mail("bob@plex.test", "").text
    share = elm.share_of("alice@plex.test")
    assert share is not None
    installation.tv.accept(share)
    ada.choose("Users", "Waiting invites")
    ada.follow("Actions for the invite of Alice")
    ada.button("Check now", ada.sheet)
    wait_until(lambda: seen_on(cedar, "Alice") is None, PATIENCE_S)
    assert shared_on(elm, "alice@plex.test") == {"Movies", "TV Shows"}
    assert (shared_on(elm, "bob@plex.test"), seen_on(cedar, "Bob")) == (None, {"Films"})
    assert seen_on(cedar, "Zoe") == {"Films"}


@pytest.mark.thorough
def test_emby_to_jellyfin_without_javascript(installation: Installation, sit: Sit) -> None:
    cedar, birch = emby_server(installation), jellyfin_server(installation)
    ada = sit(javascript=False)
    ada.become_admin(installation.setup_link)
    ada.first_step("Add two servers")
    ada.add_server("Emby", "Cedar", cedar.url, cedar.api_key)
    ada.first_step("Add two servers")
    ada.add_server("Jellyfin", "Birch", birch.url, birch.api_key)
    ada.await_sync("Cedar", "4 libraries, 4 people, 4 new.")
    ada.apply_suggestions(8)
    ada.first_step("Make the plans")
    ada.make_plan("Basic", "Standard")
    ada.first_step("Look through the users")
    ada.pay("Basic", "Alice", "Bob")
    ada.fill_in_addresses("name,emby_email\nBob,bob@example.test\n", 1, 1)
    ada.set_up_mail(installation.smtp_port)
    ada.say_where_the_panel_is()
    pair = ada.open_preflight("Cedar", "Birch")
    expect(pair.get_by_text("2 people move")).to_be_visible()
    ada.start("2 users", access="Keep")
    ada.watch_until("finished")
    ada.sees("Bob", "moved")

    mail = installation.mail(EMAIL, "Cedar → Birch: 2 of 2 moved")
    assert numbers_of(mail)["Moved"] == 2
    assert {name for name, status in rows_of(mail).items() if status == "moved"} == {"Alice", "Bob"}
    assert (seen_on(birch, "Alice"), seen_on(birch, "Bob"), seen_on(birch, "Zoe")) == ({"Films", "Shows"}, {"Films", "Shows"}, None)
    assert (seen_on(cedar, "Alice"), seen_on(cedar, "Bob")) == ({"Films", "Shows"}, {"Films"})
