"""The platforms a media server can be of, and what sets them apart for the rules."""

from enum import StrEnum


class Platform(StrEnum):
    """Stored and exchanged as text."""

    PLEX = "plex"
    EMBY = "emby"
    JELLYFIN = "jellyfin"

    @property
    def label(self) -> str:
        """The name as people write it."""
        return self.value.capitalize()
