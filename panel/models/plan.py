"""Plans: what a payment buys."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, String, Table, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.extensions import Base, Model, db
from panel.models.library import LibraryGroup

plan_library_groups = Table(
    "plan_library_groups",
    Base.metadata,
    Column("plan_id", ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True),
    Column("group_id", ForeignKey("library_groups.id"), primary_key=True),
)


class Plan(Model):
    """Library groups, downloads, and how many days one payment lasts. Exactly one plan is the default."""

    __tablename__ = "plans"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    allow_downloads: Mapped[bool] = mapped_column(default=False)
    duration_days: Mapped[int] = mapped_column(default=30)
    is_default: Mapped[bool] = mapped_column(default=False)

    groups: Mapped[list[LibraryGroup]] = relationship(secondary=plan_library_groups, order_by=LibraryGroup.name)

    @classmethod
    def default(cls) -> Plan | None:
        """The default plan, once there is one."""
        return db.session.scalar(select(cls).where(cls.is_default).order_by(cls.id))
