"""Users without an active subscription stay; permanent users are always active."""

from panel.domain.eligibility.candidate import Candidate, Pair, plan_of
from panel.domain.reasons import Reason


def no_active_subscription(candidate: Candidate, pair: Pair) -> Reason | None:
    """Active: now lies between start and end of one of the payments."""
    return None if candidate.permanent or plan_of(candidate, pair) else Reason.NO_ACTIVE_SUBSCRIPTION
