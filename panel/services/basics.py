"""What every installation has from its first moment: the library groups that ship, and the row of settings."""

from __future__ import annotations

from sqlalchemy import select

from panel.domain.libraries import PREMIUM_4K, PRIVATE, STANDARD
from panel.extensions import db
from panel.models import LibraryGroup, Setting


def ensure_basics() -> None:
    """Make what is missing of it; flushed. Private and Standard always exist, Premium 4K ships once and may be removed."""
    groups = {group.name: group for group in db.session.scalars(select(LibraryGroup))}
    if not groups:
        db.session.add(LibraryGroup(name=PREMIUM_4K))
    for name in (PRIVATE, STANDARD):
        group = groups.get(name)
        if group is None:
            db.session.add(LibraryGroup(name=name, locked=True))
        else:
            group.locked = True
    Setting.current()
    db.session.flush()
