"""Users for whom the target has no library in their groups stay: an empty list of libraries is never sent."""

from panel.domain.eligibility.candidate import Candidate, Pair, libraries_for, plan_of
from panel.domain.reasons import Reason


def plan_not_offered(candidate: Candidate, pair: Pair) -> Reason | None:
    """Asked of those who have a claim at all. A group that neither server offers takes nothing from anybody."""
    if candidate.unreadable:
        return None  # Which groups they see on the source may be what cannot be read.
    entitled = candidate.permanent or plan_of(candidate, pair) is not None
    return Reason.PLAN_NOT_OFFERED if entitled and not libraries_for(candidate, pair) else None
