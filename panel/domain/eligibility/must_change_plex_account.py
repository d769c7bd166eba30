"""Users flagged to change their Plex account first are not invited to Plex before they have."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.platform import Platform
from panel.domain.reasons import Reason


def must_change_plex_account(candidate: Candidate, pair: Pair) -> Reason | None:
    """The flag forbids new access on Plex; leaving Plex is not its concern."""
    flagged = candidate.must_change_plex_account and pair.target is Platform.PLEX
    return Reason.MUST_CHANGE_PLEX_ACCOUNT if flagged else None
