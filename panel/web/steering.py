"""The buttons that steer a run: what each does, and why it cannot be pressed now."""

from __future__ import annotations

from dataclasses import dataclass

from panel.domain.statuses import ACTIVE, MigrationStatus, may_follow
from panel.models import Migration


@dataclass(frozen=True)
class Button:
    """One verb. `why_not` is a sentence, empty when it may be pressed; One that `asks` leads to a question."""

    verb: str
    label: str
    why_not: str = ""
    asks: bool = False
    tone: str = "secondary"


def buttons(run: Migration, retryable: int) -> list[Button]:
    """Those that make sense at this moment, disabled ones with their reason."""
    shown = []
    if run.status is MigrationStatus.PAUSED:
        shown.append(Button("resume", "Resume", tone="primary"))
    else:
        shown.append(Button("pause", "Pause", _why_not(run, MigrationStatus.PAUSED, "paused")))
    shown.append(Button("cancel", "Cancel…", why_not_cancel(run), asks=True, tone="danger"))
    nobody = "" if retryable else "Nobody has failed in a way that could be tried again."
    label = f"Retry {retryable} failed" if retryable else "Retry failed"
    shown.append(Button("retry", label, nobody, tone="primary" if retryable and run.status not in ACTIVE else "secondary"))
    return shown


def why_not_cancel(run: Migration) -> str:
    """Why this run cannot be cancelled now; empty when it can."""
    return _why_not(run, MigrationStatus.CANCELLED, "cancelled")


def _why_not(run: Migration, status: MigrationStatus, participle: str) -> str:
    if may_follow(run.status, status):
        return ""
    return f"This migration is {run.status.value}, so it cannot be {participle}."
