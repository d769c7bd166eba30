"""The mails to people who were moved, as the outbox holds them: which of them never left, and what the mail server said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import aliased

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
    query = select(Move.user_id, Move.name, Email.recipient, Email.error).join(Email, Email.move_id == Move.id).where(*_failed(run_id))
    return [Unsent(*row) for row in db.session.execute(query.order_by(func.lower(Move.name), Move.id))]


def unsent_sum(run_id: int) -> tuple[int, int]:
    """Their number, and a sum that is another one for other mails; 1 query."""
    row = db.session.execute(select(func.count(), func.coalesce(func.sum(Email.id), 0)).where(*_failed(run_id))).one()
    return row[0], int(row[1])


def newest_of(moves: Sequence[Move]) -> dict[int, Email]:
    """The last mail to each of these people, by the move's id; 1 query."""
    wanted = (Email.move_id.in_([move.id for move in moves]), Email.event == notices.ACCOUNT_MOVED)
    rows = db.session.scalars(select(Email).where(*wanted).order_by(Email.id))
    return {mail.move_id: mail for mail in rows if mail.move_id is not None}


def _failed(run_id: int) -> tuple[ColumnElement[bool], ...]:
    newer = aliased(Email)
    outdated = exists().where(newer.move_id == Email.move_id, newer.event == Email.event, newer.id > Email.id)
    of_run = Email.migration_id == run_id, Email.move_id.is_not(None), Email.event == notices.ACCOUNT_MOVED
    return *of_run, Email.status == EmailStatus.FAILED, ~outdated
