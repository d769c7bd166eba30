"""Who signs in to the panel."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from flask_login import UserMixin
from sqlalchemy import JSON, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.security import check_password_hash, generate_password_hash

from panel.extensions import Model, db
from panel.models.types import EnumText, Secret, UtcDateTime, utc_now

MIN_PASSWORD_LENGTH = 10


class Role(StrEnum):
    """What an admin may do: everything, or only look."""

    ADMINISTRATOR = "administrator"
    VIEWER = "viewer"


class Admin(UserMixin, Model):
    """One login."""

    __tablename__ = "admins"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(EnumText(Role), default=Role.ADMINISTRATOR)
    session_key: Mapped[str] = mapped_column(String(64), default="")
    "Part of every session; a new one signs out everywhere."
    totp_secret: Mapped[str | None] = mapped_column(Secret)
    "The second factor, once it was confirmed with a code."
    totp_used: Mapped[int] = mapped_column(default=0)
    "The time step of the last code that was accepted: none is accepted twice."
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @classmethod
    def by_email(cls, email: str) -> Admin | None:
        """Looked up case-folded."""
        return db.session.scalar(select(cls).where(cls.email == email.strip().casefold()))

    def set_password(self, password: str) -> None:
        """Store a scrypt hash of it."""
        self.password_hash = generate_password_hash(password)

    def has_password(self, password: str) -> bool:
        """Whether it is this one."""
        return check_password_hash(self.password_hash, password)

    def get_id(self) -> str:
        """Flask-Login's session value: changes when the session key does."""
        return f"{self.id}:{self.session_key}"


class RecoveryCode(Model):
    """A code that stands in for the second factor once; only its hash is kept."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(primary_key=True)
    admin_id: Mapped[int] = mapped_column(ForeignKey("admins.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OneTimeLink(Model):
    """Something that counts once, of which only a hash is kept: a link for the first admin's set-up or for a moved user's own choice of a
    password, or a session that has been signed out."""

    __tablename__ = "one_time_links"

    id: Mapped[int] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    move_id: Mapped[int | None] = mapped_column(index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    in_use_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When somebody began to use it; it is used up only once the server has taken the password."
    closed: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "What the account opened when it was closed for a moment, for a password of this link; empty once it is open again."
    reopen_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When an account that is still closed is opened again by itself; empty: never."
