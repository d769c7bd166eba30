"""Between different platforms, users whom Emby knows by no e-mail stay (Jellyfin keeps none)."""

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.platform import Platform
from panel.domain.reasons import Reason


def emby_email_missing(candidate: Candidate, pair: Pair) -> Reason | None:
    """Only the platforms of the pair count, whichever side Emby is on."""
    needed = pair.is_heterogeneous and Platform.EMBY in pair.platforms
    return Reason.EMBY_EMAIL_MISSING if needed and not candidate.emby_email else None
