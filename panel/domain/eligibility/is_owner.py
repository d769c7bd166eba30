"""Owners and administrators of the servers are never touched."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.reasons import Reason


def is_owner(candidate: Candidate, pair: Pair) -> Reason | None:
    """Owner of a Plex account of the pair, or administrator of an Emby or Jellyfin server of it."""
    return Reason.IS_OWNER if candidate.is_owner else None
