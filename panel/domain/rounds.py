"""Whether another round of a run may help somebody who has not moved."""

from __future__ import annotations

from collections.abc import Iterable

from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus

#: Nothing that passes by itself: there is nobody to move.
FOR_GOOD = frozenset({Reason.NOT_SHARED, Reason.IS_OWNER})


def is_left(status: MoveStatus, reasons: Iterable[Reason]) -> bool:
    """Whether this user is left for another round: failed, or skipped for a reason that somebody can remedy."""
    return status is MoveStatus.FAILED or (status is MoveStatus.SKIPPED and not FOR_GOOD & frozenset(reasons))
