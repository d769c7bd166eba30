"""Third: the source access is removed, only for those whose target access was read back. What it was is kept first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import delete

from panel import logs
from panel.domain.pacing import paced_at_take
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, RunKind, Step
from panel.extensions import config, db, execute
from panel.models import Migration, Move, Share
from panel.models.types import utc_now
from panel.platforms.base import Kept, Member, NotThere, PlatformError, Remote, TooManyRequests
from panel.platforms.sent import collecting
from panel.services import pace, proof
from panel.services.claims import alone
from panel.services.claims.closed_for_a_moment import closed_for_a_moment
from panel.services.claims.closing import forget_closings_of
from panel.services.people import shares_of
from panel.services.run.check import is_fresh
from panel.services.run.lease import Lease
from panel.services.run.present import Present
from panel.services.run.removal import Removal, carry_out, what_is_there
from panel.services.run.restoring import note_not_sealed, note_sealing, restoring_of, tell_of_sealing
from panel.services.run.rows import AHEAD, SETTLING, Outcome, Wait, claim, due, in_hand, next_retry_at, record, write_down
from panel.services.run.side_by_side import side_by_side
from panel.services.run.trouble import (
    RunStopped,
    cooling,
    fail_or_retry,
    give_up,
    is_theirs_alone,
    note_success,
    put_back,
    put_off,
    wait_out,
)
from panel.services.run.turn import wait_for_turn
from panel.services.run.undo import forget_invite

#: How old a list of policies may be, in seconds, for one of them to be changed and sent back whole.
FRESH_S = 60.0


def take(run: Migration, lease: Lease, taking: Taking) -> Outcome:
    """Remove the source access of everyone whose turn it is. Commits after each user."""
    for batch in side_by_side(taking.width, taking.claim, taking.perform):
        # Before what came of it: no outcome is ever stored without its requests.
        proof.write(run.id, run.source_id, [(removal.move.id, removal.sent) for removal, _ in batch])
        for removal, outcome in batch:
            taking.note(removal, outcome)
        taking.forget_removed()
        if taking.paced:
            db.session.commit()
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
        self._members: Present | None = None
        self._removed: list[str] = []
        self._listed = 0.0
        self._listed_ahead = False
        self._ahead: list[Move] = []
        self._shares: dict[str, Share] = {}

    def list_ahead(self, moves: Sequence[Move]) -> None:
        """Ask for the source's list before the target is looked at for these users. A request to slow down is heeded; what else keeps it
        from being had shows once it is asked for again, for somebody who is to be taken."""
        if self._is_named_by_id(moves) or cooling(self.run.source):
            return
        try:
            self._ask_for_list()
            self._listed_ahead = True
        except TooManyRequests as error:
            self._halt(error)
        except PlatformError:
            return

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
        moves = self._without_claims_under_way(moves)
        if self._has_to_ask(moves):
            # Nothing is locked while the source is asked; a crash leaves the claim.
            db.session.commit()
        removals = self._removals(moves) if moves else []
        self._listed_ahead = False
        db.session.commit()
        return removals

    def _without_claims_under_way(self, moves: list[Move]) -> list[Move]:
        """Whose person is choosing a password at this moment for the account that is to go waits a little: what the claim has read of it
        would open it again. Asked once it is committed that they are in hand: whoever begins to choose one from now on sees that."""
        if self.run.source.platform is Platform.PLEX:
            return moves
        db.session.commit()
        busy = alone.used_by_links(self.run.source_id, [move.source_member_id for move in moves])
        for move in moves:
            if move.source_member_id in busy:
                put_back(move, self.lease.epoch, needs_look=False, not_before=utc_now() + alone.TAKES)
        return [move for move in moves if move.source_member_id not in busy]

    def _claim_next(self, room: int) -> list[Move]:
        if not self._ahead:
            self._ahead = due(self.run.id, Step.TAKE, room if self.paced else AHEAD, SETTLING)
            # On Plex no turn is due before.
            self.wait = cooling(self.run.source) if self._ahead and not self.paced else None
            if self.wait:
                return []
            self._shares = shares_of(self.run.source, [move.source_member_id for move in self._ahead])
        moves, self._ahead = self._ahead[:room], self._ahead[room:]
        taken = [move for move in moves if claim(move, self.lease.epoch, SETTLING, not_before=None)]
        if len(taken) < len(moves):
            self._ahead = []  # Something has changed meanwhile: look anew.
        return taken

    def perform(self, removal: Removal) -> bool:
        """The request for one user, none where the access is gone already; runs in a thread."""
        with logs.about_user(removal.move.user_id), collecting(removal.sent):
            self.lease.require()
            carry_out(removal, self.remote)
            return True

    def note(self, removal: Removal, outcome: bool | PlatformError) -> None:
        """Write down what came of it; flushed."""
        if self.paced:
            pace.end_turn(self.turn, refused=isinstance(outcome, TooManyRequests))
        if not isinstance(outcome, PlatformError) and removal.found_nothing:
            put_off(removal.move, self.lease.epoch, 0.0, f"The access to {self.run.source.name} is not the one it was; it is looked up.")
        elif not isinstance(outcome, PlatformError):
            if removal.sent:
                pace.forgive(self.turn)
            self._note_taken(removal)
        else:
            if removal.restoring and removal.restoring.newly_noted and removal.is_refused_whole:
                note_not_sealed(self.run, removal.move)
            self._note_error(removal.move, outcome)

    def _note_error(self, move: Move, error: PlatformError) -> None:
        # What was noted is committed where the source is asked once more.
        self.forget_removed()
        if error.about_server and not self.halts and is_theirs_alone(self.run, error, self.remote):
            give_up(move, self.lease.epoch, error)
        elif error.about_server:
            put_back(move, self.lease.epoch, needs_look=False)
            self._halt(error)
        else:
            fail_or_retry(move, self.lease.epoch, error)

    @property
    def halts(self) -> bool:
        """Whether the run waits or stops: what else fails of the same moment is the same trouble, and is not counted again."""
        return self.wait is not None or self.stop is not None

    def _halt(self, error: PlatformError) -> None:
        if self.halts:
            return
        try:
            self.wait = wait_out(self.run, error, self.run.source)
        except RunStopped as stop:
            self.stop = stop

    def _turn_taken(self, moves: list[Move]) -> bool:
        seconds = wait_for_turn(self.run, self.lease, self.turn, Step.TAKE)
        if seconds > 0:
            for move in moves:
                put_back(move, self.lease.epoch, needs_look=False)
            self.wait = Wait(utc_now() + timedelta(seconds=seconds), "")
        return seconds <= 0

    def _is_named_by_id(self, moves: Sequence[Move]) -> bool:
        """A Plex share is removed by its id alone, without a list. Only where nothing has this id any more a list tells whether another
        has come in its place. One that is made again what it was has to be known as it is now, so that no restriction set since is lifted.
        """
        restored = any(self._restores(move) for move in moves)
        return self.run.source.platform is Platform.PLEX and not restored and not any(move.attempts for move in moves)

    def _has_to_ask(self, moves: list[Move]) -> bool:
        if self._is_named_by_id(moves):
            return False
        # The first who are taken after a look never wait for another list: that may take longer than what was told counts.
        return self._members is None or (self._is_list_old and not self._listed_ahead)

    @property
    def _is_list_old(self) -> bool:
        return time.monotonic() - self._listed > FRESH_S

    def _removals(self, moves: list[Move]) -> list[Removal]:
        if self._is_named_by_id(moves):
            return [self._kept(move, Member(move.source_member_id, "", move.name), by_id_alone=True) for move in moves]
        asks = self._has_to_ask(moves)
        try:
            members = self._listed_members(moves)
        except PlatformError as error:
            self._halt(error)
            members = None
        if members and asks and not is_fresh(self.run):
            # It took so long that the target may have changed meanwhile. Before the next look the list is there already.
            for move in moves:
                put_back(move, self.lease.epoch, needs_look=True)
            return []
        closed = closed_for_a_moment(self.run.source_id) if any(map(self._restores, moves)) else {}
        found = [(move, self._looked_up(move, members, closed)) for move in moves] if members else []
        if self.halts:
            # Nothing more is sent: not about those either who were found before it was answered so.
            for move in moves:
                put_back(move, self.lease.epoch, needs_look=False)
            return []
        return [self._kept(move, here.member, closed=closed) for move, here in found if here is not None]

    def _looked_up(self, move: Move, members: Present, closed: Mapping[str, Kept]) -> Here | None:
        """`None`: whether the access is still there could not be found out."""
        if self.halts:
            return None
        try:
            found = members.of(move)
            if found is None or self._has_to_be_known_anew or (self._restores(move) and _may_be_closed(found, closed)):
                found = self._asked_for(move)
            return Here(found)
        except PlatformError as error:
            self._note_error(move, error)
            return None

    def _restores(self, move: Move) -> bool:
        """Whether an access that was there before the run which is taken back is made again what it was."""
        return self.run.kind is RunKind.UNDO and bool(move.before)

    def _listed_members(self, moves: list[Move]) -> Present:
        if self._members is None or self._has_to_ask(moves):
            return self._ask_for_list()
        return self._members

    def _ask_for_list(self) -> Present:
        self._members = Present(self.remote.members(), shares=self.run.source.platform is Platform.PLEX)
        self._listed = time.monotonic()
        return self._members

    @property
    def _has_to_be_known_anew(self) -> bool:
        """Whether the list is too old for a policy to be sent back whole as it was then; the one account is asked for instead. Of a share
        nothing is sent back."""
        return self._is_list_old and self.run.source.platform is not Platform.PLEX

    def _asked_for(self, move: Move) -> Member | None:
        """An account that is missing in the list, asked for by its id: no list is whole enough to note a removal by it alone."""
        if self.run.source.platform is Platform.PLEX or not move.source_member_id:
            return None
        # Nothing is locked while the source is asked; a crash leaves the claim.
        db.session.commit()
        with suppress(NotThere):
            return self.remote.member(move.source_member_id)
        return None

    def _kept(self, move: Move, member: Member | None, *, by_id_alone: bool = False, closed: Mapping[str, Kept] | None = None) -> Removal:
        """What there is now is written down, and what is going to be done that another attempt has to know of; flushed."""
        if not move.taken:
            write_down(move, self.lease.epoch, taken=what_is_there(move, member, self._shares.get(move.source_member_id)))
        if member is None or not self._restores(move):
            return Removal(move, member, by_id_alone)
        restoring = restoring_of(self.run, move, member, closed or {})
        if restoring.seals:
            restoring = replace(restoring, newly_noted=note_sealing(self.run, move, member))
        return Removal(move, member, by_id_alone, restoring)

    def forget_removed(self) -> None:
        """The shares of those who have just been noted are gone from the panel too, in the same transaction; flushed."""
        if self._removed:
            execute(delete(Share).where(Share.server_id == self.run.source_id, Share.remote_id.in_(self._removed)))
        self._removed = []

    def _note_taken(self, removal: Removal) -> None:
        move, restoring = removal.move, removal.restoring
        note_success(self.run)
        status, step = (MoveStatus.MOVED, Step.DONE) if move.accepted else (MoveStatus.INVITED, Step.ACCEPT)
        detail = restoring.detail if restoring else ""
        if not record(move.id, self.lease.epoch, status=status, step=step, taken_at=utc_now(), detail=detail):
            return
        if self.run.kind is RunKind.UNDO:
            forget_invite(self.run, move.user_id)
        if self.run.source.platform is not Platform.PLEX:
            forget_closings_of(self.run.source_id, removal.member.account_id if removal.member else move.source_member_id)
        if restoring:
            tell_of_sealing(self.run, move, restoring)
        if not self._restores(move):
            # What was made again as it was before is still there.
            self._removed += [move.source_member_id, *([removal.member.id] if removal.member else [])]


@dataclass(frozen=True)
class Here:
    """What was found out about somebody's access; `member` is `None` when it is gone."""

    member: Member | None


def _may_be_closed(member: Member, closed: Mapping[str, Kept]) -> bool:
    """Whether a link may have closed this account since the list was read, or somebody may have chosen a password since: it is asked for
    once more, now that nobody else of the panel is at it."""
    return member.account_id in closed or member.needs_sealing
