"""Adding and editing servers: what is typed is tried on the server itself before it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import select

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import PlexAccount, Server
from panel.platforms.base import CredentialsRefused, NotAllowed, PlatformError, TooManyRequests, WrongServer
from panel.services import audit
from panel.services.basics import ensure_basics
from panel.services.servers import HURRIED, check_limits, look_or_raise, note_trouble, refusal_of, remote_for
from panel.services.throttling import Asked, slow_down, why_not_yet

LONGEST_URL = 500


class ServerRefused(ValueError):
    """A server cannot be stored like this. `field` names what has to be changed, `str(error)` says why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True)
class Draft:
    """What an admin has typed. `token` empty: keep the one there is. `plex_account` concerns Plex alone; `machine_id` is the server that
    was picked from its list, empty when an address was typed."""

    platform: Platform
    name: str
    url: str
    token: str = ""
    plex_account: PlexAccount | None = None
    machine_id: str = ""
    enabled: bool = True
    allow_new_subscriptions: bool = True
    has_emby_premiere: bool = False
    max_users: int | None = None


@dataclass(frozen=True)
class Trial:
    """What trying a connection has shown, in this order: the server answers at its address, it is the right one, it takes the key, and
    the key has the rights of an administrator (Plex: its account owns the server). `failed` names the first that is not so; `name` is what
    the server calls itself. It is `later`, which is none of them, where the server or its Plex account has asked to slow down: nothing
    is known then."""

    failed: str = ""
    problem: str = ""
    machine_id: str = ""
    version: str = ""
    name: str = ""
    libraries: int = 0
    accounts: int = 0

    #: The checks in the order in which they are made.
    CHECKS = ("reach", "identity", "key", "rights")

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def may_be_stored(self) -> bool:
        """Whether it can be stored as it is where somebody says so: nothing is known against it, only no answer has come."""
        return self.failed in ("", "reach", "later")

    def state_of(self, check: str) -> str:
        """`passed`, `failed`, or `unknown` where an earlier one has failed."""
        if not self.failed:
            return "passed"
        if self.failed not in self.CHECKS:
            return "unknown"
        place, failed = self.CHECKS.index(check), self.CHECKS.index(self.failed)
        return "passed" if place < failed else "failed" if place == failed else "unknown"


def clean_url(typed: str) -> str:
    """The address without blanks and the slash at the end. Raises `ServerRefused` when it is no usable http(s) address."""
    url = typed.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or len(url) > LONGEST_URL or any(character.isspace() or not character.isprintable() for character in url):
        raise ServerRefused("url", "Type an address such as http://192.168.1.5:8096 or https://media.example.com.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ServerRefused("url", "The address may have no user name, no question mark and no “#”: those do not belong to a server.")
    return url


def try_connection(draft: Draft, known: Server | None = None) -> Trial:
    """Ask the server as it would be stored; nothing is. `known`: the row being edited, whose machine has to be the one that answers."""
    return _tried(_as_row(draft, known), asked=_asked_by(draft, known))


def try_stored(server: Server) -> Trial:
    """Ask a server as it is stored, which learns its state. Commits before it asks."""
    with db.session.no_autoflush:
        return _tried(server, asked=server, is_stored=True)


def _asked_by(draft: Draft, known: Server | None) -> Asked | None:
    """Who may have asked to slow down: the Plex account, or the server that is known by this address."""
    if draft.platform is Platform.PLEX:
        return draft.plex_account
    return known if known is not None and known.url == clean_url(draft.url) else None


def _tried(server: Server, *, asked: Asked | None, is_stored: bool = False) -> Trial:
    if asked is not None and (sentence := why_not_yet(asked)):
        return Trial("later", sentence)
    remote = remote_for(server, timeouts=HURRIED)
    # No transaction is kept open while the server thinks.
    db.session.commit()
    try:
        found = look_or_raise(server, remote)
    except TooManyRequests as error:
        if asked is not None:
            slow_down(asked, error)
        return Trial("later", (asked and why_not_yet(asked)) or f"{error} Try again in a few minutes.")
    except PlatformError as error:
        if is_stored:
            note_trouble(server, error)
        return Trial(_failed_check(error), refusal_of(server, error).message if is_stored else str(error))
    finally:
        remote.close()
    return Trial(
        machine_id=server.machine_id,
        version=server.version,
        name=found.name,
        libraries=len(found.libraries),
        accounts=sum(not member.is_owner for member in found.members),
    )


def _failed_check(error: PlatformError) -> str:
    checks = ((WrongServer, "identity"), (CredentialsRefused, "key"), (NotAllowed, "rights"))
    return next((name for kind, name in checks if isinstance(error, kind)), "reach")


def check(draft: Draft, known: Server | None = None) -> None:
    """Raises `ServerRefused` or `ServerLimit` for what can be said without asking the server."""
    if known is None:
        check_limits(draft.platform)
    for refusal in refusals(draft, known):
        raise refusal


def refusals(draft: Draft, known: Server | None = None) -> list[ServerRefused]:
    """All that is wrong with what was typed and can be said without asking the server."""
    found = []
    try:
        clean_url(draft.url)
    except ServerRefused as refusal:
        found.append(refusal)
    # By Python's rules, as `Server.by_name` does it: what the same letter is, the databases do not agree on.
    folded = draft.name.strip().casefold()
    if any(server is not known and server.name.casefold() == folded for server in db.session.scalars(select(Server))):
        found.append(ServerRefused("name", f"There is a server named {draft.name.strip()} already. Choose another name."))
    if draft.platform is Platform.PLEX and draft.plex_account is None:
        found.append(ServerRefused("plex_account", "Choose the Plex account that owns this server."))
    if draft.platform is not Platform.PLEX and not draft.token and not (known and known.token):
        found.append(ServerRefused("token", "Type an API key made in the server’s dashboard."))
    return found


def store(draft: Draft, trial: Trial, known: Server | None = None) -> Server:
    """Write the server down; flushed. A known machine id stays. Raises `ServerRefused` when the machine is here already."""
    check(draft, known)
    machine_id = known.machine_id if known and known.machine_id else (trial.machine_id or draft.machine_id)
    twin = db.session.scalar(select(Server).where(Server.machine_id == machine_id)) if machine_id else None
    if twin is not None and twin is not known:
        raise ServerRefused("url", f"This is {twin.name}, which is here already.")
    server = known or Server(platform=draft.platform)
    _write(server, draft)
    server.machine_id = machine_id
    if trial:
        server.version, server.problem = trial.version or server.version, ""
    db.session.add(server)
    db.session.flush()
    # The groups that ship wait for its libraries, however this installation was begun.
    ensure_basics()
    return server


def set_enabled(server: Server, enabled: bool) -> None:
    """Switch a server on, or off: then no migration takes it as target, and it is not synced by itself."""
    server.enabled = enabled
    db.session.flush()


def differences(server: Server, draft: Draft) -> str:
    """What storing the draft will change, for the list of changes; secrets are only said to be new."""
    fields = ("name", "url", "enabled", "allow_new_subscriptions", "has_emby_premiere", "max_users")
    before = {field: getattr(server, field) for field in fields}
    new = {field: getattr(draft, field) for field in fields} | {"url": clean_url(draft.url), "name": draft.name.strip()}
    said = list(filter(None, [audit.differences(before, new)]))
    if draft.plex_account is not None and draft.plex_account is not server.plex_account:
        account = server.plex_account.email if server.plex_account else "none"
        said.append(f"plex_account: {account} → {draft.plex_account.email}")
    return "; ".join(said + (["new key"] if draft.token else []))


def _as_row(draft: Draft, known: Server | None) -> Server:
    """A row that is never stored: what `remote_for` and `look_or_raise` need."""
    server = Server(platform=draft.platform, name=draft.name, url=clean_url(draft.url), plex_account=draft.plex_account)
    server.token = draft.token.strip() or (known.token if known else None)
    server.machine_id = known.machine_id if known else draft.machine_id
    return server


def _write(server: Server, draft: Draft) -> None:
    server.name, server.url = draft.name.strip(), clean_url(draft.url)
    server.enabled, server.allow_new_subscriptions = draft.enabled, draft.allow_new_subscriptions
    server.has_emby_premiere = draft.has_emby_premiere and draft.platform is Platform.EMBY
    server.max_users = draft.max_users
    if draft.platform is Platform.PLEX:
        server.plex_account = draft.plex_account
    elif draft.token:
        server.token = draft.token.strip()
