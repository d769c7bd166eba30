"""The people of plex.tv: accounts, tokens, friends, Plex Homes, and the PINs somebody signs in with."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

from panel.simulators.http import Simulator
from panel.simulators.plex_people import PlexPerson, fixed_token
from panel.simulators.plex_routes import Refusal, not_found

HOME_SIZE = 15
PIN_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass
class Pin:
    """A sign-in begun by one installation (`client_identifier`); approved once it has a person."""

    id: int
    code: str
    client_identifier: str
    product: str
    created_at: float
    expires_at: float
    person: PlexPerson | None = None


class PlexAccounts(Simulator):
    """State and rules of accounts. Every public method may be called from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[int, PlexPerson] = {}
        self.tokens: dict[str, PlexPerson] = {}
        self.switch_tokens: set[str] = set()
        self.friends: defaultdict[int, set[int]] = defaultdict(set)
        self.pins: dict[int, Pin] = {}
        self.pin_lifetime_s = 1800.0
        self._by_name: dict[str, PlexPerson] = {}
        self._counters: defaultdict[str, int] = defaultdict(int)

    def next_id(self, kind: str, first: int) -> int:
        """The next number of a kind, from `first` on, without gaps."""
        self._counters[kind] += 1
        return first + self._counters[kind] - 1

    def add_account(
        self, username: str, email: str, *, token: str | None = None, plex_pass: bool = False, title: str | None = None
    ) -> PlexPerson:
        """A plex.tv account, of an owner or of anybody else. The password is `<username>-password`."""
        with self.lock:
            number = self.next_id("person", 9001)
            token = token or fixed_token("account", number)
            person = PlexPerson(number, fixed_token("uuid", number)[:16], username, email, title or username, token, plex_pass)
            person.password = f"{username}-password"
            self.people[number] = person
            self.tokens[token] = person
            self._by_name |= {username.lower(): person, email.lower(): person}
            return person

    def add_managed_user(self, owner: PlexPerson, title: str, age_profile: str | None = None) -> PlexPerson:
        """A user of the owner's Home without an account; `age_profile` is `little_kid`, `older_kid`, `teen` or nothing."""
        with self.lock:
            number = self.next_id("person", 9001)
            person = PlexPerson(number, fixed_token("uuid", number)[:16], "", "", title, "")
            person.restricted, person.age_profile = True, age_profile
            self.people[number] = person
            self.add_home_member(owner, person)
            return person

    def add_home_member(self, owner: PlexPerson, person: PlexPerson) -> None:
        """Take the person into the owner's Home."""
        with self.lock:
            person.home_admin = owner
            owner.home_members.append(person)

    def leave_home(self, person: PlexPerson) -> None:
        """Take the person out of the Home; a managed user ceases to exist."""
        with self.lock:
            if person.home_admin:
                person.home_admin.home_members.remove(person)
                person.home_admin = None
            if person.restricted:
                self.people.pop(person.id, None)
                self._forget_tokens(person)

    def rename(self, person: PlexPerson, *, username: str | None = None, email: str | None = None) -> None:
        """Change the name or the address under which invites find the person."""
        with self.lock:
            for name in (person.username, person.email):
                self._by_name.pop(name.lower(), None)
            person.username = person.username if username is None else username
            person.email = person.email if email is None else email
            self._by_name |= {name.lower(): person for name in (person.username, person.email) if name}

    def find(self, name: str) -> PlexPerson | None:
        """The account with this username or e-mail address, upper and lower case alike."""
        return self._by_name.get(name.strip().lower()) if name else None

    def befriend(self, owner: PlexPerson, person: PlexPerson) -> None:
        """Make the two friends, which says nothing about libraries."""
        with self.lock:
            self.friends[owner.id].add(person.id)
            self.friends[person.id].add(owner.id)

    def unfriend(self, owner: PlexPerson, person: PlexPerson) -> None:
        """End the friendship."""
        with self.lock:
            self.friends[owner.id].discard(person.id)
            self.friends[person.id].discard(owner.id)

    def are_friends(self, owner: PlexPerson, person: PlexPerson) -> bool:
        """Whether the two are friends."""
        return person.id in self.friends[owner.id]

    def revoke_token(self, person: PlexPerson) -> None:
        """Everything the person signed in with ends, as after a changed password."""
        with self.lock:
            self._forget_tokens(person)

    def renew_token(self, person: PlexPerson) -> str:
        """The person signs in again: a new token, kept in `person.token`."""
        with self.lock:
            person.token = self.issue_token(person)
            return person.token

    def issue_token(self, person: PlexPerson, *, switched: bool = False) -> str:
        """One more token of the person; a `switched` one is good for plex.tv only, media servers refuse it."""
        token = fixed_token("issued", self.next_id("token", 1))
        self.tokens[token] = person
        if switched:
            self.switch_tokens.add(token)
        return token

    def _forget_tokens(self, person: PlexPerson) -> None:
        for token in [token for token, holder in self.tokens.items() if holder is person]:
            del self.tokens[token]

    def begin_pin(self, client_identifier: str, product: str, *, strong: bool) -> Pin:
        """A new PIN: 25 characters for the browser flow when `strong`, else the four a person types in."""
        number = self.next_id("pin", 7001)
        letters = int(fixed_token("pin", number), 16)
        code = "".join(PIN_ALPHABET[(letters >> (3 * place)) % len(PIN_ALPHABET)] for place in range(25 if strong else 4))
        now = time.time()
        pin = Pin(number, code.lower() if strong else code, client_identifier, product, now, now + self.pin_lifetime_s)
        self.pins[number] = pin
        return pin

    def pin_of(self, number: int, client_identifier: str) -> Pin:
        """The PIN this installation began. Refused as 404: unknown, expired, somebody else's."""
        pin = self.pins.get(number)
        if pin is None or pin.client_identifier != client_identifier or pin.expires_at <= time.time():
            raise not_found("Code not found or expired")
        return pin

    def approve_pin(self, pin_id_or_code: int | str, person: PlexPerson) -> None:
        """The person says yes in the browser. Raises `KeyError` for a PIN that does not exist."""
        with self.lock:
            wanted = str(pin_id_or_code).lower()
            pin = next((pin for pin in self.pins.values() if wanted in (str(pin.id), pin.code.lower())), None)
            if pin is None:
                raise KeyError(pin_id_or_code)
            if person.token not in self.tokens:
                self.renew_token(person)
            pin.person = person

    def switched(self, me: PlexPerson, person: PlexPerson | None, pin: str) -> str:
        """A token to act as somebody of the same Home. Refused: 404 for strangers, 403 for a wrong PIN."""
        if person is None or person not in me.household:
            raise not_found()
        if person.pin and pin != person.pin:
            raise Refusal(403, "The PIN is not correct")
        return self.issue_token(person, switched=True)
