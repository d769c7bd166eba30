"""Users for whom the target has no room left stay."""

from panel.domain.eligibility.candidate import Candidate, Pair, TargetAccess
from panel.domain.reasons import Reason


def target_full(candidate: Candidate, pair: Pair) -> Reason | None:
    """`pair.room` is what those judged before have left; whoever is on the target already needs no further place."""
    newcomer = candidate.target_access is TargetAccess.NONE
    return Reason.TARGET_FULL if newcomer and pair.room is not None and pair.room <= 0 else None
