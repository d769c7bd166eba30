"""Policies and configurations: what a new account gets, what a key left out of a whole-object POST falls back to, which values are taken.

Key sets: Emby 4.9 and Jellyfin 10.11 specifications. A POST replaces the whole object; unknown keys are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from panel.simulators.mediabrowser_accounts import plain_id

Policy = dict[str, Any]

JELLYFIN_SIGN_IN_PROVIDER = "Jellyfin.Server.Implementations.Users.DefaultAuthenticationProvider"
JELLYFIN_RESET_PROVIDER = "Jellyfin.Server.Implementations.Users.DefaultPasswordResetProvider"
EMBY_SIGN_IN_PROVIDER = "Emby.Server.Implementations.Library.DefaultAuthenticationProvider"

_GUID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNRATED = frozenset(("Movie", "Trailer", "Series", "Music", "Book", "LiveTvChannel", "LiveTvProgram", "ChannelContent", "Other"))
_SUBTITLE_MODES = frozenset(("Default", "Always", "OnlyForced", "None", "Smart"))


class WrongValue(Exception):
    """A key has a value the server cannot read. `args` are the key and the kind of value expected."""

    def __init__(self, key: str, expected: str) -> None:
        super().__init__(key, expected)
        self.key, self.expected = key, expected


@dataclass(frozen=True)
class Schema:
    """One settings object: values of a new account, values of keys left out, keys that may be absent, and what is checked closely."""

    new: Policy
    left_out: Policy
    optional: Mapping[str, type] = field(default_factory=dict)
    guid_lists: frozenset[str] = frozenset()
    choices: dict[str, frozenset[str]] = field(default_factory=dict)

    def fresh(self) -> Policy:
        """The values of a new account."""
        return _copied(self.new)

    def knows(self, key: str) -> bool:
        """Whether the object has such a key."""
        return key in self.left_out or key in self.optional

    def replaced(self, body: Policy) -> Policy:
        """What is stored after `body` was posted. Raises `WrongValue`."""
        result = _copied(self.left_out)
        for key, value in body.items():
            if key in self.left_out:
                result[key] = self._read(key, value, type(self.left_out[key]))
            elif key in self.optional and value is not None:
                result[key] = self._read(key, value, self.optional[key])
        return result

    def _read(self, key: str, value: Any, kind: type) -> Any:
        # `type` rather than isinstance: true is no number here
        if type(value) is not kind:
            raise WrongValue(key, kind.__name__)
        several = list(value) if isinstance(value, list) else [value]
        if key in self.choices and not all(_is_one_of(self.choices[key], each) for each in several):
            raise WrongValue(key, "one of " + ", ".join(sorted(self.choices[key])))
        if key in self.guid_lists:
            return [_guid(key, element) for element in several]
        return several if kind is list else value


def is_guid(text: object) -> bool:
    """Whether this is a GUID, with dashes or without."""
    return isinstance(text, str) and _GUID.fullmatch(text) is not None


def _is_one_of(choices: frozenset[str], value: object) -> bool:
    return isinstance(value, str) and value in choices


def _guid(key: str, element: object) -> str:
    if not isinstance(element, str) or not is_guid(element):
        raise WrongValue(key, "GUID")
    return plain_id(element)


def _copied(values: Policy) -> Policy:
    return {key: list(value) if isinstance(value, list) else value for key, value in values.items()}


_YES_ON_BOTH = (
    "IsHidden",
    "EnableUserPreferenceAccess",
    "EnableSharedDeviceControl",
    "EnableRemoteAccess",
    "EnableLiveTvAccess",
    "EnableMediaPlayback",
    "EnableAudioPlaybackTranscoding",
    "EnableVideoPlaybackTranscoding",
    "EnablePlaybackRemuxing",
    "EnableContentDownloading",
    "EnableSyncTranscoding",
    "EnableMediaConversion",
    "EnableAllDevices",
    "EnableAllChannels",
    "EnableAllFolders",
    "EnablePublicSharing",
)
_NO_ON_BOTH = (
    "IsAdministrator",
    "IsDisabled",
    "EnableRemoteControlOfOtherUsers",
    "EnableLiveTvManagement",
    "EnableContentDeletion",
    "EnableSubtitleManagement",
)
_LISTS_ON_BOTH = (
    "BlockedTags",
    "AccessSchedules",
    "BlockUnratedItems",
    "EnableContentDeletionFromFolders",
    "EnabledDevices",
    "EnabledChannels",
    "EnabledFolders",
)

_BOTH: Policy = {
    **dict.fromkeys(_YES_ON_BOTH, True),
    **dict.fromkeys(_NO_ON_BOTH, False),
    **{key: [] for key in _LISTS_ON_BOTH},
    "InvalidLoginAttemptCount": 0,
    "RemoteClientBitrateLimit": 0,
}

_JELLYFIN: Policy = {
    **_BOTH,
    "EnableCollectionManagement": False,
    "EnableLyricManagement": False,
    "ForceRemoteSourceTranscoding": False,
    "AllowedTags": [],
    "BlockedMediaFolders": [],
    "BlockedChannels": [],
    "LoginAttemptsBeforeLockout": -1,
    "MaxActiveSessions": 0,
    "AuthenticationProviderId": JELLYFIN_SIGN_IN_PROVIDER,
    "PasswordResetProviderId": JELLYFIN_RESET_PROVIDER,
    "SyncPlayAccess": "CreateAndJoinGroups",
}

_EMBY: Policy = {
    **_BOTH,
    "IsHiddenRemotely": True,
    "IsHiddenFromUnusedDevices": True,
    "LockedOutDate": 0,
    "AllowTagOrRating": False,
    "IsTagBlockingModeInclusive": False,
    "IncludeTags": [],
    "RestrictedFeatures": [],
    "EnableSubtitleDownloading": False,
    "ExcludedSubFolders": [],
    "SimultaneousStreamLimit": 0,
    "AllowCameraUpload": True,
    "AllowSharingPersonalItems": False,
}


def jellyfin_policy(version: tuple[int, ...]) -> Schema:
    """Jellyfin's policy: a left out EnableLiveTvManagement is granted, a left out EnableAllFolders opens every library."""
    return Schema(
        new=_JELLYFIN,
        left_out={**_JELLYFIN, "EnableLiveTvManagement": True},
        optional={"MaxParentalRating": int} | ({"MaxParentalSubRating": int} if version >= (10, 11) else {}),
        guid_lists=frozenset(("EnabledFolders", "EnabledChannels")),
        choices={"BlockUnratedItems": _UNRATED, "SyncPlayAccess": frozenset(("CreateAndJoinGroups", "JoinGroups", "None"))},
    )


def emby_policy(version: tuple[int, ...]) -> Schema:
    """Emby's policy: a left out EnableContentDeletion is granted (as in the last open source), EnableAllFolders opens every library."""
    older: Policy = {"BlockedMediaFolders": [], "BlockedChannels": []} if version < (4, 9) else {}
    return Schema(
        new={**_EMBY, **older},
        left_out={**_EMBY, **older, "EnableContentDeletion": True},
        optional={"MaxParentalRating": int, "AuthenticationProviderId": str},
        choices={"BlockUnratedItems": _UNRATED | {"Game"}},
    )


_CONFIGURATION: Policy = {
    "PlayDefaultAudioTrack": True,
    "DisplayMissingEpisodes": False,
    "EnableLocalPassword": False,
    "OrderedViews": [],
    "LatestItemsExcludes": [],
    "MyMediaExcludes": [],
    "HidePlayedInLatest": True,
    "RememberAudioSelections": True,
    "RememberSubtitleSelections": True,
    "EnableNextEpisodeAutoPlay": True,
}

_JELLYFIN_CONFIGURATION: Policy = {
    **_CONFIGURATION,
    "SubtitleLanguagePreference": "",
    "SubtitleMode": "Default",
    "GroupedFolders": [],
    "DisplayCollectionsView": False,
    "CastReceiverId": "F007D354",
}

_EMBY_CONFIGURATION: Policy = {
    **_CONFIGURATION,
    "SubtitleMode": "Smart",
    "HidePlayedInMoreLikeThis": False,
    "HidePlayedInSuggestions": False,
    "ResumeRewindSeconds": 0,
    "IntroSkipMode": "ShowButton",
}

JELLYFIN_CONFIGURATION = Schema(
    new=_JELLYFIN_CONFIGURATION,
    left_out=_JELLYFIN_CONFIGURATION,
    optional={"AudioLanguagePreference": str},
    guid_lists=frozenset(("GroupedFolders", "OrderedViews", "LatestItemsExcludes", "MyMediaExcludes")),
    choices={"SubtitleMode": _SUBTITLE_MODES},
)

EMBY_CONFIGURATION = Schema(
    new=_EMBY_CONFIGURATION,
    left_out=_EMBY_CONFIGURATION,
    optional={"AudioLanguagePreference": str, "SubtitleLanguagePreference": str, "ProfilePin": str},
    choices={"SubtitleMode": _SUBTITLE_MODES | {"HearingImpaired"}, "IntroSkipMode": frozenset(("ShowButton", "AutoSkip", "None"))},
)
