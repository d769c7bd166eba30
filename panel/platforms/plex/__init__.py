"""Plex: `PlexRemote` is one media server with the people who may see it, the functions of `account` are about the owner's account."""

from panel.platforms.plex.account import MOST_PEOPLE, OwnedServer, PlexIdentity, PlexPerson, owned_servers, people, read_account
from panel.platforms.plex.server import PlexRemote

__all__ = ["MOST_PEOPLE", "OwnedServer", "PlexIdentity", "PlexPerson", "PlexRemote", "owned_servers", "people", "read_account"]
