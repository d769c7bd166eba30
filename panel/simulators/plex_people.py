"""Who and what plex.tv knows: people, libraries, shares, and what one account grants one person."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from panel.simulators.plex_routes import Refusal

if TYPE_CHECKING:
    from panel.simulators.plex_server import PlexServer

Settings = dict[str, bool | int | str]

DEFAULT_SETTINGS: Settings = {
    "allowSync": False,
    "allowCameraUpload": False,
    "allowChannels": False,
    "allowTuners": 0,
    "allowSubtitleAdmin": False,
    "filterAll": "",
    "filterMovies": "",
    "filterMusic": "",
    "filterPhotos": "",
    "filterTelevision": "",
}
NEEDS_PLEX_PASS = ("allowSync", "allowCameraUpload", "filterAll", "filterMovies", "filterMusic", "filterPhotos", "filterTelevision")
FLAGS: dict[object, bool] = {"0": False, "1": True, "true": True, "false": False, 0: False, 1: True}


@dataclass(eq=False)
class PlexPerson:
    """One plex.tv account, or a managed user of a Home (`restricted`, without e-mail, username and token of its own)."""

    id: int
    uuid: str
    username: str
    email: str
    title: str
    token: str = field(repr=False)
    plex_pass: bool = False
    password: str = field(default="", repr=False)
    verification_code: str = field(default="", repr=False)
    confirmed: bool = True
    restricted: bool = False
    age_profile: str | None = None
    pin: str = field(default="", repr=False)
    joined_at: int = 1_500_000_000
    home_admin: PlexPerson | None = None
    home_members: list[PlexPerson] = field(default_factory=list, repr=False)

    @property
    def home(self) -> bool:
        """Whether the person is in a Plex Home, as its admin or as a member."""
        return self.home_admin is not None or bool(self.home_members)

    @property
    def household(self) -> list[PlexPerson]:
        """Everybody in the person's Plex Home, its admin first; empty without one."""
        admin = self.home_admin or self
        return [admin, *admin.home_members] if admin.home_members else []

    @property
    def label(self) -> str:
        """How sentences for people name the person."""
        return self.username or self.title or self.email


@dataclass(eq=False)
class PlexSection:
    """One library: `id` is plex.tv's number (9 digits), `key` the one of its server. Unpublished ones plex.tv does not know yet."""

    id: int
    key: int
    title: str
    type: str
    published: bool = True


@dataclass(eq=False)
class Relation:
    """What one account grants one person or address: the settings, one set for all its servers, and the shares."""

    owner: PlexPerson
    person: PlexPerson | None
    address: str
    settings: Settings = field(default_factory=lambda: dict(DEFAULT_SETTINGS))
    shares: list[Share] = field(default_factory=list)
    invite_id: int = 0
    invited_at: int = 0

    @property
    def email(self) -> str:
        """The person's address, or the one that was invited."""
        return self.person.email if self.person else self.address

    @property
    def key(self) -> int | str:
        """What tells this relation from the owner's others."""
        return self.person.id if self.person else self.address.lower()

    @property
    def invited(self) -> list[Share]:
        """The shares that wait for an answer."""
        return [share for share in self.shares if share.pending and not share.orphan]


@dataclass(eq=False)
class Share:
    """One person's access to one server. `orphan`: the row a withdrawn invite left behind. Times are epoch seconds."""

    id: int
    relation: Relation
    server: PlexServer
    section_ids: set[int]
    token: str = field(repr=False)
    invited_at: int
    accepted: bool = False
    accepted_at: int | None = None
    all_libraries: bool = False
    skip_friendship: bool = False
    orphan: bool = False
    deleted_at: int | None = None
    left_at: int | None = None

    @property
    def person(self) -> PlexPerson | None:
        """Whose access it is; `None` while the address has no account."""
        return self.relation.person

    @property
    def email(self) -> str:
        """The address invited, empty for managed users."""
        return self.relation.email

    @property
    def settings(self) -> Settings:
        """The person's settings, shared by all servers of this owner."""
        return self.relation.settings

    @property
    def pending(self) -> bool:
        """Whether nobody has accepted it."""
        return not self.accepted

    @property
    def sections(self) -> list[PlexSection]:
        """The libraries granted, in the server's order."""
        return [section for section in self.server.sections if section.id in self.section_ids]


def parsed_settings(raw: object) -> Settings:
    """Settings as they came (booleans may be "0" and "1", filters may be null), typed. Refused as 422: unknown names, wrong types."""
    if not isinstance(raw, dict):
        raise Refusal(422, "The sharing settings are invalid")
    return {str(name): _parsed_setting(str(name), value) for name, value in raw.items()}


def _parsed_setting(name: str, value: object) -> bool | int | str:
    wrong = Refusal(422, f"The sharing setting {name} is invalid")
    if name.startswith("filter") and name in DEFAULT_SETTINGS:
        if value is None or isinstance(value, str):
            return value or ""
    elif name == "allowTuners":
        if str(value) in ("0", "1", "2"):
            return int(str(value))
        if isinstance(value, bool):
            return int(value)
    elif name in DEFAULT_SETTINGS and isinstance(value, (str, int)) and value in FLAGS:
        return FLAGS[value]
    raise wrong


def check_settings(owner: PlexPerson, person: PlexPerson | None, settings: Settings) -> None:
    """Refuse what the owner may not set (400: needs Plex Pass) and what the person's age profile rules out (422)."""
    unusual = [name for name, value in settings.items() if value != DEFAULT_SETTINGS[name]]
    if person and person.age_profile and any(name.startswith("filter") for name in unusual):
        raise Refusal(422, f"An error occurred updating the settings for {person.label}.")
    if not owner.plex_pass and any(name in NEEDS_PLEX_PASS for name in unusual):
        raise Refusal(400, "These sharing settings require a Plex Pass")


def fixed_token(kind: str, number: int) -> str:
    """A token of 20 characters, the same in every run."""
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()[:20]
