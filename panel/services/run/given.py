"""What is written down once somebody has been given access."""

from __future__ import annotations

from panel.domain.platform import Platform
from panel.domain.statuses import Step
from panel.models import Evidence, Migration
from panel.platforms.base import Given
from panel.services.claims.closing import forget_closings_of
from panel.services.claims.unclaimed import has_chosen
from panel.services.people import record_account
from panel.services.remarks import with_sealing, without_warning
from panel.services.run.gift import Gift
from panel.services.run.intents import is_to_be_sealed
from panel.services.run.made_anew import forget_claims
from panel.services.run.rows import record
from panel.services.run.trouble import note_success
from panel.services.shared_clock import shared_now


def note_given(run: Migration, epoch: int, gift: Gift, given: Given) -> None:
    """The user goes on to be read back, known by the ids the target has answered with. Flushed."""
    move, made = gift.move, gift.known is None or gift.ours
    also = {"account_mail": ""} if made else {}
    note_success(run)
    done = record(
        move.id,
        epoch,
        step=Step.CHECK,
        target_member_id=given.member_id,
        target_account_id=given.account_id,
        given_at=shared_now(),
        detail="",
        remark=_remark(gift, given),
        needs_look=False,
        **also,
    )
    if done and gift.sent and run.target.platform is not Platform.PLEX:
        # What it opens has been written: a link that had closed it opens it no more.
        forget_closings_of(run.target_id, given.account_id)
    if done and made:
        forget_claims(move)
        if run.target.platform is not Platform.PLEX:
            # Known as theirs from now on: should everybody be judged anew before it is read back, it is nobody else's.
            record_account(run.target, move.user, given.account_id, move.account_name, Evidence.MOVE)


def _remark(gift: Gift, given: Given) -> str:
    remark = " ".join(filter(None, (without_warning(gift.move.remark), given.note)))
    # By this attempt or an earlier one: only the first of them finds the account without a password.
    is_sealed = is_to_be_sealed(gift) or (gift.sealed and not has_chosen(gift.move))
    return with_sealing(remark) if is_sealed else remark
