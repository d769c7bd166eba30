"""The world of the demo: servers, libraries, plans, and people whose names say their case. Facts only; nothing here starts anything."""

from __future__ import annotations

from dataclasses import dataclass, field

from panel.domain.libraries import PREMIUM_4K, PRIVATE, STANDARD

OWNERS_DOMAIN = "owners.example"
BASIC, PREMIUM = "Basic", "Premium"
FOUR_K = (STANDARD, PREMIUM_4K)
GROUPS_OF_PLAN = {BASIC: (STANDARD,), PREMIUM: FOUR_K, "": (STANDARD,)}


@dataclass(frozen=True)
class Place:
    """One media server. `libraries` are (name, kind, group); `account` is the user name of the Plex account that owns it."""

    name: str
    platform: str
    libraries: tuple[tuple[str, str, str], ...]
    account: str = ""
    enabled: bool = True
    allow_new_subscriptions: bool = True
    has_emby_premiere: bool = False
    max_users: int | None = None
    reachable: bool = True

    def names_in(self, groups: tuple[str, ...]) -> list[str]:
        """The libraries in these groups."""
        return [name for name, _, group in self.libraries if group in groups]


@dataclass(frozen=True)
class PlexOwner:
    """A Plex account that owns servers."""

    username: str
    has_plex_pass: bool

    @property
    def email(self) -> str:
        """What the account is known by."""
        return f"{self.username}@{OWNERS_DOMAIN}"


@dataclass(frozen=True)
class Person:
    """Somebody who watches. `on`: names of the servers they are on; `days`: when their payment begins and ends, from today.

    `login` makes their addresses and account names; `state` is how their Plex share or account stands: nothing, `pending`, `withdrawn`,
    `disabled`, `managed` (a Plex Home user), `administrator` or `stranger` (not in the estate file). `sees` overrides the groups of the
    plan, "all" opens everything on the last of their servers. `ends` is how the demo's own migration ends for them, `reason` why.
    """

    name: str
    login: str
    on: tuple[str, ...]
    plan: str = BASIC
    days: tuple[int, int] = (-20, 40)
    permanent: bool = False
    must_change_plex_account: bool = False
    has_plex_email: bool = True
    emby_email: str | None = None
    account_name: str = ""
    domain: str = "people.example"
    state: str = ""
    sees: tuple[str, ...] | None = None
    sees_all: bool = False
    accepts_invites: bool = True
    friend_of: str = ""
    fault: str = ""
    ends: str = "moved"

    @property
    def email(self) -> str:
        """Where they read mail, and what their Plex account is known by."""
        return f"{self.login}@{self.domain}"

    @property
    def emby_address(self) -> str:
        """What Emby Connect knows them by; `""` where it is missing."""
        return self.email if self.emby_email is None else self.emby_email

    @property
    def account(self) -> str:
        """Their account name on Emby and Jellyfin."""
        return self.account_name or self.login

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups whose libraries they see."""
        return self.sees or GROUPS_OF_PLAN[self.plan]


@dataclass(frozen=True)
class Cast:
    """Everybody and everything. `first_run` is the pair the demo migrates by itself."""

    owners: tuple[PlexOwner, ...]
    places: tuple[Place, ...]
    people: tuple[Person, ...]
    first_run: tuple[str, str] = ("Oak", "Birch")
    plans: dict[str, tuple[str, ...]] = field(default_factory=lambda: {name: GROUPS_OF_PLAN[name] for name in (BASIC, PREMIUM)})

    def place(self, name: str) -> Place:
        """The server of this name."""
        return next(place for place in self.places if place.name == name)


OWNERS = (PlexOwner("olive", has_plex_pass=True), PlexOwner("piet", has_plex_pass=False))

PLACES = (
    Place(
        "Oak",
        "plex",
        (("Films", "movie", STANDARD), ("Series", "show", STANDARD), ("Films 4K", "movie", PREMIUM_4K), ("Home videos", "movie", PRIVATE)),
        account="olive",
    ),
    Place(
        "Elm",
        "plex",
        (("Movies", "movie", STANDARD), ("TV", "show", STANDARD), ("Movies UHD", "movie", PREMIUM_4K)),
        account="olive",
        max_users=26,
    ),
    Place("Ash", "plex", (("Cinema", "movie", STANDARD), ("Shows", "show", STANDARD)), account="piet", allow_new_subscriptions=False),
    Place(
        "Cedar",
        "emby",
        (
            ("Films", "movies", STANDARD),
            ("Shows", "tvshows", STANDARD),
            ("Films UHD", "movies", PREMIUM_4K),
            ("Wedding", "homevideos", PRIVATE),
        ),
        has_emby_premiere=True,
    ),
    Place("Willow", "emby", (("Films", "movies", STANDARD), ("Films 4K", "movies", PREMIUM_4K))),
    Place(
        "Birch",
        "jellyfin",
        (
            ("Movies", "movies", STANDARD),
            ("Series", "tvshows", STANDARD),
            ("Movies 4K", "movies", PREMIUM_4K),
            ("Holidays", "homevideos", PRIVATE),
            ("Concerts", "music", ""),
        ),
    ),
    Place("Aspen (switched off)", "jellyfin", (), enabled=False, reachable=False),
)

ON_OAK = ("Oak",)

PEOPLE = (
    Person("Anna Ahlberg", "anna", ON_OAK),
    Person("Ben Okafor (Premium)", "ben", ON_OAK, PREMIUM),
    Person("Chloé Dubois (Premium)", "chloe", ON_OAK, PREMIUM),
    Person("Dana דנה לוי", "dana", ON_OAK),
    Person("Ali علي حسن", "ali", ON_OAK, PREMIUM),
    Person('<b>Bobby</b> "Tables" O\'Neil & Söhne', "bobby", ON_OAK),
    Person("=SUM(1+1) Formula", "formula", ON_OAK),
    Person("Erik (subscription ended)", "erik", ON_OAK, days=(-90, -30), ends="skipped"),
    Person("Fay (subscription starts next week)", "fay", ON_OAK, days=(7, 37), ends="skipped"),
    Person("Gita (permanent, without plan)", "gita", ON_OAK, "", permanent=True),
    Person("Hugo (permanent, sees only Private)", "hugo", ON_OAK, "", permanent=True, sees=(PRIVATE,), ends="skipped"),
    Person("Ines (invite not accepted)", "ines", ON_OAK, state="pending", accepts_invites=False, ends="skipped"),
    Person("Jonas (invite withdrawn)", "jonas", ON_OAK, state="withdrawn", accepts_invites=False, ends="skipped"),
    Person("Kim (managed user of a Plex Home)", "kim", ON_OAK, state="managed", has_plex_email=False, emby_email="", ends="skipped"),
    Person("Lars (must change Plex account)", "lars", ON_OAK, must_change_plex_account=True),
    Person("Mia (no Emby e-mail)", "mia", ON_OAK, emby_email=""),
    Person("Max Müller", "max", ON_OAK, account_name="Max Müller"),
    Person("Max Müller", "maximilian", ON_OAK, account_name="Max Müller", ends="skipped"),
    Person("Nils (name taken on Cedar)", "nils", ON_OAK),
    Person("Olga (name taken on Birch)", "olga", ON_OAK, ends="skipped"),
    Person("Piet (owns Ash)", "piet", ON_OAK, domain=OWNERS_DOMAIN),
    Person("Quinn (already on Elm)", "quinn", ("Oak", "Elm")),
    Person("Rosa (sees too much on Elm)", "rosa", ("Oak", "Elm"), sees_all=True),
    Person("Sam (already on Cedar)", "sam", ("Oak", "Cedar")),
    Person("Templeton {{ 7 * 7 }}", "templeton", ON_OAK),
    Person("Tess (no Emby Connect account)", "tess", ON_OAK, emby_email="tess@unknown.example"),
    Person("Uma (must confirm Emby Connect)", "uma", ON_OAK, emby_email="uma@pending.example"),
    Person("Viktor (plex.tv asks to slow down)", "viktor", ON_OAK, fault="slow_down"),
    Person("Wim (an answer gets lost)", "wim", ON_OAK, fault="lost"),
    Person("Xenia (plex.tv refuses once)", "xenia", ON_OAK, fault="refused", ends="failed"),
    Person("Zara (no room on Elm)", "zara", ON_OAK, PREMIUM),
    Person("Zoltan (no room on Elm)", "zoltan", ON_OAK),
    Person("Otto (on Elm)", "otto", ("Elm",)),
    Person("Paula (on Elm, Premium)", "paula", ("Elm",), PREMIUM),
    Person("Ada (on Ash)", "ada", ("Ash",)),
    Person("Bruno (on Ash, a friend of olive)", "bruno", ("Ash",), friend_of="olive"),
    Person("Cora (on Ash, never accepts)", "cora", ("Ash",), accepts_invites=False),
    Person("Eva (on Cedar)", "eva", ("Cedar",), PREMIUM),
    Person("Finn (on Cedar, no Plex e-mail)", "finn", ("Cedar",), has_plex_email=False),
    Person("Greta (on Cedar, disabled)", "greta", ("Cedar",), state="disabled"),
    Person("Hana (on Cedar, all libraries)", "hana", ("Cedar",), sees_all=True),
    Person("Ivo (on Birch)", "ivo", ("Birch",), PREMIUM),
    Person("Jana (on Birch, no e-mail)", "jana", ("Birch",), has_plex_email=False, emby_email=""),
    Person("Adam (administrator of Birch)", "adam", ("Birch",), state="administrator"),
    Person("Mona", "mona", ("Birch",), state="stranger"),
    Person("Lena (on no server)", "lena", (), days=(-400, -370)),
)

#: Accounts of people nobody knows, in the way of somebody of the same name: (server, account name).
NAMESAKES = (("Cedar", "nils name taken on CEDAR"), ("Birch", "Olga"))

CAST = Cast(OWNERS, PLACES, PEOPLE)
