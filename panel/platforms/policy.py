"""The policy of an Emby or Jellyfin account, as a plain dict: what a server reads replaces everything, so that all keys go back.

A key left out of a POST falls to a default that is often generous (Jellyfin: all libraries, management of live TV), see reference 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from panel.platforms.base import Access, Refused, require_libraries
from panel.platforms.restrictions import carried

Policy = dict[str, object]

#: Without these a dict is no policy, and sending it would open everything.
ESSENTIAL = ("IsAdministrator", "IsDisabled", "EnableAllFolders")


def exact(policy: Mapping[str, object], access: Access) -> Policy:
    """The whole policy to send so that an account may do what `access` says and no more.

    `policy` is the account's own, read just before. Raises `ValueError` without libraries, `Refused` when `policy` is not whole.
    """
    result = carried(_whole(policy), access.settings)
    result.update(_opened(require_libraries(access.library_ids)))
    # A list of blocked libraries, where a server still has one, overrides the list of allowed ones.
    result.update({key: [] for key in ("BlockedMediaFolders", "BlockedChannels") if key in policy})
    if access.downloads is not None:
        result["EnableContentDownloading"] = access.downloads
    return result


def restored(policy: Mapping[str, object], kept: Mapping[str, object]) -> Policy:
    """The whole policy to send so that an account is again what it was when `kept` was read; keys that came since stay as they are.
    Raises `Refused` when one of the two is not whole, or `kept` ruled the server."""
    if is_administrator(kept):
        raise Refused("The account was an administrator's then; such accounts are never touched.")
    return {**_whole(policy), **_whole(kept)}


def closed(policy: Mapping[str, object]) -> Policy:
    """The whole policy to send so that an account opens nothing, everything else as it was. Raises `Refused` when `policy` is not
    whole."""
    return {**_whole(policy), "IsDisabled": True, "EnableAllFolders": False, "EnabledFolders": []}


def disabled(policy: Mapping[str, object]) -> Policy:
    """The whole policy to send so that nobody can sign in, everything else as it was. Raises `Refused` when `policy` is not whole."""
    return {**_whole(policy), "IsDisabled": True}


def is_administrator(policy: Mapping[str, object]) -> bool:
    """Whether the account rules the server: such accounts are never touched."""
    return policy.get("IsAdministrator") is True


def _opened(library_ids: Sequence[str]) -> Policy:
    """What a move decides, whatever the account had."""
    return {
        "IsAdministrator": False,
        "IsDisabled": False,
        "EnableAllFolders": False,
        "EnabledFolders": list(library_ids),
        "EnableContentDeletion": False,
        "EnableContentDeletionFromFolders": [],
        "EnableLiveTvManagement": False,
        # Channels are plugins that bring content of their own. No library group holds one, so a plan never includes any.
        "EnableAllChannels": False,
        "EnabledChannels": [],
    }


def _whole(policy: Mapping[str, object]) -> Policy:
    if any(not isinstance(policy.get(key), bool) for key in ESSENTIAL):
        raise Refused("The account's policy is not known in full; nothing was sent, as a part of it would open more than it should.")
    return dict(policy)
