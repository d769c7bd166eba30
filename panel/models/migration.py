"""A run and its users: these rows are the truth, the queue only wakes workers up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from panel.domain.reasons import Reason
from panel.domain.statuses import OPEN, MigrationStatus, MoveStatus, Removal, RunKind, Step
from panel.extensions import Base, Model
from panel.models.library import Library
from panel.models.server import Server
from panel.models.types import EnumText, ReasonList, UtcDateTime, utc_now
from panel.models.user import User

move_libraries = Table(
    "move_libraries",
    Base.metadata,
    Column("move_id", ForeignKey("moves.id", ondelete="CASCADE"), primary_key=True),
    Column("library_id", ForeignKey("libraries.id"), primary_key=True),
)


class Migration(Model):
    """One run between two servers. `epoch` grows each time a worker takes the run in hand: work of an older epoch counts for nothing."""

    __tablename__ = "migrations"
    __table_args__ = (Index("ix_migrations_status", "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("servers.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("servers.id"))
    kind: Mapped[RunKind] = mapped_column(EnumText(RunKind), default=RunKind.MOVE)
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("migrations.id", ondelete="SET NULL"), index=True)
    "The run whose doings this one takes back: its source is that one's target."
    status: Mapped[MigrationStatus] = mapped_column(EnumText(MigrationStatus), default=MigrationStatus.QUEUED)
    removal: Mapped[Removal] = mapped_column(EnumText(Removal), default=Removal.WHEN_ACTIVE)
    pace_s: Mapped[float] = mapped_column(default=0.0)
    note: Mapped[str] = mapped_column(Text, default="")
    "What the admin should know about the run as a whole, such as that the source was not reached."
    problem: Mapped[str] = mapped_column(Text, default="")
    "Why the run failed, or cannot go on while it is paused; else empty."

    start_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Not to be begun before; until then it holds no server."
    repeat_every_h: Mapped[float] = mapped_column(default=0.0)
    "Hours from this run's end to the next round for those who are left; 0: no further round."
    rounds_left: Mapped[int] = mapped_column(default=0)
    follows_id: Mapped[int | None] = mapped_column(ForeignKey("migrations.id", ondelete="SET NULL"), index=True)
    "The round before."

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Set once nothing is in hand any more and the servers are free again; a cancelled run first settles what it has given."
    retried_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When somebody was last tried again after it had ended."
    prepared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Set once both servers were asked and every user's target access was settled."
    source_reached: Mapped[bool] = mapped_column(default=True)

    epoch: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_holder: Mapped[str] = mapped_column(String(120), default="")
    deaths: Mapped[int] = mapped_column(default=0)
    "How many holders before the present one have died in a row without getting anywhere; not those that were not to blame."
    falls: Mapped[int] = mapped_column(default=0)
    "The same with those that fell together with their machine, or lost their hold otherwise."
    stood: Mapped[str] = mapped_column(String(12), default="")
    "A digest of where the run stood when the present holder took it."
    wake_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Nothing can be done before: a turn of the pace, a server that is away."
    wake_reason: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)
    "When this row was last written: one that lies ahead was written before the clock was put back."
    looked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When the target was last read back: everyone who is to be taken without another look stood in that list."
    outages: Mapped[int] = mapped_column(default=0)
    "Failed attempts to reach a server in a row."
    awaited_id: Mapped[int | None] = mapped_column(ForeignKey("servers.id", ondelete="SET NULL"))
    "The server that does not answer and is tried again: also while the next try is under way, until something succeeds."

    source: Mapped[Server] = relationship(foreign_keys=[source_id])
    target: Mapped[Server] = relationship(foreign_keys=[target_id])
    moves: Mapped[list[Move]] = relationship(
        back_populates="migration", order_by="Move.position", cascade="all, delete-orphan", lazy="select"
    )


class Move(Model):
    """One user in a run: what they are to get, how far that has come, and how it ended."""

    __tablename__ = "moves"
    __table_args__ = (UniqueConstraint("migration_id", "user_id"), Index("ix_moves_migration_id_status", "migration_id", "status"))

    id: Mapped[int] = mapped_column(primary_key=True)
    migration_id: Mapped[int] = mapped_column(ForeignKey("migrations.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    position: Mapped[int]
    status: Mapped[MoveStatus] = mapped_column(EnumText(MoveStatus), default=MoveStatus.PENDING)
    step: Mapped[Step] = mapped_column(EnumText(Step), default=Step.GIVE)
    reasons: Mapped[tuple[Reason, ...]] = mapped_column(ReasonList, default=())
    detail: Mapped[str] = mapped_column(Text, default="")
    remark: Mapped[str] = mapped_column(Text, default="")
    "What the admin should know although the user moved: a restriction that could not be carried, a link that was not made."
    unreadable: Mapped[bool] = mapped_column(default=False)
    "Whether the target's list says nothing that can be read about their waiting invite; `detail` says why."
    retryable: Mapped[bool] = mapped_column(default=False)
    claim: Mapped[int | None]
    "The run's epoch under which this user is in hand now; an older one than the run's marks work that died."
    in_hand_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When a worker of this run last had this user in hand: what other runs did later came after all that this one has done."
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, onupdate=utc_now)

    name: Mapped[str] = mapped_column(String(255))
    "The user's name when the run started."
    account_name: Mapped[str] = mapped_column(String(255), default="")
    address: Mapped[str] = mapped_column(String(255), default="")
    "The e-mail the target platform knows the person by."
    downloads: Mapped[bool | None]
    restrictions: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "The source's own settings for this person, carried where both platforms speak the same language."

    accepted: Mapped[bool] = mapped_column(default=False)
    "Whether the target access was effective at the last read-back."
    needs_look: Mapped[bool] = mapped_column(default=False)
    "The target has to be looked at before giving again: an answer was lost, a worker died, or there is access to be edited."
    known: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "The Plex share to be edited as it was when the run was prepared; empty where access is created."
    seen: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "What the source access was when both servers were last asked; a sync may be older."
    before: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "What the target access was (libraries, settings) where the run changed one that was there already; kept to give it back."
    source_member_id: Mapped[str] = mapped_column(String(80), default="")
    target_member_id: Mapped[str] = mapped_column(String(80), default="")
    target_account_id: Mapped[str] = mapped_column(String(80), default="")
    created_account: Mapped[bool] = mapped_column(default=False)
    "Whether the run made the account or share on the target, or had the intent to: written before the request leaves."
    sealed: Mapped[bool] = mapped_column(default=False)
    "Whether the account was there without a password and was given one nobody knows before it was opened; written before that."
    secure_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "An account that may stand open, or may yet be made, is not to be looked for again before; says nothing about what was found."
    missing_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "Since the last request that may have made an account, a look at this moment has found none, and no later one did."
    from_backup: Mapped[bool] = mapped_column(default=False)
    "Whether the account was being made when the backup was made that was restored: it is ours only where it has no password."
    given_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    taken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    taken: Mapped[dict[str, object]] = mapped_column(JSON, default=dict)
    "What the source access was before it was removed (libraries, settings): raw evidence, kept to give it back."
    reminded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When the person was last asked by mail to accept the invite."
    account_mail: Mapped[str] = mapped_column(String(20), default="")
    "Where the Account Moved mail stands: empty, queued, none (nothing to send)."

    migration: Mapped[Migration] = relationship(back_populates="moves")
    user: Mapped[User] = relationship()
    libraries: Mapped[list[Library]] = relationship(secondary=move_libraries, order_by=Library.name)

    @property
    def is_open(self) -> bool:
        """Whether its fate is not known yet."""
        return self.status in OPEN
