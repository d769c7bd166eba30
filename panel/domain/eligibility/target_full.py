"""Users for whom the target has no room left stay."""

from dataclasses import replace

from panel.domain.eligibility.candidate import Candidate, Pair
from panel.domain.reasons import Reason


def target_full(candidate: Candidate, pair: Pair) -> Reason | None:
    """`pair.room` and `pair.account_room` are what those judged before have left. Whoever counts on the target already needs no further
    place (a disabled account does not), whoever its Plex account counts already none there."""
    if not candidate.needs_place:
        return None
    server_full = pair.room is not None and pair.room <= 0
    account_full = pair.account_room is not None and pair.account_room <= 0 and not candidate.on_account
    return Reason.TARGET_FULL if server_full or account_full else None


def with_place_taken(candidate: Candidate, pair: Pair) -> Pair:
    """The pair as it is for those judged after this user, who moves."""
    if not candidate.needs_place or (pair.room is None and pair.account_room is None):
        return pair
    room = None if pair.room is None else pair.room - 1
    account_room = pair.account_room if pair.account_room is None or candidate.on_account else pair.account_room - 1
    return replace(pair, room=room, account_room=account_room)
