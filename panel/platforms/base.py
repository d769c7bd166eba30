"""What every platform can do for us, in our words: the `Remote` protocol, its values, and errors sorted by consequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Identity:
    """Who answers behind a URL. `machine_id` never changes while it is the same installation; `version` as the server writes it."""

    machine_id: str
    name: str
    version: str


@dataclass(frozen=True)
class RemoteLibrary:
    """A library of a server. `id` is what access lists take: plex.tv section id, Emby `Guid`, Jellyfin `ItemId`; `kind` is movies, shows,
    music, photos or other."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True)
class Member:
    """Someone's access to one server, as the platform lists it now.

    `id` names the access itself (Plex: the shared_server id; Emby, Jellyfin: the account id) and `account_id` the person (plex.tv user
    id, else the account id; empty for an invited address without an account). `settings` is the platform's own record of what else is
    allowed (Plex: sharing settings and filters; Emby, Jellyfin: the whole policy) and never leaves `platforms` except to be kept.
    """

    id: str
    account_id: str
    name: str
    email: str = ""
    accepted: bool = True
    is_owner: bool = False
    is_managed: bool = False
    disabled: bool = False
    all_libraries: bool = False
    library_ids: frozenset[str] = frozenset()
    no_password: bool = False
    "Whether the platform says that anybody may sign in without one, once the account is enabled (Emby; Jellyfin before 12)."
    invited_at: datetime | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    unreadable: str = ""
    "Why what the platform says of them cannot be read, a sentence; then this only tells whose it is, and nothing is done about it."

    @property
    def has_access(self) -> bool:
        """Whether this opens anything: an accepted share or an enabled account with at least one library."""
        return self.accepted and not self.disabled and (self.all_libraries or bool(self.library_ids))

    @property
    def needs_sealing(self) -> bool:
        """Whether it is closed, and anybody could sign in once it is opened: it has to get a password that nobody knows before."""
        return self.disabled and self.no_password


@dataclass(frozen=True)
class Person:
    """Whom access is given to. `account_id`: the plex.tv user id when known; `name`: the account name wanted on Emby and Jellyfin;
    `email`: the address this platform knows the person by (Plex: invited, Emby: linked with Emby Connect), may be empty."""

    name: str
    email: str = ""
    account_id: str = ""


@dataclass(frozen=True)
class Access:
    """What is to be open: exactly these libraries (never empty), downloads yes, no, or as the platform's default (`None`), and the
    restrictions of the source (`settings` of a `Member` of the same platform family) that have to hold on the target too."""

    library_ids: frozenset[str]
    downloads: bool | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Kept:
    """What an access was before a run changed or removed it, as `Member` said it then: kept to give it back."""

    library_ids: frozenset[str]
    all_libraries: bool = False
    disabled: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What `Remote.give` achieved. `accepted` is `False` while the person still has to accept; `note` is a sentence for the operator
    about what went less well (Emby Connect), or empty; `slow_down` is set where the server has asked for that once the access was given:
    nothing more may be asked of it for a while."""

    member_id: str
    account_id: str
    accepted: bool
    note: str = ""
    slow_down: TooManyRequests | None = None


def nothing_noted(member: Member) -> None:
    """What is done about an account that is closed for a moment where nobody has to know."""


class Remote(Protocol):
    """A live connection to one media server. Every method may raise a `PlatformError`; each has timeouts."""

    platform: str

    def identity(self) -> Identity:
        """Who answers at the address, asked of the server itself, without needing the key to be right (1 request)."""

    def check(self) -> Identity:
        """`identity`, and that the key is accepted with the rights of an administrator (Plex: that the account owns the server)."""

    def libraries(self) -> list[RemoteLibrary]:
        """All libraries that can be shared."""

    def members(self) -> list[Member]:
        """Everyone with an account or a share on this server, pending and disabled ones too, the owner where the platform lists one.
        One request where one list gives it (Plex v2: two). Whoever of several cannot be read is `unreadable`."""

    def member(self, member_id: str) -> Member:
        """One access as it is now, asked for by its own id: for who is missing in a list. Raises `NotThere` when it is gone, `NotAvailable`
        on Plex, where a list is the only thing that tells."""

    def give(self, person: Person, access: Access, known: Member | None = None, *, ours: bool = False) -> Given:
        """Make the person's access exactly `access`.

        `known` is their present entry from a `members` list read just before: it is edited; `None`: access is created. `ours` says that
        `known` is an account a run of ours made and may not have finished (a crash): it gets a new password nobody knows first, as does a
        disabled one that has none.
        Raises `LostAnswer` when a creating request went out and its effect is unknown: settle by `members`, never send again blindly.
        Raises `ValueError` for an empty `library_ids` before anything is sent.
        """

    def take(self, member: Member) -> None:
        """Remove this access: Plex: that share only; Emby, Jellyfin: account disabled and libraries withdrawn, everything else of the
        policy (`member.settings`, read just before) as it was. Already gone is done."""

    def restore(self, member: Member, kept: Kept) -> None:
        """Make a present access again what it was (1 request): libraries, permissions, restrictions; never an administrator. Plex
        knows no sharing of everything that can be asked for by us: all libraries of then are named one by one.
        Raises `Refused` when what was kept is not whole, or opens nothing."""

    def set_password(
        self,
        account_id: str,
        password: str,
        *,
        switched_on: bool = False,
        was: Kept | None = None,
        closing: Callable[[Member], object] = nothing_noted,
    ) -> None:
        """Give an Emby or Jellyfin account this password; with `switched_on` (the claim link) raises `SwitchedOff` for a disabled one, but
        for one that such a link has closed for a moment and that still opens what it `was`: that is enabled again. `closing` is called
        before an account that is open is closed for a moment. Plex raises `NotAllowed`."""

    def reopen(self, account_id: str, was: Kept) -> None:
        """Enable an account again that `set_password` has closed for a moment, with a password that nobody knows, but leave one
        alone that is open and has one. Raises `SwitchedOff` when it does not open any more what it `was`. Plex raises `NotAllowed`."""

    def restrictions_for(self, person: Person, settings: Mapping[str, object]) -> Mapping[str, object]:
        """What has to hold for this person on the target, out of the source's `settings` and what the target keeps for them already
        (Plex: for the whole account). Goes by the last `members` of this connection; no request."""

    def close(self) -> None:
        """Let go of the connections."""


class PlatformError(Exception):
    """Something a media server or plex.tv did that stops a step. `str(error)` is a sentence for people, without secrets.

    `retryable`: the same step may work later. `about_server`: not this user's affair, the whole run has to wait or stop. `of_plex_tv`:
    plex.tv is the trouble, not the server it was asked about.
    """

    retryable = False
    about_server = False
    of_plex_tv = False
    #: Whether it is certain that a request which was to create something has not been carried out.
    had_no_effect = False
    #: Whether an account that had to be closed for the step is certain to have been opened again, as it was.
    opened_again = False


class Unreachable(PlatformError):
    """No connection, no answer in time, or the server is starting (503): wait and try again."""

    retryable = True
    about_server = True


class ServerFault(PlatformError):
    """An answer of the 5xx family, or half an answer: this step may work a moment later."""

    retryable = True


class TooManyRequests(PlatformError):
    """429, or 503 with a time to come back: stop asking. `retry_after_s` is what the server asked for, in seconds, or `None`."""

    retryable = True
    about_server = True

    def __init__(self, sentence: str, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class CredentialsRefused(PlatformError):
    """401: the token or key is not accepted (any more). Nothing on this connection will work until a person replaces it.
    `of_account`: plex.tv itself refused the token, so that no server of that Plex account can be asked."""

    about_server = True
    of_account = False


class NotAllowed(PlatformError):
    """403, or an operation the platform does not have: this step will not work."""


class SwitchedOff(NotAllowed):
    """The account is disabled: with a password its person could still not sign in."""


class NotThere(PlatformError):
    """404 for something asked by id: it is gone (for a removal: done)."""


class NotAvailable(PlatformError):
    """410 or an unknown route: this server does not have the feature; use another way."""


class Refused(PlatformError):
    """400 or 422 with the platform's own reason in the sentence: sending the same again will not help."""


class NameTaken(Refused):
    """Another account already has this name."""


class AlreadyThere(Refused):
    """The platform says this person already has access: list again, then edit."""

    had_no_effect = True


class UnexpectedAnswer(PlatformError):
    """A page, a redirect, or data of another shape than the protocol's: most likely another program answers at this URL."""

    about_server = True


class Unreadable(UnexpectedAnswer):
    """What the platform says of one account or share alone cannot be read: nobody else is concerned."""

    about_server = False
    retryable = True


class WrongPerson(UnexpectedAnswer):
    """The platform gave or changed the access of somebody else than was asked for: a person has to look at it, nothing is repeated."""

    about_server = False


class WrongServer(PlatformError):
    """Another machine answers behind the known URL: nothing may be sent to it."""

    about_server = True


class LostAnswer(PlatformError):
    """A request that creates something went out, and no usable answer came back: it may or may not have happened."""

    retryable = True


class LibraryGone(Refused):
    """A library that was to be shared is no longer on the server; nothing was sent."""


def require_libraries(ids: Sequence[str] | frozenset[str]) -> list[str]:
    """The ids in a stable order. Raises `ValueError` when there are none: both families of platforms have clients that opened
    everything from an empty list, so it must never leave."""
    if not ids:
        raise ValueError("An empty list of libraries is never sent: some servers read it as all of them.")
    return sorted(ids)
