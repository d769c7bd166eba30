"""Users of whom one of the servers tells nothing that can be read stay: what nobody knows is not changed."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.reasons import Reason


def unreadable(candidate: Candidate, pair: Pair) -> Reason | None:
    """The others of that server are judged by what it says of them."""
    return Reason.UNREADABLE if candidate.unreadable else None
