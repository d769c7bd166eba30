"""Libraries and the groups they are put into."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.extensions import Model
from panel.models.types import UtcDateTime


class LibraryGroup(Model):
    """A group of libraries across servers; plans include groups. Private and Standard are locked."""

    __tablename__ = "library_groups"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    locked: Mapped[bool] = mapped_column(default=False)


class Library(Model):
    """A library of a server. `remote_id` is what the platform's access lists take; empty while no sync has found it."""

    __tablename__ = "libraries"
    __table_args__ = (Index("ix_libraries_server_id_remote_id", "server_id", "remote_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    server_id: Mapped[int] = mapped_column(ForeignKey("servers.id", ondelete="CASCADE"))
    remote_id: Mapped[str] = mapped_column(String(80), default="")
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(20), default="")
    group_id: Mapped[int | None] = mapped_column(ForeignKey("library_groups.id"))
    missing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When a sync no longer found it; it offers nothing from then on."

    group: Mapped[LibraryGroup | None] = relationship()

    @property
    def is_there(self) -> bool:
        """Whether the last sync has found it."""
        return bool(self.remote_id) and self.missing_since is None
