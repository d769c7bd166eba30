"""Plex accounts: they own Plex servers, and carry the pace that all runs on them share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from panel.extensions import Model
from panel.models.checked import Checked
from panel.models.types import Secret, UtcDateTime


class PlexAccount(Checked, Model):
    """An account on plex.tv that owns servers. `has_plex_pass` is what the admin says (or the account itself, once asked)."""

    __tablename__ = "plex_accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    token: Mapped[str] = mapped_column(Secret)
    has_plex_pass: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    pass_overridden: Mapped[bool] = mapped_column(default=False)
    "An admin has set *Has Plex Pass* by hand: what plex.tv says no longer changes it."
    plex_id: Mapped[str] = mapped_column(String(40), default="")
    username: Mapped[str] = mapped_column(String(255), default="")

    def __repr__(self) -> str:
        return f"<PlexAccount {self.id} {self.email}>"


class Pacemaker(Model):
    """The pace of one thing that has to be treated gently: a Plex account (`plex:3`) or, where none is touched, a run (`run:12`).

    A turn is taken by a conditional UPDATE of `last_turn_at`, so that it is shared exactly by all workers, and lasts until the request it
    was taken for is over.
    """

    __tablename__ = "pacemakers"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    last_turn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cool_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Asked to slow down until then."
    refusals: Mapped[int] = mapped_column(default=0)
    "429 answers in a row."
    slowness: Mapped[float] = mapped_column(default=1.0)
    "By what the interval is multiplied since the last 429; shrinks to 1 again turn by turn."
    turn_of: Mapped[int | None]
    "The run whose turn it is, for as long as a worker has it in hand. Not a foreign key: a run that is gone has no turn."
    turn_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Until when the turn of a page lasts at most, which nobody has in hand."


class PaceWaiter(Model):
    """A run that waits for a turn of a pace, so that of several the one that has waited longest comes first."""

    __tablename__ = "pace_waiters"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    migration_id: Mapped[int] = mapped_column(ForeignKey("migrations.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    back_at: Mapped[datetime] = mapped_column(UtcDateTime)
    "When it will ask again; one that is not back in time has lost its place."
