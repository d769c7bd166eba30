"""Writes docs/states.md from the tables in panel/domain/statuses.py: `python scripts/states.py` after a change of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from panel.domain.statuses import (  # noqa: E402
    ACTIVE,
    MIGRATION_TRANSITIONS,
    MOVE_TRANSITIONS,
    OPEN,
    WORKABLE,
    MigrationStatus,
    MoveStatus,
)

PAGE = ROOT / "docs" / "states.md"

RUN_WORDS = {
    MigrationStatus.QUEUED: "written down; begins at once, or at the time that was set",
    MigrationStatus.RUNNING: "one user after another is moved",
    MigrationStatus.PAUSED: "the user in hand is finished, then nothing happens until somebody resumes it",
    MigrationStatus.FINISHED: "everybody's fate is known (a retry takes up those who failed)",
    MigrationStatus.CANCELLED: "nobody new is begun; whoever had been begun is finished",
    MigrationStatus.FAILED: "the run as a whole could not go on; the page says why and a retry takes it up",
}
MOVE_WORDS = {
    MoveStatus.PENDING: "waits for a turn",
    MoveStatus.MOVING: "in hand, or access given and not yet checked and settled",
    MoveStatus.MOVED: "on the target, and the source as was chosen",
    MoveStatus.INVITED: "the person has to accept an invite",
    MoveStatus.SKIPPED: "stays, with all reasons",
    MoveStatus.FAILED: "stays, with what the platform said",
    MoveStatus.CANCELLED: "the run was cancelled before this user's turn",
}


def page() -> str:
    """The whole document."""
    return f"""# States

Written by `scripts/states.py` from `panel/domain/statuses.py`; a test compares them.

## A run

{diagram(MIGRATION_TRANSITIONS, MigrationStatus.QUEUED)}

{table(MIGRATION_TRANSITIONS, RUN_WORDS)}

A run holds its two servers while it is {listed(ACTIVE)} (one that begins later holds them from then on); its users are taken in
hand while it is {listed(WORKABLE)}.

## A user in a run

{diagram(MOVE_TRANSITIONS, MoveStatus.PENDING)}

{table(MOVE_TRANSITIONS, MOVE_WORDS)}

The run ends once nobody is {listed(OPEN)}.
"""


def diagram(transitions: Mapping[StrEnum, frozenset[StrEnum]], first: StrEnum) -> str:
    """As a Mermaid state diagram."""
    arrows = [f"    {before} --> {after}" for before, afters in transitions.items() for after in sorted(afters)]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"    [*] --> {first}", *arrows, "```"])


def table(transitions: Mapping[StrEnum, frozenset[StrEnum]], words: Mapping[StrEnum, str]) -> str:
    """As a table: the status, what it means, and what may follow."""
    rows = [f"| `{status}` | {words[status]} | {listed(sorted(transitions[status])) or 'nothing'} |" for status in transitions]
    return "\n".join(["| Status | Means | May become |", "|---|---|---|", *rows])


def listed(statuses: object) -> str:
    """Names in code type, the last after an or."""
    names = [f"`{status}`" for status in statuses]  # type: ignore[attr-defined]
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
