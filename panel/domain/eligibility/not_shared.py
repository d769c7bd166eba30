"""Users who do not share the source server now stay out of the run: there is nothing to move."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.reasons import Reason


def not_shared(candidate: Candidate, pair: Pair) -> Reason | None:
    """An invite never accepted is no share."""
    return None if candidate.shares_source else Reason.NOT_SHARED
