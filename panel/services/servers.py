"""The one bridge from a server's row to a live connection, and what asking it brings to light."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from panel.domain.platform import Platform
from panel.domain.reasons import Blocker, Refusal
from panel.extensions import config, db
from panel.models import Server
from panel.models.types import utc_now
from panel.platforms import connect
from panel.platforms.base import CredentialsRefused, Member, NotAllowed, PlatformError, Remote, RemoteLibrary, WrongServer
from panel.platforms.http import Guard, unguarded

#: A person waits for the answer: shorter than what a run allows.
HURRIED = (3.0, 10.0)


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
    """What a server answered just now: its members and libraries, or the refusal that kept it from answering."""

    members: tuple[Member, ...] = ()
    libraries: tuple[RemoteLibrary, ...] = ()
    refusal: Refusal | None = None


def look(server: Server, remote: Remote | None = None) -> Look:
    """Ask a server who it is and who is on it; what goes wrong becomes a refusal. The row learns its machine id and state."""
    own = remote is None
    remote = remote or remote_for(server, timeouts=HURRIED)
    try:
        found = look_or_raise(server, remote)
    except PlatformError as error:
        server.checked_at, server.problem = utc_now(), str(error)
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
    return Look(tuple(remote.members()), tuple(remote.libraries()))


def refusal_of(server: Server, error: PlatformError) -> Refusal:
    """The pair blocker that an error of one of the servers amounts to."""
    if isinstance(error, WrongServer):
        what = "Correct its URL, or remove the server and add it anew."
        return Refusal(Blocker.WRONG_SERVER, f"{server.name}: {error} {what}")
    if isinstance(error, (CredentialsRefused, NotAllowed)):
        return Refusal(Blocker.CREDENTIALS_REFUSED, f"{server.name}: {error} Give it a fresh token or key.")
    return Refusal(Blocker.SERVER_UNREACHABLE, f"{server.name}: {error} Check its address and that it is running.")


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
