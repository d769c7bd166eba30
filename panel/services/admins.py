"""Who may sign in, and who may change that."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select

from panel.extensions import db
from panel.models import Admin, Role
from panel.models.admin import MIN_PASSWORD_LENGTH
from panel.services import addresses, second_factor

LAST = "This is the last administrator: make somebody else an administrator first."
OWN_FACTOR = "Switch off your own under “My sign-in”: it takes your password and a code."
OWN_ROLE = "You cannot make yourself a viewer: ask another administrator to do it."
ONESELF = "You cannot remove yourself: ask another administrator to do it."


def create(email: str, password: str, role: Role = Role.ADMINISTRATOR) -> Admin:
    """A new admin; flushed. Raises `ValueError` with a sentence for an address or password that will not do."""
    email = email.strip().casefold()
    if len(email) > 255 or addresses.missed(email):
        raise ValueError(f"“{email}” is not an e-mail address.")
    require_length(password)
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


def by_email() -> Sequence[Admin]:
    """All of them, in the order of their addresses."""
    return db.session.scalars(select(Admin).order_by(Admin.email)).all()


def why_not_viewer(admin: Admin, by: Admin) -> str:
    """Why `by` cannot make this admin a viewer; empty when that is possible."""
    if _is_last(admin):
        return LAST
    return OWN_ROLE if admin.id == by.id else ""


def why_not_removed(admin: Admin, by: Admin) -> str:
    """Why `by` cannot remove this admin; empty when that is possible."""
    if admin.id == by.id:
        return ONESELF
    return LAST if _is_last(admin) else ""


def why_not_reset(admin: Admin, by: Admin) -> str:
    """Why `by` cannot switch off this admin's second factor; empty when that is possible."""
    if not admin.totp_secret:
        return f"{admin.email} has no second factor."
    return OWN_FACTOR if admin.id == by.id else ""


def change_role(admin: Admin, role: Role, by: Admin) -> None:
    """Another role, from the next request on; flushed. Raises `ValueError` with a sentence for oneself and for the last administrator."""
    _hold_administrators()
    if role is Role.VIEWER and (problem := why_not_viewer(admin, by)):
        raise ValueError(problem)
    admin.role = role
    db.session.flush()


def remove(admin: Admin, by: Admin) -> None:
    """Sessions of theirs end with it; flushed. Raises `ValueError` with a sentence for oneself and for the last administrator."""
    _hold_administrators()
    if problem := why_not_removed(admin, by):
        raise ValueError(problem)
    second_factor.forget_recovery_codes(admin)
    db.session.delete(admin)
    db.session.flush()


def reset_second_factor(admin: Admin, by: Admin) -> None:
    """E-mail and password are enough for them again; flushed. Raises `ValueError` with a sentence for oneself, and where there is none."""
    if problem := why_not_reset(admin, by):
        raise ValueError(problem)
    second_factor.switch_off(admin)


def change_password(admin: Admin, password: str) -> None:
    """Another password, and every session ends; flushed. Raises `ValueError` with a sentence for one that is too short."""
    require_length(password)
    admin.set_password(password)
    end_sessions(admin)


def end_sessions(admin: Admin) -> None:
    """Sign this admin out everywhere; flushed."""
    admin.session_key = secrets.token_hex(16)
    db.session.flush()


def require_length(password: str) -> None:
    """Raises `ValueError` with a sentence for a password that is too short."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ValueError(f"The password needs at least {MIN_PASSWORD_LENGTH} characters.")


def _is_last(admin: Admin) -> bool:
    others = select(func.count()).where(Admin.role == Role.ADMINISTRATOR, Admin.id != admin.id)
    return admin.role is Role.ADMINISTRATOR and not db.session.scalar(others)


def _hold_administrators() -> None:
    """Locks their rows until the commit: two administrators cannot take the role from each other at the same moment."""
    db.session.scalars(select(Admin.id).where(Admin.role == Role.ADMINISTRATOR).order_by(Admin.id).with_for_update()).all()
