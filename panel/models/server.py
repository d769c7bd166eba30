"""Media servers."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, String, Text, and_, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from panel.domain.platform import Platform
from panel.extensions import Model, db
from panel.models.checked import Checked
from panel.models.library import Library
from panel.models.plex_account import PlexAccount
from panel.models.types import EnumText, Secret, UtcDateTime, utc_now

#: For how long a sync holds its server at most.
SYNC_HOLD = timedelta(minutes=15)


class Server(Checked, Model):
    """One media server. `machine_id` is read from the server itself; another one behind the same URL is refused."""

    __tablename__ = "servers"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    platform: Mapped[Platform] = mapped_column(EnumText(Platform))
    url: Mapped[str] = mapped_column(String(500))
    token: Mapped[str | None] = mapped_column(Secret)
    plex_account_id: Mapped[int | None] = mapped_column(ForeignKey("plex_accounts.id"))
    enabled: Mapped[bool] = mapped_column(default=True)
    allow_new_subscriptions: Mapped[bool] = mapped_column(default=True)
    has_emby_premiere: Mapped[bool] = mapped_column(default=False)
    max_users: Mapped[int | None]

    machine_id: Mapped[str] = mapped_column(String(80), default="")
    version: Mapped[str] = mapped_column(String(40), default="")
    synced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sync_queued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "A sync was asked for and has not begun."
    sync_step: Mapped[str] = mapped_column(String(255), default="")
    "What the sync under way is doing, for the page."
    sync_result: Mapped[str] = mapped_column(Text, default="")
    "What the last sync that ended has found, as a sentence."

    migration_id: Mapped[int | None]
    "The run that holds this server; taken and given back by conditional UPDATE."
    syncing_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "A sync holds this server until then at the latest."

    plex_account: Mapped[PlexAccount | None] = relationship()
    libraries: Mapped[list[Library]] = relationship(order_by=Library.name, cascade="all, delete-orphan")

    @validates("platform")
    def _known_platform(self, _key: str, platform: str) -> Platform:
        return Platform(platform)

    @hybrid_property
    def syncs_now(self) -> bool:
        """Whether a sync holds this server. A hold that ends later than any that begins now was written before the clock was put back."""
        now = utc_now()
        return self.syncing_until is not None and now < self.syncing_until <= now + SYNC_HOLD

    @syncs_now.inplace.expression
    @classmethod
    def _syncs_now(cls) -> ColumnElement[bool]:
        now = utc_now()
        return and_(cls.syncing_until.is_not(None), cls.syncing_until > now, cls.syncing_until <= now + SYNC_HOLD)

    @property
    def has_downloads_licence(self) -> bool:
        """*Has Plex Pass* of its account, *Has Emby Premiere*, or Jellyfin, which needs none."""
        if self.platform is Platform.PLEX:
            return bool(self.plex_account and self.plex_account.has_plex_pass)
        return self.platform is not Platform.EMBY or self.has_emby_premiere

    @classmethod
    def by_name(cls, name: str) -> Server | None:
        """By its exact name, else case-folded when that is unambiguous."""
        exact = db.session.scalar(select(cls).where(cls.name == name))
        if exact:
            return exact
        alike = [server for server in db.session.scalars(select(cls)) if server.name.casefold() == name.strip().casefold()]
        return alike[0] if len(alike) == 1 else None

    def __repr__(self) -> str:
        return f"<Server {self.id} {self.name!r} {self.platform}>"
