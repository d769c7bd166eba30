"""Whether somebody may not see all that is in the libraries they have, in the words of either family of platforms."""

from __future__ import annotations

from collections.abc import Mapping

_LISTS = ("BlockedTags", "AllowedTags", "IncludeTags", "BlockUnratedItems", "AccessSchedules")


def is_restricted(settings: Mapping[str, object]) -> bool:
    """`settings` of a `Member`: a Plex filter is set, or an Emby or Jellyfin policy limits ratings, tags or hours."""
    filtered = any(name.startswith("filter") and value for name, value in settings.items())
    return filtered or settings.get("MaxParentalRating") is not None or any(settings.get(name) for name in _LISTS)
