"""The mails to people who were moved, as the outbox holds them: which of them never left, and what the mail server said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import aliased

from panel.extensions import db
from panel.models import Email, EmailStatus, Move
from panel.services import notices

_newer = aliased(Email)
_FAILED = and_(
    Email.migration_id == bindparam("run_id"),
    Email.move_id.is_not(None),
    Email.event == notices.ACCOUNT_MOVED,
    or_(Email.status == EmailStatus.FAILED, and_(Email.status == EmailStatus.SENDING, Email.error != "")),
    ~exists().where(_newer.move_id == Email.move_id, _newer.event == Email.event, _newer.id > Email.id),
)
#: Put together once: every look of a live page asks them.
_UNSENT = select(Move.user_id, Move.name, Email.recipient, Email.error).join(Email, Email.move_id == Move.id).where(_FAILED)
_UNSENT_SUM = select(func.count(), func.coalesce(func.sum(Email.id), 0)).where(_FAILED)


@dataclass(frozen=True)
class Unsent:
    """A person who was to be told and was not: their name in the run, the address, the sentence of the mail server."""

    user_id: int
    name: str
    recipient: str
    error: str


def unsent(run_id: int) -> list[Unsent]:
    """Whose newest mail of this run has failed, or is not known to have arrived, by name; 1 query."""
    query = _UNSENT.order_by(func.lower(Move.name), Move.id)
    return [Unsent(*row) for row in db.session.execute(query, {"run_id": run_id})]


def unsent_sum(run_id: int) -> tuple[int, int]:
    """Their number, and a sum that is another one for other mails; 1 query."""
    row = db.session.execute(_UNSENT_SUM, {"run_id": run_id}).one()
    return row[0], int(row[1])


def newest_of(moves: Sequence[Move]) -> dict[int, Email]:
    """The last mail to each of these people, by the move's id; 1 query."""
    wanted = (Email.move_id.in_([move.id for move in moves]), Email.event == notices.ACCOUNT_MOVED)
    rows = db.session.scalars(select(Email).where(*wanted).order_by(Email.id))
    return {mail.move_id: mail for mail in rows if mail.move_id is not None}
