"""Users whose account name on the target belongs to somebody else stay: an account is adopted only when it is known to be theirs."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.reasons import Reason


def name_taken(candidate: Candidate, pair: Pair) -> Reason | None:
    """Names are compared case-folded, as both Emby and Jellyfin do."""
    return Reason.NAME_TAKEN if candidate.name_is_taken else None
