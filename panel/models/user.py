"""The people who watch, and what they have paid for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.extensions import Model
from panel.models.plan import Plan
from panel.models.types import UtcDateTime, utc_now


class User(Model):
    """Someone who uses, or once used, one of the servers. `plex_id` is their plex.tv user id once known."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), index=True)
    email: Mapped[str] = mapped_column(String(255), default="")
    plex_email: Mapped[str] = mapped_column(String(255), default="")
    emby_email: Mapped[str] = mapped_column(String(255), default="")
    jellyfin_name: Mapped[str] = mapped_column(String(255), default="")
    plex_id: Mapped[str] = mapped_column(String(40), default="", index=True)
    plex_username: Mapped[str] = mapped_column(String(255), default="")
    is_managed: Mapped[bool] = mapped_column(default=False)
    "A managed user of a Plex Home: no e-mail, no login of their own."
    permanent: Mapped[bool] = mapped_column(default=False)
    imported: Mapped[bool] = mapped_column(default=False)
    "Named in an estate file: such a user may meet an account found by sync by name as well."
    must_change_plex_account: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    payments: Mapped[list[Payment]] = relationship(back_populates="user", cascade="all, delete-orphan", order_by="Payment.start_at")

    @property
    def emails(self) -> tuple[str, ...]:
        """All addresses known for this person, case-folded, without repeats."""
        return tuple(dict.fromkeys(email.casefold() for email in (self.email, self.plex_email, self.emby_email) if email))


class Payment(Model):
    """A plan paid from one moment to another, both included."""

    __tablename__ = "payments"
    __table_args__ = (Index("ix_payments_user_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id"))
    start_at: Mapped[datetime] = mapped_column(UtcDateTime)
    end_at: Mapped[datetime] = mapped_column(UtcDateTime)

    user: Mapped[User] = relationship(back_populates="payments")
    plan: Mapped[Plan] = relationship()
