"""Who changed what in the panel."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from panel.extensions import Model
from panel.models.types import UtcDateTime, utc_now


class AuditEntry(Model):
    """One change: by whom (the e-mail, kept when the admin is gone), what kind, to what, and what exactly. Never holds a secret."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    by: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(60))
    "A verb and a noun, such as `server.edited`."
    subject: Mapped[str] = mapped_column(String(500), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
