"""Third: the source access is removed, only for those whose target access was read back. What it was is kept first."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import delete, select

from panel import logs
from panel.domain.pacing import paced_at_take
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, RunKind, Step
from panel.extensions import config, db, execute
from panel.models import Migration, Move, Share
from panel.models.types import utc_now
from panel.platforms.base import Kept, Member, NotThere, PlatformError, Remote, TooManyRequests
from panel.platforms.sent import SentCall, collecting
from panel.services import pace, proof
from panel.services.people import shares_of
from panel.services.run.lease import Lease
from panel.services.run.rows import AHEAD, Outcome, Wait, claim, due, in_hand, next_retry_at, record, write_down
from panel.services.run.side_by_side import side_by_side
from panel.services.run.trouble import RunStopped, fail_or_retry, put_back, wait_out
from panel.services.run.turn import wait_for_turn

#: How old a list of policies may be, in seconds, for one of them to be changed and sent back whole.
FRESH_S = 60.0
SETTLING = (MoveStatus.PENDING, MoveStatus.MOVING, MoveStatus.INVITED)


@dataclass(frozen=True)
class Removal:
    """One user's source access to be removed; `member` is `None` when it is gone already."""

    move: Move
    member: Member | None
    sent: list[SentCall] = field(default_factory=list)
    "The changing requests of this attempt: filled by the thread that sends them, read when it is done."


def take(run: Migration, lease: Lease, remote: Remote) -> Outcome:
    """Remove the source access of everyone whose turn it is. Commits after each user."""
    taking = Taking(run, lease, remote)
    for batch in side_by_side(taking.width, taking.claim, taking.perform):
        # Before what came of it: no outcome is ever stored without its requests.
        proof.write(run.id, run.source_id, [(removal.move.id, removal.sent) for removal, _ in batch])
        for removal, outcome in batch:
            taking.note(removal, outcome)
        if taking.paced:
            db.session.commit()
    if taking.did_something:
        forget_removed_shares(run)
        db.session.commit()
    if taking.stop:
        raise taking.stop
    if taking.wait:
        return taking.wait
    if taking.did_something:
        return True
    retry_at = next_retry_at(run.id, Step.TAKE)
    return Wait(retry_at, "Waiting before another try.") if retry_at and retry_at > utc_now() else False


class Taking:
    """One pass of taking: who is next, what is sent, what it led to."""

    def __init__(self, run: Migration, lease: Lease, remote: Remote) -> None:
        self.run, self.lease, self.remote = run, lease, remote
        self.paced = paced_at_take(run.source.platform)
        self.turn = pace.name_for(run, run.source)
        self.width = 1 if self.paced else config().side_by_side
        self.wait: Wait | None = None
        self.stop: RunStopped | None = None
        self.did_something = False
        self._members: dict[str, Member] | None = None
        self._listed = 0.0
        self._ahead: list[Move] = []
        self._shares: dict[str, Share] = {}

    def claim(self, room: int) -> list[Removal]:
        """The next users, each claimed and what they had written down, committed (with what was noted before) before anything is sent."""
        if self.wait or self.stop or room <= 0 or (self.did_something and self.lease.is_used_up):
            db.session.commit()
            return []
        self.lease.require()
        moves = [] if self.did_something else in_hand(self.run.id, self.lease.epoch, Step.TAKE)
        if moves:
            self._shares = shares_of(self.run.source, [move.source_member_id for move in moves])
        moves = moves or self._claim_next(room)
        if not moves or (self.paced and not self._turn_taken(moves)):
            db.session.commit()
            return []
        self.did_something = True
        if self._has_to_ask(moves):
            # Nothing is locked while the source is asked; a crash leaves the claim.
            db.session.commit()
        removals = self._removals(moves)
        db.session.commit()
        return removals

    def _claim_next(self, room: int) -> list[Move]:
        if not self._ahead:
            self._ahead = due(self.run.id, Step.TAKE, room if self.paced else AHEAD, SETTLING)
            self._shares = shares_of(self.run.source, [move.source_member_id for move in self._ahead])
        moves, self._ahead = self._ahead[:room], self._ahead[room:]
        taken = [move for move in moves if claim(move, self.lease.epoch, SETTLING, not_before=None)]
        if len(taken) < len(moves):
            self._ahead = []  # Something has changed meanwhile: look anew.
        return taken

    def perform(self, removal: Removal) -> bool:
        """The request for one user, none where the access is gone already; runs in a thread."""
        with logs.about_user(removal.move.user_id), collecting(removal.sent):
            return self._perform(removal)

    def _perform(self, removal: Removal) -> bool:
        self.lease.require()
        if removal.member is not None and removal.move.before and self.run.kind is RunKind.UNDO:
            self.remote.restore(removal.member, kept_from(removal.move.before))
            return True
        if removal.member is None or (removal.member.disabled and not removal.member.library_ids):
            return True
        with suppress(NotThere):  # Somebody else removed it in the meantime.
            self.remote.take(removal.member)
        return True

    def note(self, removal: Removal, outcome: bool | PlatformError) -> None:
        """Write down what came of it; flushed."""
        if self.paced:
            pace.end_turn(self.turn, refused=isinstance(outcome, TooManyRequests))
        if not isinstance(outcome, PlatformError):
            self._note_taken(removal.move)
        elif outcome.about_server:
            put_back(removal.move, self.lease.epoch, needs_look=False)
            self._halt(outcome)
        else:
            fail_or_retry(removal.move, self.lease.epoch, outcome)

    def _halt(self, error: PlatformError) -> None:
        try:
            self.wait = wait_out(self.run, error, self.turn)
        except RunStopped as stop:
            self.stop = stop

    def _turn_taken(self, moves: list[Move]) -> bool:
        seconds = wait_for_turn(self.run, self.lease, self.turn, Step.TAKE)
        if seconds > 0:
            for move in moves:
                put_back(move, self.lease.epoch, needs_look=False)
            self.wait = Wait(utc_now() + timedelta(seconds=seconds), "")
        return seconds <= 0

    def _is_named_by_id(self, moves: list[Move]) -> bool:
        """A Plex share is removed by its id alone: no list is needed, and a share that is gone answers 404. One that is made again what it
        was has to be known as it is now, so that no restriction set since is lifted."""
        return self.run.source.platform is Platform.PLEX and not (self.run.kind is RunKind.UNDO and any(move.before for move in moves))

    def _has_to_ask(self, moves: list[Move]) -> bool:
        if self._is_named_by_id(moves):
            return False
        return self._members is None or time.monotonic() - self._listed > FRESH_S

    def _removals(self, moves: list[Move]) -> list[Removal]:
        if self._is_named_by_id(moves):
            return [self._kept(move, Member(move.source_member_id, "", move.name)) for move in moves]
        if self._has_to_ask(moves):
            try:
                self._members = {member.id: member for member in self.remote.members()}
                self._listed = time.monotonic()
            except PlatformError as error:
                for move in moves:
                    put_back(move, self.lease.epoch, needs_look=False)
                self._halt(error)
                return []
        members = self._members or {}
        return [self._kept(move, members.get(move.source_member_id)) for move in moves]

    def _kept(self, move: Move, member: Member | None) -> Removal:
        if not move.taken:
            share = None if move.seen else self._shares.get(move.source_member_id)
            libraries = [library.remote_id for library in share.libraries] if share else []
            settings = dict(member.settings) if member and member.settings else (share.settings if share else {})
            all_libraries = member.all_libraries if member and member.settings else bool(share and share.all_libraries)
            if member and member.settings and not member.disabled:
                libraries = sorted(member.library_ids)
            now = {"libraries": libraries, "all_libraries": all_libraries, "settings": settings}
            write_down(move, self.lease.epoch, taken=now if not move.seen or (member and member.settings) else dict(move.seen))
        return Removal(move, member)

    def _note_taken(self, move: Move) -> None:
        if self.run.outages:
            self.run.outages = 0
        status, step = (MoveStatus.MOVED, Step.DONE) if move.accepted else (MoveStatus.INVITED, Step.ACCEPT)
        record(move.id, self.lease.epoch, status=status, step=step, taken_at=utc_now(), detail="")


def kept_from(stored: Mapping[str, object]) -> Kept:
    """What an access was, out of a move's `before`."""
    libraries, settings = stored.get("libraries"), stored.get("settings")
    return Kept(
        frozenset(str(key) for key in libraries) if isinstance(libraries, list) else frozenset(),
        all_libraries=stored.get("all_libraries") is True,
        settings=settings if isinstance(settings, dict) else {},
    )


def forget_removed_shares(run: Migration) -> None:
    """The shares of everyone whose source access was removed are gone from the panel too: told from the moves, so that it may be done at
    any time and again. Flushed."""
    taken = select(Move.source_member_id, Move.before).where(Move.migration_id == run.id, Move.taken_at.is_not(None))
    if run.kind is RunKind.UNDO:
        # What was made again as it was before is still there.
        removed = [member_id for member_id, before in db.session.execute(taken) if not before]
        execute(delete(Share).where(Share.server_id == run.source_id, Share.remote_id.in_(removed)))
        return
    undone = select(Move.user_id).join(Migration).where(Migration.undoes_id == run.id)
    gone = taken.where(Move.user_id.not_in(undone)).with_only_columns(Move.source_member_id)
    execute(delete(Share).where(Share.server_id == run.source_id, Share.remote_id.in_(gone)))
