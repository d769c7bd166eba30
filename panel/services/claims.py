"""One-time links: single use, expiring, unguessable, and only their hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, update

from panel.domain.statuses import Step
from panel.extensions import db, execute
from panel.models import Account, Migration, Move, OneTimeLink
from panel.models.types import utc_now
from panel.platforms.base import Kept, Member, NotAllowed, PlatformError, Remote, Unreachable
from panel.platforms.stopwatch import Stopwatch
from panel.services import proof
from panel.services.servers import HURRIED, remote_for

SETUP, CLAIM = "setup", "claim"
LIFETIMES = {SETUP: timedelta(days=2), CLAIM: timedelta(days=14)}
MIN_PASSWORD_LENGTH = 8
#: Who uses a link has it for themselves for so long; of a process that died it is free then.
IN_USE = timedelta(minutes=2)
#: What it takes most of the time: so long a run waits that wants the same account.
TAKES = timedelta(seconds=30)
#: After so many seconds of that nothing is sent any more.
MOST_S = 90.0
#: How long an account that could not be opened again stays closed before that is tried by itself.
REOPEN_AFTER = timedelta(minutes=1)
#: What the operator is told while a server refuses to have such an account opened again.
STAYS_CLOSED = (
    "The account was closed for a moment, to set a password, and the server has refused every password since: it stays closed. That is "
    "tried again by itself, at growing intervals; look at the account on the server."
)


class BeingUsed(Exception):
    """Somebody else is at this account at this moment; `str(error)` is a sentence for the person."""


def make(purpose: str, move_id: int | None = None) -> str:
    """A fresh token for this purpose; earlier unused ones for the same thing (for a claim: the same account, whichever run made the link)
    are void from now on. Flushed."""
    same_thing = OneTimeLink.move_id.is_(None) if move_id is None else OneTimeLink.move_id.in_(_moves_to_the_account_of(move_id))
    earlier = (OneTimeLink.purpose == purpose, same_thing, OneTimeLink.used_at.is_(None))
    columns = select(OneTimeLink.id, OneTimeLink.in_use_since, OneTimeLink.closed).where(*earlier)
    for link_id, in_use_since, closed in db.session.execute(columns).all():
        if in_use_since or closed:
            # What is on its way by it still has to be written down.
            execute(update(OneTimeLink).where(OneTimeLink.id == link_id).values(expires_at=utc_now()))
        else:
            execute(delete(OneTimeLink).where(OneTimeLink.id == link_id))
    token = secrets.token_urlsafe(32)
    db.session.add(OneTimeLink(purpose=purpose, token_hash=_hash(token), move_id=move_id, expires_at=utc_now() + LIFETIMES[purpose]))
    db.session.flush()
    return token


def find(purpose: str, token: str) -> OneTimeLink | None:
    """The link, while it is neither used nor expired."""
    link = db.session.scalar(_fresh(select(OneTimeLink).where(OneTimeLink.purpose == purpose, OneTimeLink.token_hash == _hash(token))))
    return link if link and link.used_at is None and link.expires_at > utc_now() else None


def use(link: OneTimeLink) -> bool:
    """Use it up; `False` when somebody was quicker. Flushed."""
    return _use_up(link.id)


def choose_password(link: OneTimeLink, password: str) -> None:
    """Set the password a moved person has chosen; the link is free again when the server does not take it. Commits.

    Raises `PlatformError` when the server does not take it (`NotAllowed` for an account that is somebody else's by now, an
    administrator's, or, as `SwitchedOff`, a disabled one), `LookupError` when the link was used in the meantime, `BeingUsed` when it, or
    the account, is in other hands just now.
    """
    move = db.session.get_one(Move, link.move_id)
    require_own_account(move)
    # By its id from here on: whoever makes the account anew deletes the links to the old one.
    link_id = link.id
    with alone_at(link_id, move) as remote:
        was = what_was_closed(move)
        try:
            remote.set_password(move.target_account_id, password, switched_on=True, was=was, closing=_note_closing(link_id))
        except PlatformError as error:
            if error.opened_again:
                # While the account is still in these hands: who closes it from now on means it.
                forget_closing(move)
                db.session.commit()
            raise
    forget_closing(move)
    _use_up(link_id)
    db.session.commit()


@contextmanager
def alone_at(link_id: int, move: Move) -> Iterator[Remote]:
    """A connection to the server of a link's account, which nobody else of the panel touches meanwhile; what is sent is written down. All
    is committed before anything is sent: a transaction held open over a request would keep everybody else from writing. The caller
    commits; where it fails the link is free again at once, and if the process dies, in two minutes.

    Raises `LookupError` when the link was used in the meantime, `BeingUsed` when it, or the account, is in other hands.
    """
    since, mark = Stopwatch(), utc_now()
    _take_up(link_id, mark)
    try:
        if _others_at_the_account(link_id, move):
            raise BeingUsed("This account is being worked on just now. Your link still works; please try again in a few minutes.")
        remote = remote_for(move.migration.target, guard=_as_long_as_it_is_ours(since), timeouts=HURRIED)
        try:
            with proof.announced(move.migration_id, move.id, move.migration.target_id):
                yield remote
        finally:
            remote.close()
    except Exception:
        db.session.rollback()
        _let_go(link_id, mark)
        raise


def under_way(server_id: int, account_ids: Iterable[str]) -> set[str]:
    """Those of these accounts of a server for which a link is being used now: another password may need an account closed for a moment.
    A run that gives or takes asks once it is committed that it has their people in hand: see `_others_at_the_account`."""
    query = select(Move.target_account_id).join(OneTimeLink, OneTimeLink.move_id == Move.id).join(Move.migration)
    wanted = (Migration.target_id == server_id, Move.target_account_id.in_(list(account_ids)))
    return set(db.session.scalars(query.where(*wanted, OneTimeLink.purpose == CLAIM, _in_use())))


def what_was_closed(move: Move) -> Kept | None:
    """What the account of this move opened when a link closed it for a moment, where it was not opened again since as far as is known."""
    for link in db.session.scalars(_fresh(_links_to_the_account_of(move).order_by(OneTimeLink.reopen_after.desc().nulls_last()))):
        was = kept_from_closing(link.closed)
        if was is not None:
            return was
    return None


def kept_from_closing(closed: dict[str, object]) -> Kept | None:
    """What an account opened, out of a link's `closed`; `None` where none was closed."""
    libraries = closed.get("libraries")
    return Kept(frozenset(map(str, libraries)), all_libraries=closed.get("all_libraries") is True) if isinstance(libraries, list) else None


def free(link_id: int) -> None:
    """For whoever opens it next. Flushed."""
    execute(update(OneTimeLink).where(OneTimeLink.id == link_id).values(in_use_since=None))


def forget_closing(move: Move) -> None:
    """The account is open again, or somebody else's affair. Flushed."""
    told = select(Move).where(Move.id.in_(_moves_to_the_account_of(move.id)), Move.remark.contains(STAYS_CLOSED))
    for one in db.session.scalars(told.execution_options(populate_existing=True)):
        one.remark = without_closing(one.remark)
    ids = _links_to_the_account_of(move).with_only_columns(OneTimeLink.id)
    execute(update(OneTimeLink).where(OneTimeLink.id.in_(ids)).values(closed={}, reopen_after=None))


def without_closing(remark: str) -> str:
    """A remark that no longer says an account stays closed."""
    return " ".join(remark.replace(STAYS_CLOSED, " ").split())


def require_own_account(move: Move) -> None:
    """Raises `NotAllowed` unless the account is still known as this user's: people are merged and sorted out after a move as well."""
    server_id = move.migration.target_id
    mine = (Account.server_id == server_id, Account.remote_id == move.target_account_id, Account.user_id == move.user_id)
    if not move.target_account_id or not db.session.scalar(select(exists().where(*mine))):
        raise NotAllowed("This account is not known as this person's any more; no password was set.")


def _use_up(link_id: int) -> bool:
    unused = (OneTimeLink.id == link_id, OneTimeLink.used_at.is_(None))
    return execute(update(OneTimeLink).where(*unused).values(used_at=utc_now(), in_use_since=None)) == 1


def _take_up(link_id: int, mark: datetime) -> None:
    free = (OneTimeLink.id == link_id, OneTimeLink.used_at.is_(None), func.coalesce(~_in_use(), True))
    taken = execute(update(OneTimeLink).where(*free).values(in_use_since=mark))
    db.session.commit()
    if taken != 1:
        now = db.session.get(OneTimeLink, link_id, populate_existing=True)
        if now is None or now.used_at is not None:
            raise LookupError("This link was used already.")
        raise BeingUsed("Your password is being set just now. If you cannot sign in with it in two minutes, use this link again.")


def _let_go(link_id: int, mark: datetime) -> None:
    """Free again; an account that it has closed is opened again by itself. Committed."""
    mine = (OneTimeLink.id == link_id, OneTimeLink.in_use_since == mark)
    execute(update(OneTimeLink).where(*mine, OneTimeLink.reopen_after.is_not(None)).values(reopen_after=utc_now() + REOPEN_AFTER))
    execute(update(OneTimeLink).where(*mine).values(in_use_since=None))
    db.session.commit()


def _others_at_the_account(link_id: int, move: Move) -> bool:
    """Asked after the mark of this link was committed; a run commits that it has somebody in hand before it asks for marks (`under_way`):
    of two that come at the same moment at least one sees the other. A run that has ended counts as well: it may remove late."""
    if db.session.scalar(_links_to_the_account_of(move).where(OneTimeLink.id != link_id, _in_use()).limit(1)) is not None:
        return True
    server_id, account_id = move.migration.target_id, move.target_account_id
    # By the person too: which account it is that a run gives access to is only known once it has looked.
    theirs = Move.user_id == move.user_id
    given = and_(Move.step == Step.GIVE, Migration.target_id == server_id, or_(theirs, Move.target_account_id == account_id))
    taken = and_(Move.step == Step.TAKE, Migration.source_id == server_id, or_(theirs, Move.source_member_id == account_id))
    in_hand = exists().where(Move.claim.is_not(None), Migration.id == Move.migration_id, or_(given, taken))
    return bool(db.session.scalar(select(in_hand)))


def _in_use() -> ColumnElement[bool]:
    """A mark that lies far ahead was made before the clock was put back."""
    now = utc_now()
    return and_(OneTimeLink.in_use_since > now - IN_USE, OneTimeLink.in_use_since < now + IN_USE)


def _as_long_as_it_is_ours(since: Stopwatch) -> Callable[[], None]:
    def guard() -> None:
        if since.at_most_s > MOST_S:
            raise Unreachable("The server took too long; nothing more was sent.")

    return guard


def _note_closing(link_id: int) -> Callable[[Member], None]:
    """Writes down, committed, that this account is about to be closed for a moment: whatever happens, it is opened again."""

    def note(member: Member) -> None:
        closed = {"libraries": sorted(member.library_ids), "all_libraries": member.all_libraries}
        execute(update(OneTimeLink).where(OneTimeLink.id == link_id).values(closed=closed, reopen_after=utc_now() + IN_USE))
        db.session.commit()

    return note


def _moves_to_the_account_of(move_id: int) -> list[int]:
    """The moves of the same user to the same account, this one first."""
    move = db.session.get(Move, move_id)
    if move is None or not move.target_account_id:
        return [move_id]
    same = (Move.user_id == move.user_id, Move.target_account_id == move.target_account_id)
    others = select(Move.id).join(Migration).where(Migration.target_id == move.migration.target_id, *same, Move.id != move_id)
    return [move_id, *db.session.scalars(others)]


def _links_to_the_account_of(move: Move) -> Select[OneTimeLink]:
    return select(OneTimeLink).where(OneTimeLink.purpose == CLAIM, OneTimeLink.move_id.in_(_moves_to_the_account_of(move.id)))


def _fresh(query: Select[OneTimeLink]) -> Select[OneTimeLink]:
    return query.execution_options(populate_existing=True)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
