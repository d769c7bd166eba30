"""Proof of what a run did: every request that changed something, or may have."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from panel.extensions import Model
from panel.models.types import UtcDateTime


class SentRequest(Model):
    """One changing request of a run: for whom, to which server, and how it was answered. Never holds a secret: no query, body or header."""

    __tablename__ = "sent_requests"
    __table_args__ = (Index("ix_sent_requests_migration_id_move_id", "migration_id", "move_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    migration_id: Mapped[int] = mapped_column(ForeignKey("migrations.id", ondelete="CASCADE"))
    move_id: Mapped[int | None] = mapped_column(ForeignKey("moves.id", ondelete="SET NULL"), index=True)
    user_name: Mapped[str] = mapped_column(String(255), default="")
    "For whom it was sent, by the name they had then: it stays when the user is removed from the panel."
    server_id: Mapped[int | None] = mapped_column(ForeignKey("servers.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(String(500))
    status: Mapped[int | None]
    "The answer's HTTP status; empty when none came."
    result: Mapped[str] = mapped_column(Text, default="")
    "What went wrong, in a sentence; empty when it was done."
