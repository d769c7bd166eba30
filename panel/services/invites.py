"""Invites that wait for the person: of runs, or known by sync only; reminded of, withdrawn, or asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, update
from sqlalchemy.orm import joinedload

from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db, execute
from panel.models import Email, EmailStatus, Migration, Move, Server, Share, User
from panel.models.types import utc_now
from panel.platforms.base import Member, PlatformError, Remote
from panel.platforms.unreadable import require_readable
from panel.services import by_hand, mail, notices, proof
from panel.services.run.accept import begun_anew, check_invites
from panel.services.run.listed import Listed
from panel.services.servers import HURRIED, refusal_of, remote_for
from panel.services.shares import ServerBusy, require_free, why_not_now
from panel.services.throttling import NotYet
from panel.services.user_list import holds

Find = Callable[[Sequence[Member]], Member | None]

WITHDRAWN = "The invite was withdrawn by an administrator before it was accepted."


class NotNow(ValueError):
    """It cannot be done now; `str(error)` says why and what to do."""


@dataclass(frozen=True)
class Found:
    """What asking a server brought: how many have accepted, how many still wait, the runs that go on now, and the names of those who
    wait because of them it cannot be told."""

    accepted: int
    waiting: int
    run_ids: tuple[int, ...]
    untold: tuple[str, ...] = ()


def of_runs(search: str = "", filters: Mapping[str, str] | None = None) -> Select[Any]:
    """The users of runs who have not accepted; `filters`: `server` and `run` (ids)."""
    query = select(Move).join(Migration).where(*_waits())
    if search:
        query = query.where(or_(Move.name.icontains(search, autoescape=True), Move.user_id.in_(select(User.id).where(holds(search)))))
    if (server_id := _id(filters, "server")) is not None:
        query = query.where(Migration.target_id == server_id)
    if (run_id := _id(filters, "run")) is not None:
        query = query.where(Move.migration_id == run_id)
    return query.options(joinedload(Move.migration).joinedload(Migration.target), joinedload(Move.user))


def known_by_sync(search: str = "", filters: Mapping[str, str] | None = None) -> Select[Any]:
    """Shares nobody has accepted and no run waits for; `filters`: `server` (an id)."""
    of_run = exists().where(
        Move.user_id == Share.user_id, Migration.id == Move.migration_id, Migration.target_id == Share.server_id, *_waits()
    )
    query = select(Share).where(Share.accepted_at.is_(None), Share.is_owner.is_(False), ~of_run)
    if search:
        query = query.where(Share.user_id.in_(select(User.id).where(holds(search))))
    if (server_id := _id(filters, "server")) is not None:
        query = query.where(Share.server_id == server_id)
    return query.options(joinedload(Share.user), joinedload(Share.server))


def runs_awaited() -> list[Migration]:
    """The runs with an invite nobody has accepted yet, newest first, with both servers; 1 query."""
    query = select(Migration).where(Migration.id.in_(select(Move.migration_id).where(*_waits()))).order_by(Migration.id.desc())
    return list(db.session.scalars(query.options(joinedload(Migration.source), joinedload(Migration.target))))


def count_of_run(run_id: int) -> int:
    """How many invites of this run nobody has accepted yet."""
    return db.session.scalar(select(func.count()).select_from(Move).where(Move.migration_id == run_id, *_waits())) or 0


def move_orders() -> dict[str, Sequence[Any]]:
    """What the list of runs' invites can be sorted by."""
    return {"user": (func.lower(Move.name), Move.id), "since": (func.coalesce(Move.given_at, Move.changed_at), Move.id)}


def share_orders() -> dict[str, Sequence[Any]]:
    """What the list of the others can be sorted by."""
    name = select(func.lower(User.name)).where(User.id == Share.user_id).correlate(Share).scalar_subquery()
    return {"user": (name, Share.id), "since": (Share.invited_at, Share.id)}


def why_no_reminder(move: Move) -> str:
    """Why this person cannot be reminded now; empty when they can. No query beyond what is loaded and the settings."""
    if not _is_waiting(move):
        return f"{move.name} has no invite that waits any more."
    if not notices.address_of(move):
        return f"No e-mail address of {move.name} is known. Add one first."
    return "" if notices.people_are_told() else "No mail server (SMTP) is set, or the Account Moved template is switched off."


def remind(move: Move) -> Email:
    """Put the mail about the invite into the outbox once more, which is the reminder they get; flushed. Raises `NotNow`, and then the
    caller has to take back what was flushed."""
    if reason := why_no_reminder(move):
        raise NotNow(reason)
    # Before looking what is under way: of two that remind the same person at once, the second waits here and then sees the first's mail.
    execute(update(Move).where(Move.id == move.id).values(reminded_at=utc_now()))
    db.session.expire(move, ["reminded_at"])
    if db.session.scalar(select(exists().where(Email.move_id == move.id, is_on_its_way()))):
        raise NotNow(f"A mail to {move.name} is on its way already.")
    reminder = Email(event=notices.ACCOUNT_MOVED, migration_id=move.migration_id, move_id=move.id, recipient=notices.address_of(move))
    db.session.add(reminder)
    db.session.flush()
    return reminder


def is_on_its_way() -> ColumnElement[bool]:
    """Of a mail: whether it is about to be sent, or is being sent."""
    return or_(Email.status == EmailStatus.QUEUED, mail.is_being_sent())


def withdraw(move: Move) -> None:
    """Take the invite of a run back on the platform; the move has failed then and can be tried again. Flushed. Raises `NotNow`."""
    if not _is_waiting(move):
        raise NotNow(f"{move.name} has no invite that waits any more.")
    with proof.announced(move.migration_id, move.id, move.migration.target_id):
        member = _take_back(move.migration.target, lambda members: Listed(members, names=False).of(move), move.name)
        mine = (Move.id == move.id, Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT, Move.claim.is_(None))
        if execute(update(Move).where(*mine).values(begun_anew(move, WITHDRAWN))) != 1:
            raise NotNow(f"{move.name} has accepted meanwhile. Use “Check now”.")
    gone = [key for key in (move.target_member_id, member.id if member else "") if key]
    waiting = (Share.server_id == move.migration.target_id, Share.accepted_at.is_(None))
    execute(delete(Share).where(*waiting, or_(Share.remote_id.in_(gone), Share.user_id == move.user_id)))
    db.session.expire(move)


def withdraw_share(share: Share) -> None:
    """Take an invite that only a sync knows of back on the platform; its row goes. Flushed. Raises `NotNow`."""
    if share.accepted_at is not None or share.is_owner:
        raise NotNow("This invite has been accepted.")
    _take_back(share.server, lambda members: next((one for one in members if one.id == share.remote_id), None), share.user.name)
    db.session.delete(share)
    db.session.flush()


def check(server: Server) -> Found:
    """Ask one server who has accepted. Commits. Raises `NotNow`."""
    before = _count(server)
    try:
        run_ids = check_invites(server)
    except PlatformError as error:
        db.session.rollback()
        raise NotNow(refusal_of(server, error).message) from None
    after = _count(server)
    return Found(before - after, after, tuple(run_ids), _untold(server))


def _take_back(server: Server, find: Find, name: str) -> Member | None:
    """Remove the pending access where the server still lists it; answers what it was. Raises `NotNow`."""
    if reason := why_not_now(server):
        raise NotNow(reason)
    remote = remote_for(server, timeouts=HURRIED)
    try:
        with by_hand.turn(server):
            member = _removed(remote, find, name)
        require_free(server)
    except NotYet as refusal:
        raise NotNow(str(refusal)) from None
    except PlatformError as error:
        raise NotNow(refusal_of(server, error).message) from None
    except ServerBusy:
        done = f"The invite of {name} is withdrawn on the platform, but a migration or sync has just begun on {server.name}."
        raise NotNow(f"{done} Withdraw it once more when that has ended, so that the panel knows.") from None
    finally:
        remote.close()
    return member


def _removed(remote: Remote, find: Find, name: str) -> Member | None:
    remote.check()
    members = remote.members()
    member = find(members)
    if member is not None and (member.accepted or member.is_owner):
        raise NotNow(f"{name} has accepted meanwhile: nothing was withdrawn. Use “Check now”.")
    if member is not None:
        remote.take(member)
    else:
        # An entry without an id may be the very one.
        for odd in members:
            if not odd.id:
                require_readable(odd)
    return member


def _is_waiting(move: Move) -> bool:
    return move.status is MoveStatus.INVITED and move.step is Step.ACCEPT


def _waits() -> tuple[Any, ...]:
    return (Move.status == MoveStatus.INVITED, Move.step == Step.ACCEPT)


def _id(filters: Mapping[str, str] | None, name: str) -> int | None:
    value = (filters or {}).get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else None


def _untold(server: Server) -> tuple[str, ...]:
    query = select(Move.name).join(Migration).where(Migration.target_id == server.id, *_waits(), Move.unreadable.is_(True))
    return tuple(db.session.scalars(query.order_by(Move.name)))


def _count(server: Server) -> int:
    query = select(func.count()).select_from(Move).join(Migration).where(Migration.target_id == server.id, *_waits())
    return db.session.scalar(query) or 0
