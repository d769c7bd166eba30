"""Between different platforms, users whom Plex knows by no e-mail stay."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.platform import Platform
from panel.domain.reasons import Reason


def plex_email_missing(candidate: Candidate, pair: Pair) -> Reason | None:
    """Only the platforms of the pair count, whichever side Plex is on."""
    needed = pair.is_heterogeneous and Platform.PLEX in pair.platforms
    return Reason.PLEX_EMAIL_MISSING if needed and not candidate.plex_email else None
