"""Users by hand: written, and removed with everything that hangs on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, or_, select

from panel.domain.statuses import OPEN, MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Account, Migration, Move, Payment, Share, User

ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
EMAILS = {"email": "E-mail", "plex_email": "Plex e-mail", "emby_email": "Emby e-mail"}
COLUMNS = ("name", *EMAILS, "jellyfin_name", "permanent", "must_change_plex_account", "notes")


class WrongValue(ValueError):
    """A value of a user that cannot be; `column` says which, `str(error)` is a sentence."""

    def __init__(self, column: str, sentence: str) -> None:
        super().__init__(sentence)
        self.column = column


class InUse(ValueError):
    """The user is part of something that has not ended; `str(error)` says of what."""


@dataclass(frozen=True)
class Loss:
    """What is deleted with a user."""

    payments: int
    shares: int
    accounts: int
    moves: int


def write(user: User, values: Mapping[str, object]) -> list[str]:
    """Put values (keys of `COLUMNS`) into a new or stored user; flushed. Answers the columns that changed. Raises `WrongValue`."""
    with db.session.no_autoflush:
        for column in EMAILS:
            check_address(column, str(values.get(column, "")), but=user.id)
    changed = [column for column in COLUMNS if column in values and getattr(user, column) != values[column]]
    for column in changed:
        setattr(user, column, values[column])
    db.session.add(user)
    db.session.flush()
    return changed


def check_address(column: str, address: str, but: int | None = None) -> None:
    """Raises `WrongValue` for what is no address, or belongs to somebody else than the user with the id `but`."""
    if not address:
        return
    if not ADDRESS.fullmatch(address):
        raise WrongValue(column, f"“{address}” is not an e-mail address.")
    owner = db.session.scalar(select(User).where(has_address(address), User.id != (but or 0)).limit(1))
    if owner is not None:
        raise WrongValue(column, f"{owner.name} has the address {address} already. If they are the same person, merge the two.")


def has_address(address: str) -> ColumnElement[bool]:
    """Whether a user has this address, as any of the three."""
    return or_(*(func.lower(getattr(User, column)) == address.lower() for column in EMAILS))


def why_not_removable(*users: User) -> str:
    """Why these users cannot be deleted or merged now, as a sentence; empty when they can."""
    ids = [user.id for user in users]
    going = (
        select(Move.name, Move.migration_id)
        .join(Migration)
        .where(Move.user_id.in_(ids), or_(Migration.ended_at.is_(None), Move.status.in_(OPEN)))
    )
    if (row := db.session.execute(going.limit(1)).first()) is not None:
        return f"{row[0]} is part of migration {row[1]}, which has not ended. Wait for its end, or cancel it."
    return ""


def why_not_deletable(user: User) -> str:
    """Why this user cannot be deleted now; empty when they can."""
    waits = select(Move.migration_id).where(Move.user_id == user.id, Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT)
    if (run_id := db.session.scalar(waits.limit(1))) is not None:
        return f"An invite of migration {run_id} waits for {user.name}. Withdraw it first, or wait until it is accepted."
    return why_not_removable(user)


def loss_of(user: User) -> Loss:
    """What deleting this user deletes too."""
    counted = (db.session.scalar(select(func.count()).where(model.user_id == user.id)) for model in (Payment, Share, Account, Move))
    return Loss(*(count or 0 for count in counted))


def remove(user: User) -> None:
    """Delete a user with all their rows; no server is asked, nobody loses access. Raises `InUse`."""
    if refusal := why_not_deletable(user):
        raise InUse(refusal)
    user_id = user.id
    db.session.expunge(user)
    execute(delete(User).where(User.id == user_id))
