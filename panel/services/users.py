"""Users by hand: written, and removed with everything that hangs on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, func, or_, select

from panel.domain.statuses import OPEN, MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Account, Migration, Move, Payment, SentRequest, Share, User
from panel.services import addresses

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
    """Put values (keys of `COLUMNS`) into a new or stored user; flushed. Answers the columns that changed; an address that stays as it is
    stored may come from a media server, and is not judged. Raises `WrongValue`."""
    changed = [column for column in COLUMNS if column in values and getattr(user, column) != values[column]]
    with db.session.no_autoflush:
        for column in EMAILS:
            if column in changed:
                check_address(column, str(values[column]), but=user.id)
    for column in changed:
        setattr(user, column, values[column])
    db.session.add(user)
    db.session.flush()
    return changed


def check_address(column: str, address: str, but: int | None = None) -> None:
    """Raises `WrongValue` for what is no address, or belongs to somebody else than the user with the id `but`."""
    if not address:
        return
    if missed := addresses.missed(address):
        raise WrongValue(column, f"“{address}” is not {missed}.")
    owner = _other_with(address, but)
    if owner is not None:
        raise WrongValue(column, f"{owner} has the address {address} already. If they are the same person, merge the two.")


def _other_with(address: str, but: int | None) -> str | None:
    """The name of a user but that one who has this address, as any of the three."""
    mine, columns = User.id != (but or 0), [getattr(User, column) for column in EMAILS]
    if address.isascii():
        is_theirs = or_(*(func.lower(column) == address.lower() for column in columns))
        return db.session.scalar(select(User.name).where(mine, is_theirs).limit(1))
    # Of letters beyond ASCII the databases do not agree on which are the same.
    folded = address.casefold()
    rows = db.session.execute(select(User.name, *columns).where(mine))
    return next((name for name, *emails in rows if any(email.casefold() == folded for email in emails)), None)


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


def lines_about(user: User) -> int:
    """How many lines the downloads of runs have of what was sent for this user: requests, those that failed as well, and for each stop of a
    worker or of the panel in the middle of it one that says so. They stay, with the name, when the user is deleted."""
    return db.session.scalar(select(func.count()).select_from(SentRequest).join(Move).where(Move.user_id == user.id)) or 0


def remove(user: User) -> None:
    """Delete a user with all their rows, but for the proof of what was sent for them; no server is asked, nobody loses access. Raises
    `InUse`."""
    if refusal := why_not_deletable(user):
        raise InUse(refusal)
    user_id = user.id
    db.session.expunge(user)
    execute(delete(User).where(User.id == user_id))
