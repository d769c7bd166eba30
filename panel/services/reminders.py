"""Whoever has not accepted an invite after some days is asked once more by mail, without anybody having to think of it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Email, Migration, Move, Setting
from panel.models.types import utc_now
from panel.services import invites, notices
from panel.services.run.way_back import is_taken_back

#: Mails put into the outbox in one go.
AT_ONCE = 50


def remind_due() -> list[Email]:
    """Put a mail into the outbox for everyone whose reminder is due; answers them. Commits.

    Each is reminded once. Who has no address, or while no mail can be sent, is looked at again the next time.
    """
    days = Setting.current().remind_after_d
    mails: list[Email] = []
    for move in _due(days) if days and notices.people_are_told() else []:
        if invites.why_no_reminder(move):
            continue
        mine = (Move.id == move.id, Move.reminded_at.is_(None))
        try:
            with db.session.begin_nested():
                if execute(update(Move).where(*mine).values(reminded_at=utc_now())) == 1:
                    mails.append(invites.remind(move))
        except invites.NotNow:
            continue
        if len(mails) >= AT_ONCE:
            break
    db.session.commit()
    return mails


def _due(days: int) -> list[Move]:
    query = select(Move).where(
        Move.status == MoveStatus.INVITED,
        Move.step == Step.ACCEPT,
        ~is_taken_back(),
        Move.reminded_at.is_(None),
        Move.given_at <= utc_now() - timedelta(days=days),
    )
    return list(db.session.scalars(query.options(joinedload(Move.user), joinedload(Move.migration).joinedload(Migration.target))))
