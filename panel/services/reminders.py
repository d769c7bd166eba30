"""Whoever has not accepted an invite after some days is asked once more by mail, without anybody having to think of it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import aliased, joinedload

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Email, EmailStatus, Migration, Move, Setting
from panel.models.types import utc_now
from panel.services import invites, mail, notices
from panel.services.run.way_back import is_taken_back

#: A reminder that was given up after all its tries is written anew after this, and so often at most.
AGAIN_AFTER, MOST_AGAIN = timedelta(days=1), 7
#: Mails put into the outbox in one go.
AT_ONCE = 50


def remind_due() -> list[Email]:
    """Put a mail into the outbox for everyone whose reminder is due; answers them. Commits.

    Each is reminded once, and anew a day later, for some days, where the mail was given up after all its tries. Who has no address, while
    no mail can be sent, while one is on its way, or while it cannot be told whether they have accepted, is looked at again the next time.
    """
    days = Setting.current().remind_after_d
    mails: list[Email] = []
    for move in _due(days) if days and notices.people_are_told() else []:
        if invites.why_no_reminder(move):
            continue
        mine = (Move.id == move.id, Move.reminded_at.is_(None) if move.reminded_at is None else Move.reminded_at == move.reminded_at)
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
    now = utc_now()
    first = and_(Move.reminded_at.is_(None), Move.given_at <= now - timedelta(days=days))
    again = and_(Move.reminded_at <= now - AGAIN_AFTER, _was_given_up())
    query = select(Move).where(
        Move.status == MoveStatus.INVITED,
        Move.step == Step.ACCEPT,
        ~is_taken_back(),
        or_(first, again),
        # They may have accepted long since.
        Move.unreadable.is_(False),
        ~exists().where(Email.move_id == Move.id, invites.is_on_its_way()),
    )
    return list(db.session.scalars(query.options(joinedload(Move.user), joinedload(Move.migration).joinedload(Migration.target))))


def _was_given_up() -> ColumnElement[bool]:
    """Of an invite: whether the newest mail about it was given up after all its tries, and not too many were. What a mail server refuses
    for good is tried once."""
    newer = aliased(Email)
    is_newest = ~exists().where(newer.move_id == Email.move_id, newer.id > Email.id)
    given_up = Email.move_id == Move.id, Email.status == EmailStatus.FAILED, Email.attempts > len(mail.RETRY_WAITS_S)
    so_many = select(func.count(Email.id)).where(*given_up).correlate(Move).scalar_subquery()
    return and_(exists().where(*given_up, is_newest), so_many <= MOST_AGAIN)
