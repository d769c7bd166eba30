"""Whether an access that is there already is restricted as it is to be, in the words of either family of platforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from panel.platforms.base import Access, Refused
from panel.platforms.plex.fields import sharing_settings
from panel.platforms.restrictions import carried


def holds(settings: Mapping[str, object], access: Access) -> bool:
    """Whether the restrictions and the downloads of `access` hold in the `settings` of a `Member` as they are; what is stricter there
    does no harm. `True` where the settings are not known, as in what a sync has left."""
    if not settings:
        return True
    return _policy_holds(settings, access) if "IsDisabled" in settings else _sharing_holds(settings, access)


def not_looser(access: Access, settings: Mapping[str, object]) -> Access:
    """The same access without the permissions that a Plex share does not have now (`settings` of its `Member`). Which of two filters is
    the stricter one cannot be told: the source's holds. Downloads are the plan's affair, where it says something."""
    now, wanted = sharing_settings(settings), dict(access.settings)
    for name, value in sharing_settings(access.settings).items():
        if not name.startswith("filter") and name in now and _level_of(now[name]) < _level_of(value):
            wanted[name] = now[name]
    return replace(access, settings=wanted)


def _level_of(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _policy_holds(policy: Mapping[str, object], access: Access) -> bool:
    try:
        wanted = carried(policy, access.settings)
    except Refused:
        return False  # What cannot be read is refused, in words, when it is to be sent.
    if access.downloads is not None:
        wanted["EnableContentDownloading"] = access.downloads
    return all(_comparable(value) == _comparable(policy.get(key)) for key, value in wanted.items())


def _comparable(value: object) -> object:
    """Lists without their order, and without the ids that Jellyfin adds to rows of them."""
    if not isinstance(value, list):
        return value
    return sorted(repr(_bare(item)) for item in value)


def _bare(item: object) -> object:
    return sorted((key, value) for key, value in item.items() if key not in ("Id", "UserId")) if isinstance(item, dict) else item


def _sharing_holds(settings: Mapping[str, object], access: Access) -> bool:
    """A filter that is another one than the source's stays: only a missing one, or a permission the source does not give, counts."""
    now = sharing_settings(settings)
    if access.downloads is not None and bool(now.get("allowSync")) is not access.downloads:
        return False
    for name, value in sharing_settings(access.settings).items():
        if name.startswith("filter"):
            missing = bool(value) and not now.get(name)
        else:
            missing = not value and bool(now.get(name)) and not (name == "allowSync" and access.downloads is not None)
        if missing:
            return False
    return True
