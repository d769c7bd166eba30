"""Bringing libraries, users and shares in step with what a media server answers: all of one server's answer, or nothing of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from panel.domain.platform import Platform
from panel.extensions import config, db
from panel.models import PlexAccount, Server
from panel.models.server import SYNC_HOLD
from panel.models.types import utc_now
from panel.platforms.base import PlatformError, TooManyRequests
from panel.services import pace, times
from panel.services.claims.closed_for_a_moment import as_open, closed_for_a_moment
from panel.services.servers import Look, look_or_raise, note_trouble, remote_for
from panel.services.sync.libraries import update_libraries
from panel.services.sync.people import Met, meet_members
from panel.services.sync.progress import clear_queue, step
from panel.services.sync.shares import are_missing, update_shares, why_doubtful, why_held
from panel.services.sync.texts import some_of
from panel.services.throttling import slow_down

log = logging.getLogger(__name__)

#: What to do about those who cannot be read.
SAVE_THEM = "Open them on the server and save them once."
LOOK_IN_PLEX = "Look at their access to the server in Plex (Settings, Manage Library Access)."


class SyncRefused(Exception):
    """The server is in other hands now: a migration's, or another sync's. `str(error)` is a sentence; nothing was asked."""


class UnknownServer(LookupError):
    """There is no server of this name. `str(error)` is a sentence."""


@dataclass(frozen=True)
class SyncResult:
    """What a sync has found and done. `problem`: why it did nothing, or not everything; `note`: what else the admin should know at this
    moment. The row of the server keeps no note: what is still open is counted when it is shown; but why nobody was taken for gone
    (`held`)."""

    server: Server
    libraries_found: int = 0
    users_found: int = 0
    new_users: int = 0
    shares_ended: int = 0
    problem: str = ""
    note: str = ""
    held: str = ""

    @property
    def in_short(self) -> str:
        """For the row of the server: what was found, or what is wrong."""
        if self.problem:
            return self.problem
        parts = [_count(self.libraries_found, "library", "libraries"), _count(self.users_found, "person", "people")]
        parts += [f"{self.new_users:,} new"] if self.new_users else []
        parts += [_count(self.shares_ended, "share", "shares") + " ended"] if self.shares_ended else []
        return ", ".join(parts) + "." + (f" {self.held}" if self.held else "")

    def __str__(self) -> str:
        counts = (
            f"{self.server.name}: libraries {self.libraries_found}, people {self.users_found} ({self.new_users} new), "
            f"shares ended {self.shares_ended}."
        )
        if self.problem and not self.libraries_found and not self.users_found:
            counts = f"{self.server.name}: not synchronised."
        return " ".join(part for part in (counts, self.problem, self.note) if part)


def sync_servers(names: Sequence[str] | None = None) -> list[SyncResult]:
    """Sync the servers with these names, or all, one after the other; what goes wrong with one is its result's `problem`.

    Raises `UnknownServer` before any is asked. Commits, see `sync_server`.
    """
    results = []
    for server in _named(names):
        try:
            results.append(sync_server(server))
        except SyncRefused as error:
            results.append(SyncResult(server, problem=str(error)))
    return results


def sync_server(server: Server, *, believe_short_list: bool = False) -> SyncResult:
    """Ask one server and bring its rows in step. A platform's failure is the result's `problem`, and changes nothing else.

    `believe_short_list`: remove people even where most of them are missing from the list, or may be among those in it who come without
    an id. Commits twice: before anything is asked, so that no transaction is open meanwhile and no migration begins on the server, and at
    the end, all that was found together with letting go of the server. Raises `SyncRefused`.
    """
    held_until = _take(server)
    try:
        found = _ask(server)
        result = _update(server, found, believe_short_list)
        server.problem, server.sync_result, server.sync_step = result.problem, result.in_short, ""
        if not result.problem:
            server.synced_at = utc_now()
        if not _release(server, held_until):
            raise SyncRefused(f"The sync of {server.name} took too long and lost its hold of the server: nothing was changed. Sync again.")
        db.session.commit()
    except PlatformError as error:
        return _failed(server, held_until, error)
    except BaseException:
        db.session.rollback()
        server.sync_step = ""
        _release(server, held_until)
        db.session.commit()
        raise
    return result


def _named(names: Sequence[str] | None) -> list[Server]:
    if names is None:
        return list(db.session.scalars(select(Server).order_by(Server.name, Server.id)))
    found = [(name, Server.by_name(name)) for name in names]
    for name, server in found:
        if server is None:
            known = ", ".join(db.session.scalars(select(Server.name).order_by(Server.name)))
            raise UnknownServer(f"There is no server named “{name}”. {f'Known: {known}.' if known else 'There is none yet.'}")
    return list(dict.fromkeys(server for _, server in found if server is not None))


def _take(server: Server) -> datetime:
    now = utc_now()
    cooling_until = pace.cooling_until([server])
    if cooling_until is not None:
        slows = pace.who_slows(server)
        raise SyncRefused(f"{slows} has asked to slow down: {server.name} can be synchronised after {times.clock(cooling_until)}.")
    until = now + SYNC_HOLD
    taken = _mark(server, until, Server.migration_id.is_(None), ~Server.syncs_now)
    if taken:
        clear_queue(server)
    db.session.commit()
    if taken:
        return until
    db.session.refresh(server)
    if server.migration_id is not None:
        raise SyncRefused(f"{server.name} is used by migration {server.migration_id}: sync it when that has ended.")
    raise SyncRefused(f"{server.name} is being synchronised already: wait until that has ended.")


def _release(server: Server, held_until: datetime) -> bool:
    """Let go of the server, in the transaction of what was found; `False` when it was in other hands by now."""
    released = _mark(server, None, Server.syncing_until == held_until)
    if released:
        db.session.refresh(server, ["syncing_until"])
    return released


def _mark(server: Server, until: datetime | None, *only_if: ColumnElement[bool]) -> bool:
    query = update(Server).where(Server.id == server.id, *only_if).values(syncing_until=until)
    done: Any = db.session.execute(query.execution_options(synchronize_session=False))
    return bool(done.rowcount == 1)


def _ask(server: Server) -> Look:
    step(server, "Reading libraries and accounts…")
    remote = remote_for(server)
    closed = closed_for_a_moment(server.id)
    # Reading the row and its token has begun a transaction; nothing is kept open while the server thinks.
    db.session.commit()
    try:
        found = look_or_raise(server, remote)
    finally:
        remote.close()
    if server.platform is Platform.PLEX and server.plex_account is not None:
        _learn_identity(server.plex_account)
    # What a link closes while the list is read is open again in a moment: that ends nobody's access.
    found = as_open(found, {**closed, **closed_for_a_moment(server.id)})
    step(server, f"Storing {len(found.members):,} accounts and {len(found.libraries):,} libraries…")
    return found


def _learn_identity(account: PlexAccount) -> None:
    """Whose token it is, asked once: an owner of servers is told from a guest by it."""
    if account.plex_id:
        return
    from panel.platforms.plex.account import read_account

    try:
        identity = read_account(account.token, config().plex_tv_url, config().plex_client_id)
    except PlatformError as error:
        slow_down(account, error)
        log.warning("The Plex account %s was not recognised: %s", account.email, error)
        return
    account.plex_id, account.username = identity.id, identity.username


def _update(server: Server, found: Look, believe_short_list: bool) -> SyncResult:
    now = utc_now()
    libraries = update_libraries(server, found.libraries, now)
    doubt = "" if believe_short_list else why_doubtful(server, found.members)
    met = meet_members(server, found.members, now)
    may_hold = bool(met.without_id) and not (doubt or believe_short_list)
    held = why_held(met.without_id) if may_hold and are_missing(server, met.users, met.left) else ""
    ended = update_shares(server, met.users, libraries, now, may_end=not (doubt or held), left=met.left)
    return SyncResult(
        server=server,
        libraries_found=len(found.libraries),
        users_found=len({user.id for _, user in met.users}),
        new_users=met.new_users,
        shares_ended=ended,
        problem=doubt,
        note=" ".join(filter(None, (_note(met, server), held))),
        held=held,
    )


def _note(met: Met, server: Server) -> str:
    """What the admin should see to after this sync."""
    notes = []
    if met.unpaid:
        notes.append(f"New users without a payment, as there is no default plan: {met.unpaid}. Make a plan, then give them one.")
    if met.unreadable:
        advice = LOOK_IN_PLEX if server.platform is Platform.PLEX else SAVE_THEM
        notes.append(f"What the server tells of these cannot be read, and was left as it was known: {some_of(met.unreadable)}. {advice}")
    if met.alike:
        who = "1 person looks like a user" if met.alike == 1 else f"{met.alike} people look like users"
        notes.append(f"{who} you already have: answer under “Same person?”.")
    return " ".join(notes)


def _failed(server: Server, held_until: datetime, error: PlatformError) -> SyncResult:
    db.session.rollback()
    sentence = note_trouble(server, error)
    if isinstance(error, TooManyRequests):
        pace.cool_down(pace.name_of(server), error.retry_after_s)
    server.sync_result, server.sync_step = sentence, ""
    _release(server, held_until)
    db.session.commit()
    return SyncResult(server, problem=sentence)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
