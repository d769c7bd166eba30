"""What is asked every now and then whether it still answers: servers and Plex accounts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column, validates

from panel.models.types import UtcDateTime, utc_now


class Checked:
    """The columns of that: when it was asked last, and what was wrong since when."""

    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str] = mapped_column(Text, default="")
    "The sentence of the last failed check or sync; empty when all was well."
    problem_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    "When there was first something wrong; another sentence about it does not begin anew."

    @validates("problem")
    def _note_since(self, _key: str, problem: str) -> str:
        if not problem:
            self.problem_since = None
        elif self.problem_since is None:
            self.problem_since = utc_now()
        return problem
