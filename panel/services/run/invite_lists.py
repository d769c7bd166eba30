"""What servers on which invites wait list now. Those of one Plex account are asked for together: its lists name all shares."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from panel.domain.platform import Platform
from panel.extensions import config, db
from panel.models import Server
from panel.platforms.base import CredentialsRefused, Member, PlatformError, TooManyRequests
from panel.services import pace, times
from panel.services.servers import note_trouble, remote_for

log = logging.getLogger(__name__)

#: By the id of a server.
Lists = dict[int, list[Member]]


def lists_of(server: Server, others: Sequence[Server] = ()) -> Lists:
    """Everyone who has access or an invite on a server, and on `others` of the same Plex account; asked without a transaction open. Of the
    others those are missing about which there was no proper answer.

    Commits. Raises `PlatformError` when `server` cannot be asked, `TooManyRequests` also while its account is to be left alone.
    """
    until = pace.cooling_until([server])
    if until is not None:
        raise TooManyRequests(f"Plex has asked to slow down. {server.name} is asked again after {times.clock(until)}.")
    first = server.id, server.machine_id or ""
    rest = [(other.id, other.name, other.machine_id or "") for other in others]
    with _asking(server) as members:
        db.session.commit()
        try:
            found = {first[0]: members(first[1])}
        except TooManyRequests as error:
            _slow_down(server, error)
            raise
        except CredentialsRefused as error:
            note_trouble(server, error)
            db.session.commit()
            raise
        for server_id, name, machine_id in rest:
            try:
                found[server_id] = members(machine_id)
            except TooManyRequests as error:
                _slow_down(server, error)
                break
            except PlatformError as error:
                log.warning("Invites on %s could not be checked: %s", name, error)
    return found


def asked_together(server: Server, others: Sequence[Server]) -> list[Server]:
    """Those of the others whom one look at the account of `server` tells about."""
    if not _is_of_account(server):
        return []
    return [
        other for other in others if other.id != server.id and _is_of_account(other) and other.plex_account_id == server.plex_account_id
    ]


@contextmanager
def _asking(server: Server) -> Iterator[Callable[[str], list[Member]]]:
    """What answers the members of a server by its machine id; closed at the end."""
    if not _is_of_account(server) or server.plex_account is None:
        remote = remote_for(server)
        try:
            yield lambda _machine_id: remote.members()
        finally:
            remote.close()
        return
    # Imported here: an installation without Plex does not need it in memory.
    from panel.platforms.plex.account_shares import AccountShares

    shares = AccountShares(server.plex_account.token, config().plex_tv_url, config().plex_client_id)
    try:
        yield shares.members
    finally:
        shares.close()


def _is_of_account(server: Server) -> bool:
    """Whether it is a Plex server that its account's lists can be searched for."""
    return server.platform is Platform.PLEX and bool(server.machine_id) and server.plex_account_id is not None


def _slow_down(server: Server, error: TooManyRequests) -> None:
    pace.cool_down(pace.name_of(server), error.retry_after_s)
    db.session.commit()
