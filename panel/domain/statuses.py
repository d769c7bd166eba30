"""Statuses of a run and of a user in it, and which may follow which. The diagram in the documentation is printed from these tables."""

from enum import StrEnum


class MigrationStatus(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


class MoveStatus(StrEnum):
    """Where one user of a run is. `moving`: in hand, or access given and not yet checked and settled."""

    PENDING = "pending"
    MOVING = "moving"
    MOVED = "moved"
    INVITED = "invited"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Step(StrEnum):
    """What a move needs next: access on the target, the read-back of it, the removal on the source, the person's acceptance, or nothing."""

    GIVE = "give"
    CHECK = "check"
    TAKE = "take"
    ACCEPT = "accept"
    DONE = "done"


class Removal(StrEnum):
    """When the source access is removed: once the target access is effective, right after the invite, or never."""

    WHEN_ACTIVE = "when-active"
    AT_ONCE = "at-once"
    KEEP = "keep"


class RunKind(StrEnum):
    """What a run is for: to move users, or to give back what an earlier run did."""

    MOVE = "move"
    UNDO = "undo"


#: A run that holds its two servers.
ACTIVE = (MigrationStatus.QUEUED, MigrationStatus.RUNNING, MigrationStatus.PAUSED)
#: A run whose users may be taken in hand.
WORKABLE = (MigrationStatus.QUEUED, MigrationStatus.RUNNING)
#: A user whose fate is not known yet.
OPEN = (MoveStatus.PENDING, MoveStatus.MOVING)

MIGRATION_TRANSITIONS: dict[MigrationStatus, frozenset[MigrationStatus]] = {
    MigrationStatus.QUEUED: frozenset({MigrationStatus.RUNNING, MigrationStatus.PAUSED, MigrationStatus.CANCELLED, MigrationStatus.FAILED}),
    MigrationStatus.RUNNING: frozenset(
        {MigrationStatus.PAUSED, MigrationStatus.FINISHED, MigrationStatus.CANCELLED, MigrationStatus.FAILED}
    ),
    # Paused before it began, it waits for its time again.
    MigrationStatus.PAUSED: frozenset({MigrationStatus.QUEUED, MigrationStatus.RUNNING, MigrationStatus.CANCELLED}),
    MigrationStatus.FINISHED: frozenset({MigrationStatus.RUNNING}),
    MigrationStatus.CANCELLED: frozenset({MigrationStatus.RUNNING}),
    MigrationStatus.FAILED: frozenset({MigrationStatus.RUNNING}),
}

MOVE_TRANSITIONS: dict[MoveStatus, frozenset[MoveStatus]] = {
    # Who has the right access already, or is retried after it was given, is read back and settled without being taken in hand.
    MoveStatus.PENDING: frozenset(
        {MoveStatus.MOVING, MoveStatus.INVITED, MoveStatus.MOVED, MoveStatus.SKIPPED, MoveStatus.FAILED, MoveStatus.CANCELLED}
    ),
    MoveStatus.MOVING: frozenset({MoveStatus.PENDING, MoveStatus.MOVED, MoveStatus.INVITED, MoveStatus.SKIPPED, MoveStatus.FAILED}),
    MoveStatus.INVITED: frozenset({MoveStatus.MOVED, MoveStatus.FAILED}),
    MoveStatus.FAILED: frozenset({MoveStatus.PENDING}),
    MoveStatus.MOVED: frozenset(),
    MoveStatus.SKIPPED: frozenset(),
    MoveStatus.CANCELLED: frozenset(),
}


def may_follow(before: MigrationStatus, after: MigrationStatus) -> bool:
    """Whether a run may go from one status to the other."""
    return after in MIGRATION_TRANSITIONS[before]


def before(after: MigrationStatus) -> tuple[MigrationStatus, ...]:
    """The statuses from which a run may get to `after`: what a conditional UPDATE has to find."""
    return tuple(status for status in MigrationStatus if may_follow(status, after))
