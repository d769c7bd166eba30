"""The shares of all servers of one Plex account: its lists name those of every server, so that asking for each again tells nothing new."""

from __future__ import annotations

from panel.platforms.base import Member
from panel.platforms.http import CONNECT_S, READ_S
from panel.platforms.plex.cloud import PlexCloud
from panel.platforms.plex.shares import Shares
from panel.platforms.plex.shares_v2 import OwnedLists


class AccountShares:
    """What plex.tv lists for the account of `token` at one moment; each list is asked for once. Close it after use."""

    def __init__(
        self, token: str, cloud_url: str = "", client_id: str = "", *, timeouts: tuple[float, float] = (CONNECT_S, READ_S)
    ) -> None:
        self._cloud = PlexCloud(token, cloud_url, client_id, timeouts=timeouts)
        self._lists = OwnedLists(self._cloud)

    def members(self, machine_id: str) -> list[Member]:
        """As `Remote.members` of the server of this id: 2 requests the first time, none for another server; 1 more where a server is said
        to have nobody, 3 for each server where v2 has been switched off. Raises `PlatformError`."""
        return Shares(self._cloud, machine_id, self._lists).members()

    def close(self) -> None:
        """Let go of the connections."""
        self._cloud.close()
