"""The outbox, and the templates an admin may change."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from panel.extensions import Model
from panel.models.types import EnumText, UtcDateTime, utc_now


class EmailStatus(StrEnum):
    """`sending` after a crash, or with an error, stays for a person to decide: SMTP cannot be asked whether it had accepted the mail."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class Email(Model):
    """One mail to send. A claim link is written in only at the moment of sending: only its hash may be stored."""

    __tablename__ = "emails"
    __table_args__ = (Index("ix_emails_status", "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(String(40))
    migration_id: Mapped[int | None] = mapped_column(ForeignKey("migrations.id", ondelete="CASCADE"), index=True)
    move_id: Mapped[int | None] = mapped_column(ForeignKey("moves.id", ondelete="CASCADE"), index=True)
    recipient: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")
    attachment_name: Mapped[str] = mapped_column(String(120), default="")
    attachment: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[EmailStatus] = mapped_column(EnumText(EmailStatus), default=EmailStatus.QUEUED)
    error: Mapped[str] = mapped_column(Text, default="")
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When it is to be tried again; of one that is being sent: since when."
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EmailTemplate(Model):
    """What an admin has changed about a notification; empty parts mean the text that ships."""

    __tablename__ = "email_templates"

    event: Mapped[str] = mapped_column(String(40), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    subject: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    html: Mapped[str] = mapped_column(Text, default="")
