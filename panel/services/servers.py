"""The one bridge from a server's row to a live connection, and what asking it brings to light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from panel.domain.platform import Platform
from panel.domain.reasons import Blocker, Refusal
from panel.extensions import config, db
from panel.models import Server
from panel.models.types import utc_now
from panel.platforms import connect
from panel.platforms.base import CredentialsRefused, Member, NotAllowed, PlatformError, Remote, RemoteLibrary, TooManyRequests, WrongServer
from panel.platforms.http import CONNECT_S, READ_S, Guard, unguarded
from panel.services.throttling import slow_down, why_not_yet

if TYPE_CHECKING:
    from panel.platforms.plex.account import PlexPerson

#: A person waits for the answer: shorter than what a run allows.
HURRIED = (3.0, 10.0)
TOKEN_REFUSED = "plex.tv refused the token: it has expired, was revoked, or is mistyped. Sign in with Plex to get a fresh one."
#: What helps a server whose Plex account has no good token any more; stands in its problem until there is one.
SIGN_IN_AGAIN = "Sign in again under Plex accounts."


def remote_for(server: Server, *, guard: Guard = unguarded, timeouts: tuple[float, float] | None = None) -> Remote:
    """A connection to this server that refuses to talk to another machine behind its URL. Close it after use."""
    if server.platform is Platform.PLEX:
        token = server.plex_account.token if server.plex_account else ""
    else:
        token = server.token or ""
    settings = config()
    return connect(
        server.platform,
        server.url,
        token,
        machine_id=server.machine_id or None,
        cloud_url=settings.plex_tv_url,
        client_id=settings.plex_client_id,
        guard=guard,
        timeouts=timeouts,
    )


@dataclass(frozen=True)
class Look:
    """What a server answered just now: its members and libraries, or the refusal that kept it from answering. `connected`: everyone
    its Plex account counts already, `None` where that was not asked or not told. `name`: what the server calls itself."""

    members: tuple[Member, ...] = ()
    libraries: tuple[RemoteLibrary, ...] = ()
    refusal: Refusal | None = None
    connected: tuple[PlexPerson, ...] | None = None
    name: str = ""


def look(server: Server, remote: Remote | None = None) -> Look:
    """Ask a server who it is and who is on it; what goes wrong becomes a refusal. The row learns its machine id and state. One that has
    asked to slow down is not asked; where it does so now, that is committed."""
    if sentence := why_not_yet(server):
        return Look(refusal=Refusal(Blocker.ASKED_TO_SLOW_DOWN, sentence, server.id))
    own = remote is None
    remote = remote or remote_for(server, timeouts=HURRIED)
    try:
        found = look_or_raise(server, remote)
    except TooManyRequests as error:
        slow_down(server, error)
        return Look(refusal=refusal_of(server, error))
    except PlatformError as error:
        note_trouble(server, error)
        return Look(refusal=refusal_of(server, error))
    finally:
        if own:
            remote.close()
    return found


def look_or_raise(server: Server, remote: Remote) -> Look:
    """`look` for a run, which has to tell waiting from stopping. Raises `PlatformError`."""
    identity = remote.check()
    if server.machine_id and server.machine_id != identity.machine_id:
        raise WrongServer(f"Another server answers at the address of {server.name}.")
    server.machine_id = server.machine_id or identity.machine_id
    server.version, server.checked_at, server.problem = identity.version, utc_now(), ""
    found = Look(tuple(remote.members()), tuple(remote.libraries()), name=identity.name)
    if server.plex_account is not None and server.plex_account.problem:
        # plex.tv has just taken its token.
        server.plex_account.problem = ""
    return found


def note_trouble(server: Server, error: PlatformError) -> str:
    """Keep on the server's row why it could not be asked, with what helps; a token that plex.tv refuses is its account's trouble too. The
    sentence."""
    now, account = utc_now(), server.plex_account
    server.checked_at, server.problem = now, str(error)
    if isinstance(error, CredentialsRefused) and error.of_account and account is not None:
        account.checked_at, account.problem = now, TOKEN_REFUSED
        server.problem = f"{error} {SIGN_IN_AGAIN}"
    return server.problem


def connected_to(server: Server, timeouts: tuple[float, float] = (CONNECT_S, READ_S)) -> tuple[PlexPerson, ...] | None:
    """Friends and Home members of the account that owns a Plex server: 1 request; `None` elsewhere, and where plex.tv does not tell.
    Raises `TooManyRequests`."""
    account = server.plex_account
    if server.platform is not Platform.PLEX or account is None:
        return None
    from panel.platforms.plex.account import connected

    try:
        found = connected(account.token, config().plex_tv_url, config().plex_client_id, timeouts=timeouts)
    except TooManyRequests:
        raise
    except PlatformError:
        # The number is a precaution: whoever is known to have a share is counted all the same.
        return None
    return tuple(found)


def refusal_of(server: Server, error: PlatformError) -> Refusal:
    """The pair blocker that an error of one of the servers amounts to. Who has asked too often has nothing to check but the clock."""
    if isinstance(error, TooManyRequests):
        return Refusal(Blocker.ASKED_TO_SLOW_DOWN, why_not_yet(server) or str(error), server.id)
    if isinstance(error, WrongServer):
        what = "Correct its URL, or remove the server and add it anew."
        return Refusal(Blocker.WRONG_SERVER, f"{server.name}: {error} {what}", server.id)
    if isinstance(error, (CredentialsRefused, NotAllowed)):
        of_account = isinstance(error, CredentialsRefused) and error.of_account
        remedy = SIGN_IN_AGAIN if of_account else "Give it a fresh token or key."
        return Refusal(Blocker.CREDENTIALS_REFUSED, f"{server.name}: {error} {remedy}", server.id)
    return Refusal(Blocker.SERVER_UNREACHABLE, f"{server.name}: {error} Check its address and that it is running.", server.id)


class ServerLimit(ValueError):
    """A server cannot be added: the installation's limits forbid it."""


def check_limits(platform: Platform, adding: int = 1) -> None:
    """Raises `ServerLimit` when one more server of this platform, the last of `adding`, would pass `PANEL_PLATFORMS` or
    `PANEL_MAX_SERVERS`."""
    settings = config()
    if platform not in settings.platforms:
        raise ServerLimit(f"This installation does not allow {platform.label} servers (PANEL_PLATFORMS).")
    count = db.session.scalar(select(func.count()).select_from(Server)) or 0
    if settings.max_servers is not None and count + adding > settings.max_servers:
        raise ServerLimit(f"This installation may have {settings.max_servers} servers at most (PANEL_MAX_SERVERS).")
