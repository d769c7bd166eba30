"""Which runs somebody has taken up again: the list of who changed what tells."""

from __future__ import annotations

import re
from collections.abc import Collection

from sqlalchemy import or_, select

from panel.extensions import db
from panel.models import AuditEntry, Migration

ACTION = "migration.retried"


def said_of(run: Migration, detail: str = "") -> str:
    """What the list says of a run: its number, and what else there is to say."""
    return f"{_name(run.id)} {detail}".strip()


def retried(run_ids: Collection[int]) -> set[int]:
    """Those of these runs in which somebody was tried again; one query."""
    if not run_ids:
        return set()
    said = [which for name in map(_name, run_ids) for which in (AuditEntry.detail == name, AuditEntry.detail.startswith(f"{name} "))]
    details = db.session.scalars(select(AuditEntry.detail).where(AuditEntry.action == ACTION, or_(*said)).distinct())
    return {int(found[1]) for found in (re.match(_name(r"(\d+)"), detail) for detail in details) if found}


def _name(run_id: int | str) -> str:
    return f"Migration {run_id}."
