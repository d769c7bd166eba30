"""The servers that a Plex account owns, and at which of the addresses they advertise they answer."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import select

from panel.domain.platform import Platform
from panel.extensions import config, db
from panel.models import PlexAccount, Server
from panel.platforms import connect
from panel.platforms.base import PlatformError
from panel.services.plex_accounts import answered_for
from panel.services.servers import HURRIED

#: An address in another network never answers: connect and read, in seconds.
SHORT = (1.5, 3.0)
#: A server behind many networks advertises many addresses.
MOST_ADDRESSES = 12


@dataclass(frozen=True)
class Choice:
    """A server of the account. `known`: the row that has it already."""

    name: str
    machine_id: str
    addresses: tuple[str, ...]
    known: Server | None = None


@dataclass(frozen=True)
class TriedAddress:
    """An advertised address, and why it cannot be used (empty: the server answers there)."""

    url: str
    problem: str = ""


def choices(account: PlexAccount) -> list[Choice]:
    """The servers the account owns, asked of plex.tv. Raises `AccountRefused`."""
    from panel.platforms.plex.account import owned_servers

    token, settings = account.token, config()
    db.session.commit()
    with answered_for(account):
        found = owned_servers(token, settings.plex_tv_url, settings.plex_client_id, timeouts=HURRIED)
    here = {server.machine_id: server for server in db.session.scalars(select(Server).where(Server.platform == Platform.PLEX))}
    return [Choice(one.name, one.machine_id, one.addresses, here.get(one.machine_id)) for one in found]


def try_addresses(choice: Choice) -> list[TriedAddress]:
    """Each advertised address, tried at the same time with short timeouts and without a token; in the order they were advertised."""
    urls = choice.addresses[:MOST_ADDRESSES]
    client_id = config().plex_client_id
    if not urls:
        return []
    with ThreadPoolExecutor(max_workers=len(urls)) as pool:
        return list(pool.map(lambda url: _try(url, choice.machine_id, client_id), urls))


def reachable(tried: Sequence[TriedAddress]) -> str:
    """The first address at which the server answers; empty where it answers at none."""
    return next((one.url for one in tried if not one.problem), "")


def _try(url: str, machine_id: str, client_id: str) -> TriedAddress:
    remote = connect(Platform.PLEX, url, "", client_id=client_id, timeouts=SHORT)
    try:
        other = remote.identity().machine_id != machine_id
    except PlatformError:
        return TriedAddress(url, "does not answer")
    finally:
        remote.close()
    return TriedAddress(url, "another server answers there" if other else "")
