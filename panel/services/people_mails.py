"""The mails to people who were moved, as the outbox holds them: which of them never left, and what the mail server said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from panel.extensions import db
from panel.models import Email, EmailStatus, Move
from panel.services import notices


@dataclass(frozen=True)
class Unsent:
    """A person who was to be told and was not: their name in the run, the address, the sentence of the mail server."""

    user_id: int
    name: str
    recipient: str
    error: str


def unsent(run_id: int) -> list[Unsent]:
    """Whose newest mail of this run has failed, by name; 1 query."""
    newest = (
        select(func.max(Email.id))
        .where(Email.migration_id == run_id, Email.event == notices.ACCOUNT_MOVED, Email.move_id.is_not(None))
        .group_by(Email.move_id)
    )
    query = (
        select(Move.user_id, Move.name, Email.recipient, Email.error)
        .join(Email, Email.move_id == Move.id)
        .where(Email.id.in_(newest), Email.status == EmailStatus.FAILED)
        .order_by(func.lower(Move.name), Move.id)
    )
    return [Unsent(*row) for row in db.session.execute(query)]


def newest_of(moves: Sequence[Move]) -> dict[int, Email]:
    """The last mail to each of these people, by the move's id; 1 query."""
    wanted = (Email.move_id.in_([move.id for move in moves]), Email.event == notices.ACCOUNT_MOVED)
    rows = db.session.scalars(select(Email).where(*wanted).order_by(Email.id))
    return {mail.move_id: mail for mail in rows if mail.move_id is not None}
