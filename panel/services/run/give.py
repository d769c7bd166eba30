"""First: access on the target, one user after another. What is about to be made is written down before the request leaves."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from panel import logs
from panel.domain.pacing import paced_at_give
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import config, db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import Given, NameTaken, PlatformError, Remote, TooManyRequests
from panel.platforms.sent import collecting
from panel.services import pace, proof
from panel.services.claims import alone
from panel.services.run.gift import Gift, gift_of, remembered_member
from panel.services.run.given import note_given
from panel.services.run.grant import grant
from panel.services.run.intents import is_to_be_kept, is_to_be_sealed, may_have_arrived, without_effect, write_intents
from panel.services.run.lease import Lease
from panel.services.run.listed import Listed
from panel.services.run.one_pass import Pass
from panel.services.run.rows import Outcome, Wait, in_hand, next_retry_at, require_epoch, write_down
from panel.services.run.side_by_side import side_by_side
from panel.services.run.trouble import write_wait

log = logging.getLogger(__name__)


def give(run: Migration, lease: Lease, remote: Remote) -> Outcome:
    """Give access to whom it is due, those left behind by a dead worker first. Commits after each user."""
    giving = Giving(run, lease, remote)
    for batch in side_by_side(giving.width, giving.claim, giving.perform):
        # Before what came of it: no outcome is ever stored without its requests.
        proof.write(run.id, run.target_id, [(gift.move.id, gift.sent) for gift, _ in batch])
        for gift, outcome in batch:
            giving.note(gift, outcome)
        if giving.paced:
            db.session.commit()
    if giving.stop:
        giving.let_go_of_waiting()
        raise giving.stop
    if giving.wait:
        return _closed_first(run, lease, giving.wait) if giving.let_go_of_waiting() else giving.wait
    if giving.did_something:
        return True
    retry_at = next_retry_at(run.id, Step.GIVE)
    return Wait(retry_at, "Waiting before another try.") if retry_at and retry_at > utc_now() else False


def _closed_first(run: Migration, lease: Lease, wait: Wait) -> Outcome:
    """A wait that is written down, so that what may stand open is closed before it. Commits. Raises `LeaseLost`."""
    write_wait(run, wait)
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


class Giving(Pass):
    """One pass of giving: who is next, what is sent, what it led to."""

    step, statuses = Step.GIVE, (MoveStatus.PENDING,)

    def __init__(self, run: Migration, lease: Lease, remote: Remote) -> None:
        self.on_plex = run.target.platform is Platform.PLEX
        paced = self.on_plex or (run.pace_s > 0 and paced_at_give(run.source.platform, run.target.platform, run.removal))
        turn = pace.name_for(run, run.target if self.on_plex else pace.plex_side(run))
        super().__init__(run, lease, remote, run.target, turn=turn, paced=paced)
        self.own_pace = self.paced and pace.plex_side(run) is None
        "Whether turns are taken of nothing but the run's own pace, which then goes more slowly too."
        self._members: Listed | None = None
        self._waiting: list[Move] = []
        self._begun: set[int] = set()
        "For whom something may have been changed (move ids), by a dead worker or by a request that has failed."

    def claim(self, room: int) -> list[Gift]:
        """The next users, each claimed and free of links; what is about to happen to them is written down and committed, with what was
        noted before, before anything is sent. The target may be asked who is there."""
        if self.wait or self.stop or room <= 0 or (self.did_something and self.lease.is_used_up):
            db.session.commit()
            return []
        self.lease.require()
        left_behind = self._left_behind()
        self.wait = self._cooling if left_behind else None
        if self.wait:
            # What may stand open of theirs is closed before the wait, and nothing else is asked.
            self._waiting = left_behind
            db.session.commit()
            return []
        moves = left_behind or self._claim_next(room, status=MoveStatus.MOVING)
        # An account that may stand open is closed without waiting for a turn; on Plex nothing can stand open.
        if not moves or (self.paced and (self.on_plex or not left_behind) and not self._turn_taken(moves)):
            db.session.commit()
            return []
        self.did_something = True
        if self._has_to_ask(moves):
            # Nothing is locked while the target is asked who is there; a crash leaves the claim, which leads to a look.
            db.session.commit()
        gifts = self._beside_links(self._unfinished_first(self._gifts(moves), left_behind))
        if self.halts:
            # The target has just asked to be left alone, or did not answer, about one of them: nothing is sent for the others either.
            self._let_wait(gifts)
            gifts = []
        if not gifts:
            self._leave_turn()
        write_intents(self.run, self.lease.epoch, gifts)
        db.session.commit()
        return gifts

    def _beside_links(self, gifts: list[Gift]) -> list[Gift]:
        """Whose person is choosing a password at this moment waits a little: their account may be closed for that long, without a password
        for a part of it. Asked once it is committed that they are in hand: whoever begins to choose one from now on sees that. The others
        are as the target says now."""
        there = [] if self.on_plex else [gift.known.account_id for gift in gifts if gift.known is not None]
        if not there:
            return gifts
        db.session.commit()
        busy = alone.used_by_links(self.run.target_id, there)
        free: list[Gift] = []
        for gift in gifts:
            if gift.known is not None and gift.known.account_id in busy:
                self._put_back(gift.move, needs_look=True, not_before=utc_now() + alone.TAKES)
            elif now := self._as_it_is_now(gift):
                free.append(now)
        return free

    def _as_it_is_now(self, gift: Gift) -> Gift | None:
        """Who stands closed in the list is asked for once more (1 request, what was flushed is committed before), now that no link is at
        the account: since the list was read somebody may have chosen a password, who must keep it, or a closing for a moment have ended.
        `None`: it could not be found out."""
        known = gift.known
        if known is None or not known.disabled or self.halts or not (is_to_be_sealed(gift) or is_to_be_kept(self.run, gift)):
            return gift
        # Nothing is locked while the target is asked; a crash leaves the claim.
        db.session.commit()
        try:
            return replace(gift, known=self.remote.member(known.id))
        except PlatformError as error:
            self.note(gift, error)
            return None

    def _let_wait(self, gifts: list[Gift]) -> None:
        """Back to where they were; what may stand open of theirs is closed first. Flushed."""
        for gift in gifts:
            if gift.ours or gift.intended:
                self._waiting.append(gift.move)
            else:
                self._put_back(gift.move, needs_look=True)

    def perform(self, gift: Gift) -> Given:
        """The requests for one user; runs in a thread."""
        with logs.about_user(gift.move.user_id), collecting(gift.sent), self._one_turn_each():
            self.lease.require()
            given = grant(gift, self.remote, on_plex=self.on_plex)
            log.info("The target is done, with %d changing requests.", len(gift.sent))
            return given

    def note(self, gift: Gift, outcome: Given | PlatformError) -> None:
        """Write down what came of it; flushed."""
        slow_down = outcome.slow_down is not None if isinstance(outcome, Given) else isinstance(outcome, TooManyRequests)
        self._end_turn(outcome, refused=(self.own_pace or self.on_plex) and slow_down)
        if isinstance(outcome, Given):
            if gift.sent and not slow_down:
                pace.forgive(pace.name_of(self.run.target))
            note_given(self.run, self.lease.epoch, gift, outcome)
            if outcome.slow_down:
                # It came once this user had all that was meant for them; the others wait.
                self._halt(outcome.slow_down)
            return
        if isinstance(outcome, NameTaken) and self._looks_again(gift):
            return
        if may_have_arrived(gift):
            self._begun.add(gift.move.id)
        if not outcome.had_no_effect:
            # What the list says of this user may be no longer so; nothing is sent again on it.
            self._members = None
        self._note_error(gift.move, outcome, needs_look=True, **without_effect(gift, outcome))

    def _put_back(self, move: Move, *, needs_look: bool, **also: Any) -> None:
        """Leave a user as they were. For whom something may have been changed that counts as a try: they are finished also where the run is
        cancelled meanwhile. A server that was silent before anything was sent costs nobody one. Flushed."""
        if move.id in self._begun:
            also = {"attempts": max(1, move.attempts), **also}
        super()._put_back(move, needs_look=needs_look, **also)

    def _looks_again(self, gift: Gift) -> bool:
        """Whether a name that was free in the list and is taken now may be our own doing: the request of a worker that died since can
        arrive after the next one has looked. Such a user stays in hand and comes next, with a new list in which the account is found by its
        name and closed at once. Without an earlier intent it is somebody else's account; on Plex a name says nothing."""
        move = gift.move
        if self.on_plex or not gift.intended or gift.known is not None or move.attempts >= len(config().retry_waits_s):
            return False
        if write_down(move, self.lease.epoch, needs_look=True, attempts=move.attempts + 1):
            self._waiting.append(move)
        self._members = None
        return True

    def let_go_of_waiting(self) -> bool:
        """Nobody stays in hand of a run that waits or stops: what may stand open of theirs is closed meanwhile. Committed; answers whether
        there was anybody."""
        waiting, self._waiting = self._waiting, []
        for move in waiting:
            self._put_back(move, needs_look=True)
        db.session.commit()
        return bool(waiting)

    def _left_behind(self) -> list[Move]:
        if not self.did_something:
            self._waiting = in_hand(self.run.id, self.lease.epoch, Step.GIVE)
            self._begun |= {move.id for move in self._waiting}
        moves, self._waiting = self._waiting, []
        return moves

    def _unfinished_first(self, gifts: list[Gift], left_behind: list[Move]) -> list[Gift]:
        """Of those left behind, accounts that stand there come alone: nothing else is begun before they are closed."""
        unfinished = [gift for gift in gifts if gift.ours]
        if not left_behind or not unfinished or len(unfinished) == len(gifts):
            return gifts
        self._waiting = [gift.move for gift in gifts if not gift.ours]
        return unfinished

    def _halt(self, error: PlatformError) -> None:
        if not self.halts:
            super()._halt(error)
            if self.wait and self.own_pace and isinstance(error, TooManyRequests):
                pace.cool_down(self.turn, error.retry_after_s)

    def _has_to_ask(self, moves: list[Move]) -> bool:
        return self._members is None and any(move.needs_look for move in moves)

    def _gifts(self, moves: list[Move]) -> list[Gift]:
        if self._has_to_ask(moves):
            try:
                self._members = Listed(self.remote.members(), names=not self.on_plex)
            except PlatformError as error:
                for move in moves:
                    self._put_back(move, needs_look=True)
                self._halt(error)
                return []
        return list(filter(None, (self._looked_up(move) for move in moves)))

    def _looked_up(self, move: Move) -> Gift | None:
        """`None`: whether there is an account of theirs could not be found out."""
        if self.halts:
            # The target has just not answered about somebody else.
            self._put_back(move, needs_look=True)
            return None
        try:
            return self._gift(move)
        except PlatformError as error:
            self._note_error(move, error, needs_look=True)
            return None

    def _gift(self, move: Move) -> Gift:
        if move.needs_look:
            known = self._members.or_asked_for(move, self.remote) if self._members else None
        else:
            known = remembered_member(move)
        return gift_of(self.run, move, known)
