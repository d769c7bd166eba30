"""Rows of the database, looked up and added as a test of the screens speaks of them."""

from __future__ import annotations

from panel.extensions import db
from panel.models import AuditEntry, PossibleTwin, User


def user(name: str) -> User:
    """Who is called that."""
    return db.session.scalars(db.select(User).where(User.name == name)).one()


def noted(action: str) -> AuditEntry:
    """The only entry about it."""
    return db.session.scalars(db.select(AuditEntry).where(AuditEntry.action == action)).one()


def ask_about(one: str, other: str) -> None:
    """Whether these two are the same person is a question from now on."""
    db.session.add(PossibleTwin(user_id=user(one).id, other_id=user(other).id, why="Birch lists somebody with the same name."))
    db.session.commit()
