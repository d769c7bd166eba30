"""A second account for somebody whose first one is gone: what was known about the first says nothing about it."""

from __future__ import annotations

from sqlalchemy import delete

from panel.extensions import execute
from panel.models import Move, OneTimeLink
from panel.services.claims.links import CLAIM


def forget_claims(move: Move) -> None:
    """To be called once an account was made for a move; flushed. Where an earlier one had been made, its links go, used ones too: nobody
    has chosen a password for the one that is there now, and its person is to be told again."""
    if move.given_at is not None:
        execute(delete(OneTimeLink).where(OneTimeLink.move_id == move.id, OneTimeLink.purpose == CLAIM))
