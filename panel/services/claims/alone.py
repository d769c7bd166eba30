"""One at a time: of links and runs, whoever comes second to an account waits or is told to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update

from panel.domain.statuses import Step
from panel.extensions import db, execute
from panel.models import Migration, Move, OneTimeLink
from panel.models.types import utc_now
from panel.platforms.base import Remote, Unreachable
from panel.platforms.stopwatch import Stopwatch
from panel.services import proof
from panel.services.claims.closing import REOPEN_AFTER
from panel.services.claims.links import CLAIM, links_to_the_account_of
from panel.services.servers import HURRIED, remote_for
from panel.services.shared_clock import shared_now

#: Who uses a link has it for themselves for so long; of a process that died it is free then.
IN_USE = timedelta(minutes=2)
#: What it takes most of the time: so long a run waits that wants the same account.
TAKES = timedelta(seconds=30)
#: After so many seconds of that nothing is sent any more.
MOST_S = 90.0


class BeingUsed(Exception):
    """Somebody else is at this account at this moment; `str(error)` is a sentence for the person."""


@contextmanager
def alone_at(link_id: int, move: Move) -> Iterator[Remote]:
    """A connection to the server of a link's account, which nobody else of the panel touches meanwhile; what is sent is written down. All
    is committed before anything is sent: a transaction held open over a request would keep everybody else from writing. The caller
    commits; where it fails the link is free again at once, and if the process dies, in two minutes.

    Raises `LookupError` when the link was used in the meantime, `BeingUsed` when it, or the account, is in other hands.
    """
    since, mark = Stopwatch(), shared_now()
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


def used_by_links(server_id: int, account_ids: Iterable[str] | None = None, *, or_used_up_since: datetime | None = None) -> set[str]:
    """Those of these accounts of a server (or of all) for which a link is being used now, or has been used up since then: another password
    may need one closed a moment. A run that gives or takes asks once it is committed that it has their people in hand: see
    `_others_at_the_account`."""
    query = select(Move.target_account_id).join(OneTimeLink, OneTimeLink.move_id == Move.id).join(Move.migration)
    used = _in_use() if or_used_up_since is None else or_(_in_use(), OneTimeLink.used_at.between(or_used_up_since, shared_now()))
    query = query.where(Migration.target_id == server_id, OneTimeLink.purpose == CLAIM, used)
    return set(db.session.scalars(query if account_ids is None else query.where(Move.target_account_id.in_(list(account_ids)))))


def free(link_id: int) -> None:
    """For whoever opens it next. Flushed."""
    execute(update(OneTimeLink).where(OneTimeLink.id == link_id).values(in_use_since=None))


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
    """Asked after the mark of this link was committed; a run commits that it has somebody in hand before it asks for marks
    (`used_by_links`): of two that come at the same moment at least one sees the other. A run that has ended counts as well: it may remove
    late."""
    if db.session.scalar(links_to_the_account_of(move).where(OneTimeLink.id != link_id, _in_use()).limit(1)) is not None:
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
    now = shared_now()
    return and_(OneTimeLink.in_use_since > now - IN_USE, OneTimeLink.in_use_since < now + IN_USE)


def _as_long_as_it_is_ours(since: Stopwatch) -> Callable[[], None]:
    def guard() -> None:
        if since.at_most_s > MOST_S:
            raise Unreachable("The server took too long; nothing more was sent.")

    return guard
