"""What a person was not allowed on the source, put into the policy of the target: the stricter of the two always holds.

Both are policies of the Emby and Jellyfin family (reference 5). Keys that the target does not know are never sent to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from panel.platforms.base import Refused
from panel.platforms.schedules import in_common

Policy = dict[str, object]

#: Permissions: `False` on either side wins.
SWITCHES = (
    "EnableRemoteAccess",
    "EnableLiveTvAccess",
    "EnableMediaPlayback",
    "EnableAudioPlaybackTranscoding",
    "EnableVideoPlaybackTranscoding",
    "EnablePlaybackRemuxing",
    "EnableSyncTranscoding",
    "EnableMediaConversion",
    "EnableContentDownloading",
    "EnableUserPreferenceAccess",
    "EnableSharedDeviceControl",
    "EnableRemoteControlOfOtherUsers",
    "EnablePublicSharing",
    "EnableSubtitleDownloading",
    "EnableSubtitleManagement",
    "EnableCollectionManagement",
    "EnableLyricManagement",
    "AllowTagOrRating",
    "AllowCameraUpload",
    "AllowSharingPersonalItems",
)

#: Limits: 0 is none, else the smaller wins. The two on streams and sign-ins are no twins: one counts streams, the other sessions.
LIMITS = {
    "RemoteClientBitrateLimit": "the bit rate limit",
    "SimultaneousStreamLimit": "the limit of simultaneous streams",
    "MaxActiveSessions": "the limit of active sessions",
}

#: What Jellyfin can block when it is unrated; another word in the list makes it refuse the whole policy.
UNRATED_ON_JELLYFIN = frozenset(
    ("Movie", "Trailer", "Series", "Music", "Book", "LiveTvChannel", "LiveTvProgram", "ChannelContent", "Other")
)

SYNC_PLAY = ("None", "JoinGroups", "CreateAndJoinGroups")

TAG_KEYS = ("BlockedTags", "IncludeTags", "AllowedTags", "IsTagBlockingModeInclusive", "AllowTagOrRating")

#: Keys that only one of the two products has.
ONLY_JELLYFIN = ("PasswordResetProviderId", "AllowedTags", "SyncPlayAccess", "MaxActiveSessions")
ONLY_EMBY = ("IncludeTags", "IsTagBlockingModeInclusive", "AllowTagOrRating", "SimultaneousStreamLimit", "RestrictedFeatures")

#: Emby rates on a scale of its own (PG 5, PG-13 7, R 9), Jellyfin by age since 10.9. Each step is the largest value of the other scale
#: that certainly opens nothing more in any country's table: (from this value on, that value).
AGE_FROM_LEVEL = ((1, 0), (3, 7), (5, 10), (7, 13), (8, 16), (9, 17), (10, 18))
LEVEL_FROM_AGE = ((0, 1), (7, 4), (10, 5), (13, 7), (16, 8), (18, 9))


def carried(target: Mapping[str, object], source: Mapping[str, object]) -> Policy:
    """`target` (a whole policy) with the restrictions of `source` added. Raises `Refused` when a restriction cannot be read."""
    result = dict(target)
    if not source:
        return result
    for key in SWITCHES:
        if key in target and _flag(source, key) is False:
            result[key] = False
    for key in LIMITS:
        limits = [value for value in (_number(target, key), _number(source, key)) if value and value > 0]
        if key in target and limits:
            result[key] = min(limits)
    if "ForceRemoteSourceTranscoding" in target and _flag(source, "ForceRemoteSourceTranscoding"):
        result["ForceRemoteSourceTranscoding"] = True
    _carry_tags(result, source)
    _carry_rating(result, source)
    _carry_unrated(result, source)
    _carry_schedules(result, source)
    _carry_devices(result, source)
    _carry_rest(result, source)
    return result


def lost(target: Mapping[str, object], source: Mapping[str, object]) -> str:
    """A sentence that names the restrictions of `source` which this target has no means for, or empty."""
    names = [words for key, words in LIMITS.items() if key not in target and _number(source, key)]
    if _texts(source, "ExcludedSubFolders"):
        names.append("the excluded sub-folders")
    if _texts(source, "RestrictedFeatures") and "RestrictedFeatures" not in target:
        names.append("the restricted features")
    if _flag(source, "EnableAllDevices") is False and _crossing(target, source):
        names.append("the list of allowed devices")
    return f"Not carried over from the source: {', '.join(names)}." if names else ""


def product(policy: Mapping[str, object]) -> str:
    """`emby` or `jellyfin`, by keys that only one of them has; empty when none of them is there."""
    if any(key in policy for key in ONLY_JELLYFIN):
        return "jellyfin"
    return "emby" if any(key in policy for key in ONLY_EMBY) else ""


def _crossing(target: Mapping[str, object], source: Mapping[str, object]) -> bool:
    products = {product(target), product(source)}
    return products == {"emby", "jellyfin"}


def _carry_rating(result: Policy, source: Mapping[str, object]) -> None:
    rating, sub = _number(source, "MaxParentalRating"), _number(source, "MaxParentalSubRating")
    if rating is None:
        return
    if _crossing(result, source):
        rating, sub = _on_other_scale(rating, to_age=product(result) == "jellyfin"), None
    present = _number(result, "MaxParentalRating"), _number(result, "MaxParentalSubRating")
    if present[0] is not None:
        rating, sub = min((rating, sub), (present[0], present[1]), key=lambda pair: (pair[0], _or_infinite(pair[1])))
    result["MaxParentalRating"] = rating
    if sub is not None or "MaxParentalSubRating" in result:
        result["MaxParentalSubRating"] = sub


def _on_other_scale(rating: int, *, to_age: bool) -> int:
    steps = AGE_FROM_LEVEL if to_age else LEVEL_FROM_AGE
    return max((value for start, value in steps if start <= rating), default=steps[0][1])


def _or_infinite(value: int | None) -> float:
    return float("inf") if value is None else value


def _carry_unrated(result: Policy, source: Mapping[str, object]) -> None:
    kinds = set(_texts(source, "BlockUnratedItems"))
    if product(result) == "jellyfin":
        kinds &= UNRATED_ON_JELLYFIN
    if kinds:
        result["BlockUnratedItems"] = sorted(kinds | set(_texts(result, "BlockUnratedItems")))


def _carry_tags(result: Policy, source: Mapping[str, object]) -> None:
    blocked, allowed = _tags(source)
    if not blocked and not allowed:
        return
    own_blocked, own_allowed = _tags(result)
    if not own_blocked | own_allowed and result.get("MaxParentalRating") is None and not _crossing(result, source):
        # The same product and nothing to merge with: these keys mean what they mean together, so they travel together.
        result.update({key: source[key] for key in TAG_KEYS if key in result and source.get(key) is not None})
        return
    if allowed and own_allowed:
        # No tag in common would mean an empty list, and an empty list allows everything: then what held on the source goes on.
        allowed = allowed & own_allowed or allowed
    allowed, blocked = allowed or own_allowed, blocked | own_blocked
    result["BlockedTags"] = sorted(blocked)
    if product(result) == "jellyfin":
        result["AllowedTags"] = sorted(allowed)
        return
    result["IsTagBlockingModeInclusive"] = bool(allowed) and "IncludeTags" not in result
    if "IncludeTags" in result:
        result["IncludeTags"] = sorted(allowed)
    elif allowed:
        # Old Embys have one list for either purpose: allowing only some is the stricter use of it.
        result["BlockedTags"] = sorted(allowed - blocked) or sorted(allowed)


def _tags(policy: Mapping[str, object]) -> tuple[set[str], set[str]]:
    """Tags that hide an item, and tags of which an item needs one (empty: it needs none)."""
    blocked = set(_texts(policy, "BlockedTags"))
    allowed = set(_texts(policy, "AllowedTags")) | set(_texts(policy, "IncludeTags"))
    if _flag(policy, "IsTagBlockingModeInclusive") and blocked:
        return set(), blocked & allowed or blocked
    return blocked, allowed


def _carry_schedules(result: Policy, source: Mapping[str, object]) -> None:
    rows = source.get("AccessSchedules")
    if not rows:
        return
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "DayOfWeek" in row for row in rows):
        raise _unreadable("AccessSchedules")
    wanted, present = _bare_rows(rows), result.get("AccessSchedules")
    own = _bare_rows([row for row in present if isinstance(row, dict)]) if isinstance(present, list) else []
    # No hour in common would mean an empty list, and an empty list allows all hours: then what held on the source goes on.
    result["AccessSchedules"] = (in_common(own, wanted) if own else []) or wanted


def _bare_rows(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without the ids that Jellyfin adds of the row and of the person, who is another one on the other server."""
    return [{key: value for key, value in row.items() if key not in ("Id", "UserId")} for row in rows]


def _carry_devices(result: Policy, source: Mapping[str, object]) -> None:
    if _flag(source, "EnableAllDevices") is not False or "EnableAllDevices" not in result or _crossing(result, source):
        return
    devices = set(_texts(source, "EnabledDevices"))
    if result["EnableAllDevices"] is False:
        devices &= set(_texts(result, "EnabledDevices"))
    result.update(EnableAllDevices=False, EnabledDevices=sorted(devices))


def _carry_rest(result: Policy, source: Mapping[str, object]) -> None:
    features = _texts(source, "RestrictedFeatures")
    if features and "RestrictedFeatures" in result:
        result["RestrictedFeatures"] = sorted({*features, *_texts(result, "RestrictedFeatures")})
    here, there = result.get("SyncPlayAccess"), source.get("SyncPlayAccess")
    if here in SYNC_PLAY and there in SYNC_PLAY:
        result["SyncPlayAccess"] = min(str(here), str(there), key=SYNC_PLAY.index)


def _flag(policy: Mapping[str, object], key: str) -> bool | None:
    value = policy.get(key)
    if value is not None and not isinstance(value, bool):
        raise _unreadable(key)
    return value


def _number(policy: Mapping[str, object], key: str) -> int | None:
    value = policy.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise _unreadable(key)
    return value


def _texts(policy: Mapping[str, object], key: str) -> list[str]:
    value = policy.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _unreadable(key)
    return list(value)


def _unreadable(key: str) -> Refused:
    return Refused(f"The restriction {key} of this account cannot be read; access was not opened, as it might open too much.")
