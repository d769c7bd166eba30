"""What a person does in the panel, found by what the page calls it; each step begins where the page offers it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from tests.journeys.browsing import PASSWORD
from tests.journeys.installation import PATIENCE_S

EMAIL = "ada@example.test"
PATIENCE_MS = PATIENCE_S * 1000
LOOK_EVERY_MS = 250


@dataclass
class Person:
    """Somebody at a browser window, with JavaScript or without."""

    page: Page
    has_javascript: bool = True

    @property
    def main(self) -> Locator:
        """The page without its navigation."""
        return self.page.get_by_role("main")

    @property
    def sheet(self) -> Locator:
        """Where questions are asked: the dialog, or without JavaScript a page of its own."""
        return self.page.get_by_role("dialog") if self.has_javascript else self.main

    def button(self, name: str | re.Pattern[str], within: Locator | None = None) -> None:
        """Press a button."""
        (within or self.main).get_by_role("button", name=name).click()

    def follow(self, name: str | re.Pattern[str], within: Locator | None = None) -> None:
        """Follow a link."""
        (within or self.main).get_by_role("link", name=name).click()

    def choose(self, *words: str) -> None:
        """Go through the navigation, one word after the other."""
        for word in words:
            self.page.get_by_role("navigation").get_by_role("link", name=word, exact=True).first.click()

    def become_admin(self, link: str) -> None:
        """Open the set-up link and choose a password."""
        self.page.goto(link)
        self.page.get_by_label("Your e-mail").fill(EMAIL)
        self.page.get_by_label("Password, at least").fill(PASSWORD)
        self.page.get_by_label("The same password again").fill(PASSWORD)
        self.page.get_by_role("button", name="Set up").click()
        self.told("You are the administrator of this panel now.")

    def told(self, sentence: str | re.Pattern[str]) -> None:
        """The page says this."""
        expect(self.main.get_by_text(sentence)).to_be_visible(timeout=PATIENCE_MS)

    def first_step(self, label: str) -> None:
        """The list of first steps names this as the next thing to do; follow it."""
        self.choose("Servers")
        self.is_next(label)
        self.follow(label, self.steps)

    @property
    def steps(self) -> Locator:
        """The first steps."""
        return self.main.get_by_role("listitem").filter(has=self.page.locator(".first-step-mark"))

    def sign_in_with_plex(self, username: str) -> None:
        """From the choice of a server: add a Plex account that is approved on plex.tv's page."""
        self.follow(re.compile("^Plex"))
        self.button("Sign in with Plex")
        with self.page.context.expect_page() as opened:
            self.follow("Open plex.tv")
        opened.value.get_by_role("button", name=username).click()
        expect(opened.value.get_by_text("has allowed it")).to_be_visible()
        opened.value.close()
        if not self.has_javascript:
            self.button("Check")
        self.told("was added. Choose its servers.")

    def add_listed_server(self, name: str) -> None:
        """One of the Plex account's own servers, whose address is found."""
        self.follow(name)
        self._try_and_add(name)

    def add_server(self, platform: str, name: str, url: str, key: str) -> None:
        """An Emby or Jellyfin server, by address and key."""
        self.follow(re.compile(f"^{platform}"))
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Address").fill(url)
        self.page.get_by_label("API key").fill(key)
        self._try_and_add(name, key)

    def _try_and_add(self, name: str, key: str = "") -> None:
        self.button("Test connection")
        expect(self.main.get_by_text("It answers at this address: yes")).to_be_visible(timeout=PATIENCE_MS)
        if key and not self.has_javascript:
            self.told("A page never gets a key back: type it once more.")
            self.page.get_by_label("API key").fill(key)
        self.button("Add the server")
        self.told(f"{name} was added. Its first sync has begun.")

    def await_sync(self, name: str, found: str) -> None:
        """Watch the row of a server until its sync has found this."""
        self._until_seen(self.page.get_by_role("row", name=name).get_by_text(found))

    def is_next(self, label: str) -> None:
        """The list of first steps names this as the next thing to do."""
        self._until_seen(self.steps.and_(self.page.locator("[aria-current=step]")).filter(has_text=label))

    def _until_seen(self, sight: Locator) -> None:
        """What a sync brings comes by itself, or without JavaScript by the link the page offers for it."""
        reload = self.main.get_by_role("link", name="Reload to see how far the syncs are")
        deadline = time.monotonic() + PATIENCE_S
        while not self.has_javascript and not sight.count() and time.monotonic() < deadline:
            if reload.count():
                reload.click()
            self.page.wait_for_timeout(LOOK_EVERY_MS)
        expect(sight).to_be_visible(timeout=PATIENCE_MS)

    def apply_suggestions(self, libraries: int) -> None:
        """Put all libraries into the suggested groups."""
        self.first_step("Put libraries into groups")
        self.follow(f"Apply all suggestions ({libraries})")
        self.button("Apply all suggestions", self.sheet)
        self.told(f"{libraries} libraries put into the suggested groups.")

    def make_plan(self, name: str, *groups: str) -> None:
        """On the screen Plans: a plan that includes these groups."""
        self.follow("New plan…")
        self.sheet.get_by_label("Name").fill(name)
        for group in groups:
            self.sheet.get_by_label(group, exact=True).check()
        self.button("Save", self.sheet)
        self.told(f"{name} is saved.")

    def pay(self, plan: str, *names: str) -> None:
        """On the screen Users: give these people, or all without a name, a payment on the plan."""
        for name in names:
            self.page.get_by_label(f"Select {name}", exact=True).check()
        self.button("Change the selected…" if names else re.compile("^Change all"))
        self.page.get_by_label("What to change").select_option("Give a payment from today to those who have none now")
        self.page.get_by_label("Plan", exact=True).select_option(plan)
        self.button("Continue…")
        self.button("Change them")
        self.told("Give those who have none now a payment")

    def fill_in_addresses(self, table: str, values: int, users: int) -> None:
        """On the screen Users: addresses from a CSV."""
        self.follow("Fill in e-mails…")
        self.page.get_by_label("Or paste it here").fill(table)
        self.button("Show what it changes…")
        self.button("Fill them in")
        self.told(re.compile(f"{values} values? of {users} users?"))

    def set_up_mail(self, port: int) -> None:
        """Type the mail server, try it, save it."""
        self.first_step("Set up mail")
        self.page.get_by_label("Host").fill("127.0.0.1")
        self.page.get_by_label("Port", exact=True).fill(str(port))
        self.page.get_by_label("None (only within your own network)").check()
        self.page.get_by_label("Password").fill("typed once")
        self.page.get_by_label("Sender").fill("Streamferry <panel@example.test>")
        self.button("Send test mail")
        self.told(f"has taken the mail to {EMAIL}.")
        expect(self.page.get_by_label("Password")).to_have_value("typed once" if self.has_javascript else "")
        self.button("Save")
        self.told("Saved.")

    def say_where_the_panel_is(self) -> None:
        """Its public address is the one the browser shows."""
        self.first_step("Say where the panel is reached")
        self.page.get_by_label("Public address of this panel").fill(self.page.url.partition("/settings")[0])
        self.button("Save")
        self.told("The settings are saved.")

    def open_preflight(self, source: str, target: str) -> Locator:
        """From the Servers panel to the choice of a target; answers what is said about the pair."""
        self.choose("Servers")
        self.page.get_by_role("link", name=f"Actions for {source}").click()
        self.follow("Migrate users…", self.sheet)
        self.sheet.get_by_role("radio", name=target).check()
        if not self.has_javascript:
            self.button("Check")
        said = self.sheet.get_by_role("button", name=re.compile("^OK, migrate"))
        expect(said).to_be_visible(timeout=PATIENCE_MS)
        return self.sheet

    def start(self, users: str, *, access: str, pace: str = "") -> None:
        """Choose what becomes of the source access, and OK."""
        self.sheet.get_by_role("radio", name=re.compile(f"^{access}")).check()
        if pace:
            self.sheet.get_by_label("Seconds between two users").fill(pace)
        self.button(f"OK, migrate {users}", self.sheet)
        self.page.wait_for_url(re.compile(r"/migrations/\d+$"))

    def watch_until(self, status: str) -> None:
        """Look at the live page until it says so."""
        expect(self.main.get_by_text(status, exact=True).first).to_be_visible(timeout=PATIENCE_MS)

    def sees(self, name: str, status: str) -> None:
        """The live page says so about somebody."""
        expect(self.page.get_by_role("row", name=name).get_by_text(status, exact=True)).to_be_visible()
