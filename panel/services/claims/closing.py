"""What a link has closed for a moment, to set a password: written down before, forgotten once the account is open again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import select, update

from panel.extensions import db, execute
from panel.models import Migration, Move, OneTimeLink
from panel.models.types import utc_now
from panel.platforms.base import Kept, Member
from panel.services.claims.links import CLAIM, fresh, links_to_the_account_of, moves_to_the_account_of

#: How long an account that could not be opened again stays closed before that is tried by itself.
REOPEN_AFTER = timedelta(minutes=1)
#: Until a link that closes an account has to have opened it again; after that it is done by itself.
CLOSED_FOR = timedelta(minutes=2)
#: What the operator is told while a server refuses to have such an account opened again.
STAYS_CLOSED = (
    "The account was closed for a moment, to set a password, and the server has refused every password since: it stays closed. That is "
    "tried again by itself, at growing intervals; look at the account on the server."
)


def what_was_closed(move: Move) -> Kept | None:
    """What the account of this move opened when a link closed it for a moment, where it was not opened again since as far as is known."""
    for link in db.session.scalars(fresh(links_to_the_account_of(move).order_by(OneTimeLink.reopen_after.desc().nulls_last()))):
        was = kept_from_closing(link.closed)
        if was is not None:
            return was
    return None


def kept_from_closing(closed: dict[str, object]) -> Kept | None:
    """What an account opened, out of a link's `closed`; `None` where none was closed."""
    libraries = closed.get("libraries")
    return Kept(frozenset(map(str, libraries)), all_libraries=closed.get("all_libraries") is True) if isinstance(libraries, list) else None


def forget_closing(move: Move) -> None:
    """The account is open again, or somebody else's affair. Flushed."""
    _forget(moves_to_the_account_of(move.id))


def forget_closings_of(server_id: int, account_id: str) -> None:
    """A run has written what this account opens: what links had closed of it before is not opened again. Of an account that is in the
    run's hands, in the transaction that notes what came of it; flushed."""
    whose = (Migration.target_id == server_id, Move.target_account_id == account_id)
    _forget(db.session.scalars(select(Move.id).join(Migration).where(*whose)).all() if account_id else [])


def _forget(move_ids: Sequence[int]) -> None:
    """Moves before links, as everybody has them: two that come at once wait for each other in one order."""
    told = select(Move).where(Move.id.in_(move_ids), Move.remark.contains(STAYS_CLOSED))
    for one in db.session.scalars(told.execution_options(populate_existing=True)):
        one.remark = without_closing(one.remark)
    db.session.flush()
    theirs = (OneTimeLink.purpose == CLAIM, OneTimeLink.move_id.in_(move_ids))
    execute(update(OneTimeLink).where(*theirs).values(closed={}, reopen_after=None))


def without_closing(remark: str) -> str:
    """A remark that no longer says an account stays closed."""
    return " ".join(remark.replace(STAYS_CLOSED, " ").split())


def note_closing(link_id: int) -> Callable[[Member], None]:
    """Writes down, committed, that this account is about to be closed for a moment: whatever happens, it is opened again."""

    def note(member: Member) -> None:
        closed = {"libraries": sorted(member.library_ids), "all_libraries": member.all_libraries}
        execute(update(OneTimeLink).where(OneTimeLink.id == link_id).values(closed=closed, reopen_after=utc_now() + CLOSED_FOR))
        db.session.commit()

    return note
