"""What is written down before anything is sent to give access: what is about to be made, and what there was before it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from panel.domain.platform import Platform
from panel.domain.statuses import RunKind
from panel.models import Migration
from panel.platforms.base import NotAllowed, PlatformError, Refused
from panel.services.claims.closed_for_a_moment import closed_for_a_moment, member_as_open
from panel.services.run.gift import Gift, as_kept
from panel.services.run.rows import write_down

#: No look has been taken yet at what may come of a request.
UNLOOKED = {"secure_after": None, "missing_since": None, "from_backup": False}


def write_intents(run: Migration, epoch: int, gifts: Sequence[Gift]) -> None:
    """For users in hand whom no link is at, right before their requests leave; flushed. Of an account that a link has closed for a moment
    it is kept what it opens otherwise: an undo would close it for good."""
    asked = any(gift.known is not None and gift.known.disabled and is_to_be_kept(run, gift) for gift in gifts)
    closed = closed_for_a_moment(run.target_id) if asked else {}
    for gift in gifts:
        intent: dict[str, Any] = {}
        if gift.known is None:
            intent = _new_account(run, gift)
        elif is_to_be_kept(run, gift):
            intent = {"before": as_kept(member_as_open(gift.known, closed))}
        if is_to_be_sealed(gift):
            intent["sealed"] = True
        if gift.known is not None and gift.move.missing_since is not None:
            # It stands there after all: only looks that come after this one say that it does not.
            intent["missing_since"] = None
        if intent:
            write_down(gift.move, epoch, **intent)


def is_to_be_kept(run: Migration, gift: Gift) -> bool:
    """Whether what the account is now was not this run's doing, and is to be given back one day; not what it has made."""
    move = gift.move
    # One that is known by its id was given, or was found by its intent and closed: it is this run's, though its answer was lost.
    made = gift.ours or (move.created_account and (move.given_at is not None or bool(move.target_member_id)))
    return run.kind is RunKind.MOVE and gift.known is not None and not made and not move.before


def is_to_be_sealed(gift: Gift) -> bool:
    """Whether an account that stands closed and without a password is opened now: it is given one first, which its person has to be able
    to replace. Ours has none but that."""
    if gift.known is None or gift.ours or not gift.known.needs_sealing:
        return False
    return gift.kept is None or gift.kept.settings.get("IsDisabled") is not True


def without_effect(gift: Gift, error: PlatformError) -> dict[str, Any]:
    """What was written down of this attempt and certainly did not come to pass, as columns to be set with its failure."""
    taken_back: dict[str, Any] = {}
    if gift.known is None and not gift.intended and error.had_no_effect:
        taken_back["created_account"] = False
    if is_to_be_sealed(gift) and not gift.sealed and not may_have_arrived(gift):
        taken_back["sealed"] = False
    if gift.known is not None and isinstance(error, (Refused, NotAllowed)):
        taken_back["before"] = {}  # Nothing was changed: whatever there is at the next attempt counts.
    return taken_back


def may_have_arrived(gift: Gift) -> bool:
    """Whether anything that was sent in this attempt may have been carried out: all but what was refused in so many words. A person whose
    account may have a password that nobody knows keeps their link, and nobody counts as cancelled for whom something may have changed."""
    return any(call.status is None or not 400 <= call.status < 500 for call in gift.sent)


def _new_account(run: Migration, gift: Gift) -> dict[str, Any]:
    if not gift.intended:
        # What was there before is gone: an account made now is known by nothing but its name until it is answered for.
        also = {} if run.target.platform is Platform.PLEX else {"target_account_id": ""}
        return {"created_account": True, "target_member_id": "", **UNLOOKED, **also}
    # Looks at what came of an earlier request say nothing about this one.
    return UNLOOKED if gift.move.secure_after is not None or gift.move.missing_since is not None else {}
