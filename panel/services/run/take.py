"""Third: the source access is removed, only for those whose target access was read back. What it was is kept first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete

from panel import logs
from panel.domain.pacing import paced_at_take
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, RunKind, Step
from panel.extensions import db, execute
from panel.models import Migration, Move, Share
from panel.models.types import utc_now
from panel.platforms.base import Kept, Member, PlatformError, Remote, ServerFault, TooManyRequests
from panel.platforms.sent import collecting
from panel.services import pace, proof
from panel.services.claims import alone
from panel.services.claims.closed_for_a_moment import closed_for_a_moment
from panel.services.claims.closing import forget_closings_of
from panel.services.people import shares_of
from panel.services.run.lease import Lease
from panel.services.run.one_pass import Pass
from panel.services.run.removal import Removal, carry_out, what_is_there
from panel.services.run.restoring import note_not_sealed, note_sealing, restoring_of, tell_of_sealing
from panel.services.run.rows import SETTLING, Outcome, Wait, in_hand, next_retry_at, record, write_down
from panel.services.run.side_by_side import side_by_side
from panel.services.run.source_list import Here, SourceList
from panel.services.run.told import Told
from panel.services.run.trouble import cooling, fail_or_retry, note_success, put_off
from panel.services.run.undo import forget_invite
from panel.services.shared_clock import shared_now

log = logging.getLogger(__name__)


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


class Taking(Pass):
    """One pass of taking: who is next, what is sent, what it led to."""

    step, statuses = Step.TAKE, SETTLING

    def __init__(self, run: Migration, lease: Lease, remote: Remote) -> None:
        paced = paced_at_take(run.source.platform)
        super().__init__(run, lease, remote, run.source, turn=pace.name_for(run, run.source), paced=paced)
        self._told = Told(run)
        self._list = SourceList(run, remote)
        self._removed: list[str] = []
        self._shares: dict[str, Share] = {}

    def list_ahead(self, _moves: Sequence[Move]) -> None:
        """Ask for the source's list before the target is looked at for these users. A request to slow down is heeded; what else keeps it
        from being had shows once it is asked for again, for somebody who is to be taken.

        Plex is asked after the look: a share that is made again what it was gets its settings out of the list, since it cannot be asked for
        by its id, and what somebody has forbidden during the look would be lifted. Its list is two requests.
        """
        self._told.just_now = True
        if self.run.source.platform is Platform.PLEX or cooling(self.run.source):
            return
        try:
            self._list.ask()
            self._list.is_ahead = True
        except TooManyRequests as error:
            self._halt(error)
        except PlatformError:
            return

    def claim(self, room: int) -> list[Removal]:
        """The next users, each claimed and what they had written down, committed (with what was noted before) before anything is sent."""
        if self.wait or self.stop or room <= 0 or (self.did_something and (self.lease.is_used_up or self._told.has_aged)):
            db.session.commit()
            return []
        self.lease.require()
        moves = self._left_behind() or self._claim_next(room)
        self._told.begin(first=not self.did_something)
        if not moves or (self.paced and not self._turn_taken(moves)):
            db.session.commit()
            return []
        self.did_something = True
        self._told.ask()
        moves = self._without_claims_under_way(self._still_told(moves))
        if self._has_to_ask(moves):
            # Nothing is locked while the source is asked; a crash leaves the claim.
            db.session.commit()
        removals = self._removals(moves) if moves else []
        self._list.is_ahead = self._told.just_now = False
        if not removals:
            self._leave_turn()
        db.session.commit()
        return removals

    def _left_behind(self) -> list[Move]:
        """Whom a dead worker had in hand. A source that has asked to be left alone is not asked about them either: the run waits."""
        moves = [] if self.did_something else in_hand(self.run.id, self.lease.epoch, Step.TAKE)
        self.wait = self._cooling if moves else None
        if self.wait or not moves:
            return []
        self._look_up(moves)
        return moves

    def _look_up(self, ahead: Sequence[Move]) -> None:
        self._shares = shares_of(self.run.source, [move.source_member_id for move in ahead])

    def _still_told(self, moves: list[Move]) -> list[Move]:
        """Nobody where what the target told has grown too old while their turn was waited for: it is looked at again first."""
        if not self._told.has_aged:
            return moves
        self._look_first(moves, [])
        return []

    def _without_claims_under_way(self, moves: list[Move]) -> list[Move]:
        """Whose person is choosing a password at this moment for the account that is to go waits a little: what the claim has read of it
        would open it again. Asked once it is committed that they are in hand: whoever begins to choose one from now on sees that."""
        if self.run.source.platform is Platform.PLEX:
            return moves
        db.session.commit()
        busy = alone.used_by_links(self.run.source_id, [move.source_member_id for move in moves])
        for move in moves:
            if move.source_member_id in busy:
                self._put_back(move, needs_look=False, not_before=utc_now() + alone.TAKES)
        return [move for move in moves if move.source_member_id not in busy]

    def perform(self, removal: Removal) -> bool:
        """The request for one user, none where the access is gone already; runs in a thread."""
        with logs.about_user(removal.move.user_id), collecting(removal.sent), self._one_turn_each():
            self.lease.require()
            carry_out(removal, self.remote)
            log.info("The source is done, with %d changing requests.", len(removal.sent))
            return True

    def _wait_for_another_turn(self) -> None:
        """As for giving. Raises `ServerFault` as well where what the target had told has grown too old meanwhile."""
        super()._wait_for_another_turn()
        if self._told.is_too_old:
            raise ServerFault(f"What {self.run.target.name} had told no longer counted when the turn of a second request came.")

    def note(self, removal: Removal, outcome: bool | PlatformError) -> None:
        """Write down what came of it; flushed."""
        self._end_turn(outcome, refused=isinstance(outcome, TooManyRequests))
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

    def _note_error(self, move: Move, error: PlatformError, *, needs_look: bool = False, **also: Any) -> None:
        # What was noted is committed where the source is asked once more.
        self.forget_removed()
        super()._note_error(move, error, needs_look=needs_look, **also)

    def _is_named_by_id(self, moves: Sequence[Move]) -> bool:
        """A Plex share is removed by its id alone, without a list. Only where nothing has this id any more a list tells whether another
        has come in its place. One that is made again what it was has to be known as it is now, so that no restriction set since is lifted.
        """
        restored = any(self._restores(move) for move in moves)
        return self.run.source.platform is Platform.PLEX and not restored and not any(move.attempts for move in moves)

    def _has_to_ask(self, moves: list[Move]) -> bool:
        return not self._is_named_by_id(moves) and self._list.has_to_be_asked_for

    def _removals(self, moves: list[Move]) -> list[Removal]:
        if self._is_named_by_id(moves):
            return [self._kept(move, Member(move.source_member_id, "", move.name), by_id_alone=True) for move in moves]
        found: list[tuple[Move, Here]] = []
        if asks := self._list.has_to_be_asked_for:
            self._ask_for_list()
        closed = closed_for_a_moment(self.run.source_id) if any(map(self._restores, moves)) else {}
        if not (self.halts or self._told.is_too_old):
            found = self._all_looked_up(moves, closed)
        if self.halts:
            # Nothing more is sent: not about those either who were found before it was answered so.
            for move in moves:
                self._put_back(move, needs_look=False)
            return []
        if self._told.is_too_old:
            by_id = [move for move, here in found if here.by_id]
            self._look_first(moves, by_id or (moves if asks else []))
            return []
        return [self._kept(move, here.member, closed=closed) for move, here in found]

    def _look_first(self, moves: list[Move], asked: list[Move]) -> None:
        """It took so long that the target may have changed meanwhile: it is looked at again first, before which the list is there already.
        Where a look would not help, it costs those a try about whom the source was `asked`: so it ends. Flushed."""
        for move in moves:
            if move in asked and self._told.is_fault_of_source:
                fail_or_retry(move, self.lease.epoch, self._told.trouble)
            else:
                self._put_back(move, needs_look=True)

    def _all_looked_up(self, moves: list[Move], closed: Mapping[str, Kept]) -> list[tuple[Move, Here]]:
        """About whom it was found out; those who have to be asked for by their id after somebody about whom it took long are let go of:
        they come next, on their own."""
        found: list[tuple[Move, Here]] = []
        for move in moves:
            on_their_own = self._told.takes_long and any(here.by_id for _, here in found)
            if here := self._looked_up(move, closed, asks=not on_their_own):
                found.append((move, here))
        return found

    def _looked_up(self, move: Move, closed: Mapping[str, Kept], *, asks: bool) -> Here | None:
        """`None`: whether the access is still there could not be found out."""
        if self.halts:
            return None
        found = self._list.found(move)
        if self._list.tells_enough(found, closed if self._restores(move) else None):
            return Here(found)
        if not asks:
            self._put_back(move, needs_look=False)
            return None
        try:
            return self._list.asked_for(move)
        except PlatformError as error:
            self._note_error(move, error)
            return None

    def _restores(self, move: Move) -> bool:
        """Whether an access that was there before the run which is taken back is made again what it was."""
        return self.run.kind is RunKind.UNDO and bool(move.before)

    def _ask_for_list(self) -> None:
        try:
            self._list.ask()
        except PlatformError as error:
            self._halt(error)

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
        if not record(move.id, self.lease.epoch, status=status, step=step, taken_at=shared_now(), detail=detail):
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
