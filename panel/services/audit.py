"""The list of who changed what."""

from __future__ import annotations

from panel.extensions import db
from panel.models import AuditEntry


def note(by: str, action: str, subject: str = "", detail: str = "") -> None:
    """Write down one change together with it; flushed with the rest. `action`: noun and past participle, such as `server.edited`."""
    db.session.add(AuditEntry(by=by[:255], action=action[:60], subject=subject[:500], detail=detail))
