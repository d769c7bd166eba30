"""Who may sign in."""

from __future__ import annotations

import secrets

from sqlalchemy import func, select

from panel.extensions import db
from panel.models import Admin, Role
from panel.models.admin import MIN_PASSWORD_LENGTH


def create(email: str, password: str, role: Role = Role.ADMINISTRATOR) -> Admin:
    """A new admin; flushed. Raises `ValueError` with a sentence for an address or password that will not do."""
    email = email.strip().casefold()
    if "@" not in email or len(email) > 255 or any(character.isspace() for character in email):
        raise ValueError(f"“{email}” is not an e-mail address.")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"The password needs at least {MIN_PASSWORD_LENGTH} characters.")
    if Admin.by_email(email):
        raise ValueError(f"{email} can sign in already.")
    admin = Admin(email=email, role=role, session_key=secrets.token_hex(16))
    admin.set_password(password)
    db.session.add(admin)
    db.session.flush()
    return admin


def exist() -> bool:
    """Whether anybody can sign in yet."""
    return bool(db.session.scalar(select(func.count()).select_from(Admin)))
