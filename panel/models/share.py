"""Who is on which server: the access itself, and the accounts people are known by."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, Column, ForeignKey, Index, String, Table, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.extensions import Base, Model
from panel.models.library import Library
from panel.models.server import Server
from panel.models.types import EnumText, UtcDateTime
from panel.models.user import User

share_libraries = Table(
    "share_libraries",
    Base.metadata,
    Column("share_id", ForeignKey("shares.id", ondelete="CASCADE"), primary_key=True),
    Column("library_id", ForeignKey("libraries.id", ondelete="CASCADE"), primary_key=True),
)


class Evidence(StrEnum):
    """How an account was recognised as this person's: they were found through it, by an e-mail, by an earlier move, or by its name."""

    FOUND = "found"
    EMAIL = "email"
    MOVE = "move"
    NAME = "name"


class Share(Model):
    """A user's present access to a server; gone when the access is. `accepted_at` is empty while an invite waits."""

    __tablename__ = "shares"
    __table_args__ = (UniqueConstraint("server_id", "remote_id"), Index("ix_shares_user_id", "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id", ondelete="CASCADE"))
    remote_id: Mapped[str] = mapped_column(String(80))
    "Plex: the shared_server id; Emby, Jellyfin: the account id."
    account_name: Mapped[str] = mapped_column(String(255), default="")
    invited_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    all_libraries: Mapped[bool] = mapped_column(default=False)
    is_owner: Mapped[bool] = mapped_column(default=False)
    settings: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "The platform's own record at the last sync: raw evidence, kept to carry restrictions and to give back what was removed."

    user: Mapped[User] = relationship()
    server: Mapped[Server] = relationship()
    libraries: Mapped[list[Library]] = relationship(secondary=share_libraries)


class Account(Model):
    """By which account a person is known on one Emby or Jellyfin server; kept when the access ends, so that they are recognised again."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("server_id", "remote_id"), Index("ix_accounts_user_id", "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id", ondelete="CASCADE"))
    remote_id: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(255))
    known_by: Mapped[Evidence] = mapped_column(EnumText(Evidence), default=Evidence.FOUND)
    "How we know; an account matched by its name alone is never adopted on a target."

    user: Mapped[User] = relationship()
