"""First: access on the target, one user after another. What is about to be made is written down before the request leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from panel import logs
from panel.domain.pacing import paced_at_give
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, RunKind, Step
from panel.extensions import config, db
from panel.models import Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import Given, Kept, Member, NameTaken, NotAllowed, PlatformError, Refused, Remote, TooManyRequests
from panel.platforms.mediabrowser import SEALED, random_password
from panel.platforms.sent import collecting
from panel.services import pace, proof
from panel.services.candidates import is_settled
from panel.services.claims import alone
from panel.services.run.gift import Gift, as_kept, gift_of, remembered_member
from panel.services.run.lease import Lease
from panel.services.run.listed import Listed
from panel.services.run.made_anew import forget_claims
from panel.services.run.rows import AHEAD, Outcome, Wait, claim, due, in_hand, next_retry_at, record, require_epoch, write_down
from panel.services.run.secure import without_warning
from panel.services.run.side_by_side import side_by_side
from panel.services.run.trouble import RunStopped, cooling, fail_or_retry, give_up, is_theirs_alone, put_back, wait_out
from panel.services.run.turn import wait_for_turn

GIVING = (MoveStatus.PENDING,)


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
    run.wake_at, run.wake_reason = wait.until, wait.why
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


class Giving:
    """One pass of giving: who is next, what is sent, what it led to."""

    def __init__(self, run: Migration, lease: Lease, remote: Remote) -> None:
        self.run, self.lease, self.remote = run, lease, remote
        self.on_plex = run.target.platform is Platform.PLEX
        self.paced = self.on_plex or (run.pace_s > 0 and paced_at_give(run.source.platform, run.target.platform, run.removal))
        self.turn = pace.name_for(run, run.target if self.on_plex else pace.plex_side(run))
        self.asked = pace.name_for(run, run.target)
        "Whom a request to slow down concerns: the target alone, whatever turn was taken."
        self.own_pace = self.paced and pace.plex_side(run) is None
        "Whether turns are taken of nothing but the run's own pace, which then goes more slowly too."
        self.width = 1 if self.paced else config().side_by_side
        self.wait: Wait | None = None
        self.stop: RunStopped | None = None
        self.did_something = False
        self._members: Listed | None = None
        self._ahead: list[Move] = []
        self._waiting: list[Move] = []

    def claim(self, room: int) -> list[Gift]:
        """The next users, each claimed and its intent written down, committed (with what was noted before) before anything is sent."""
        if self.wait or self.stop or room <= 0 or (self.did_something and self.lease.is_used_up):
            db.session.commit()
            return []
        self.lease.require()
        left_behind = self._left_behind()
        moves = left_behind or self._claim_next(room)
        # An account that may stand open is closed without waiting for a turn; on Plex nothing can stand open.
        if not moves or (self.paced and (self.on_plex or not left_behind) and not self._turn_taken(moves)):
            db.session.commit()
            return []
        self.did_something = True
        if self._has_to_ask(moves):
            # Nothing is locked while the target is asked who is there; a crash leaves the claim, which leads to a look.
            db.session.commit()
        gifts = self._unfinished_first(self._gifts(moves), left_behind)
        for gift in gifts:
            self._write_intent(gift)
        db.session.commit()
        return self._without_claims_under_way(gifts)

    def _write_intent(self, gift: Gift) -> None:
        """What is about to be made, or what there was before it is changed; flushed."""
        if gift.known is None and not gift.intended:
            # What was there before is gone: an account made now is known by nothing but its name until it is answered for.
            also = {} if self.on_plex else {"target_account_id": ""}
            write_down(gift.move, self.lease.epoch, created_account=True, target_member_id="", secure_after=None, **also)
        elif gift.known is None and gift.move.secure_after is not None:
            # Looks at what came of an earlier request say nothing about this one.
            write_down(gift.move, self.lease.epoch, secure_after=None)
        elif gift.known is not None and self._was_there(gift):
            write_down(gift.move, self.lease.epoch, before=as_kept(gift.known))

    def _was_there(self, gift: Gift) -> bool:
        """Whether what the account is now was not this run's doing, and is to be given back one day; not what it has made and given already
        and gives once more."""
        made = gift.ours or (gift.move.created_account and gift.move.given_at is not None)
        return self.run.kind is RunKind.MOVE and not made and not gift.move.before

    def _without_claims_under_way(self, gifts: list[Gift]) -> list[Gift]:
        """Whose person is choosing a password at this moment waits a little: their account may be closed for that long, without a password
        for a part of it. Asked once it is committed that they are in hand: whoever begins to choose one from now on sees that."""
        accounts = [] if self.on_plex else [gift.known.account_id for gift in gifts if gift.known is not None]
        busy = alone.used_by_links(self.run.target_id, accounts) if accounts else set()
        waiting = [gift for gift in gifts if gift.known is not None and gift.known.account_id in busy]
        for gift in waiting:
            put_back(gift.move, self.lease.epoch, needs_look=True, not_before=utc_now() + alone.TAKES)
        if waiting:
            db.session.commit()
        return self._sealed_first([gift for gift in gifts if gift not in waiting])

    def _sealed_first(self, gifts: list[Gift]) -> list[Gift]:
        """Whose account stands closed and without a password is given one before it is opened, which its person has to be able to replace;
        ours has none but that. Written down, committed, after the account was asked for once more, now that nobody else of the panel is
        at it: a list may be older than the password that somebody has chosen since."""
        found: list[Gift] = []
        for gift in gifts:
            if gift.known is None or not self._is_to_be_sealed(gift):
                found.append(gift)
                continue
            try:
                now = replace(gift, known=self.remote.member(gift.known.id))
            except PlatformError as error:
                self.note(gift, error)
                continue
            if self._is_to_be_sealed(now):
                write_down(gift.move, self.lease.epoch, sealed=True)
            found.append(now)
        db.session.commit()
        return found

    def _is_to_be_sealed(self, gift: Gift) -> bool:
        """Whether the account is opened now, and has no password."""
        if gift.known is None or gift.ours or self.on_plex or not (gift.known.disabled and gift.known.no_password):
            return False
        return gift.kept is None or gift.kept.settings.get("IsDisabled") is not True

    def perform(self, gift: Gift) -> Given:
        """The requests for one user, none where the access is right already; runs in a thread."""
        with logs.about_user(gift.move.user_id), collecting(gift.sent):
            self.lease.require()
            known, unfinished = gift.known, gift.ours and not self.on_plex
            if known and not unfinished and gift.kept is not None:
                return self._restored(known, gift.kept, sealed=self._is_to_be_sealed(gift))
            if known and not unfinished and is_settled(known, gift.access):
                return Given(known.id, known.account_id, known.accepted)
            return self.remote.give(gift.person, gift.access, known, ours=gift.ours)

    def _restored(self, known: Member, kept: Kept, *, sealed: bool) -> Given:
        """An account that is there is made again what it was, whole; none is made anew for that. One that has no password is given one that
        nobody knows before it is opened, also where it had none then."""
        if sealed:
            self.remote.set_password(known.account_id, random_password())
        if known.settings != kept.settings:
            self.remote.restore(known, kept)
        return Given(known.id, known.account_id, known.accepted, SEALED if sealed else "")

    def note(self, gift: Gift, outcome: Given | PlatformError) -> None:
        """Write down what came of it; flushed."""
        if self.paced:
            pace.end_turn(self.turn, refused=(self.own_pace or self.on_plex) and isinstance(outcome, TooManyRequests))
        if isinstance(outcome, Given):
            self._note_given(gift, outcome)
            return
        if isinstance(outcome, NameTaken) and self._looks_again(gift):
            return
        nothing_made = gift.known is None and not gift.intended and outcome.had_no_effect
        also: dict[str, Any] = {"created_account": False} if nothing_made else {}
        if gift.known is not None and isinstance(outcome, (Refused, NotAllowed)):
            also["before"] = {}  # Nothing was changed: whatever there is at the next attempt counts.
        if not outcome.had_no_effect:
            # What the list says of this user may be no longer so; nothing is sent again on it.
            self._members = None
        self._note_error(gift.move, outcome, **also)

    def _note_error(self, move: Move, error: PlatformError, **also: Any) -> None:
        if error.about_server and not self.halts and is_theirs_alone(self.run, error, self.remote):
            give_up(move, self.lease.epoch, error, **also)
        elif error.about_server:
            put_back(move, self.lease.epoch, needs_look=True, **also)
            self._halt(error)
        else:
            fail_or_retry(move, self.lease.epoch, error, **also)

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
            put_back(move, self.lease.epoch, needs_look=True)
        db.session.commit()
        return bool(waiting)

    def _left_behind(self) -> list[Move]:
        if not self.did_something:
            self._waiting = in_hand(self.run.id, self.lease.epoch, Step.GIVE)
        moves, self._waiting = self._waiting, []
        return moves

    def _unfinished_first(self, gifts: list[Gift], left_behind: list[Move]) -> list[Gift]:
        """Of those left behind, accounts that stand there come alone: nothing else is begun before they are closed."""
        unfinished = [gift for gift in gifts if gift.ours]
        if not left_behind or not unfinished or len(unfinished) == len(gifts):
            return gifts
        self._waiting = [gift.move for gift in gifts if not gift.ours]
        return unfinished

    def _claim_next(self, room: int) -> list[Move]:
        if not self._ahead:
            self._ahead = due(self.run.id, Step.GIVE, room if self.paced else AHEAD, GIVING)
            # On Plex no turn is due before.
            self.wait = cooling(self.run.target) if self._ahead and not self.on_plex else None
            if self.wait:
                return []
        moves, self._ahead = self._ahead[:room], self._ahead[room:]
        taken = [move for move in moves if claim(move, self.lease.epoch, GIVING, status=MoveStatus.MOVING, not_before=None)]
        if len(taken) < len(moves):
            self._ahead = []  # Something has changed meanwhile: look anew.
        return taken

    @property
    def halts(self) -> bool:
        """Whether the run waits or stops: what else fails of the same moment is the same trouble, and is not counted again."""
        return self.wait is not None or self.stop is not None

    def _halt(self, error: PlatformError) -> None:
        if self.halts:
            return
        try:
            self.wait = wait_out(self.run, error, self.asked)
            if self.own_pace and isinstance(error, TooManyRequests):
                pace.cool_down(self.turn, error.retry_after_s)
        except RunStopped as stop:
            self.stop = stop

    def _turn_taken(self, moves: list[Move]) -> bool:
        seconds = wait_for_turn(self.run, self.lease, self.turn, Step.GIVE)
        if seconds > 0:
            for move in moves:
                put_back(move, self.lease.epoch, needs_look=False)
            self.wait = Wait(utc_now() + timedelta(seconds=seconds), "")
        return seconds <= 0

    def _has_to_ask(self, moves: list[Move]) -> bool:
        return self._members is None and any(move.needs_look for move in moves)

    def _gifts(self, moves: list[Move]) -> list[Gift]:
        if self._has_to_ask(moves):
            try:
                self._members = Listed(self.remote.members(), names=not self.on_plex)
            except PlatformError as error:
                for move in moves:
                    put_back(move, self.lease.epoch, needs_look=True)
                self._halt(error)
                return []
        return list(filter(None, (self._looked_up(move) for move in moves)))

    def _looked_up(self, move: Move) -> Gift | None:
        """`None`: whether there is an account of theirs could not be found out."""
        if self.halts:
            # The target has just not answered about somebody else.
            put_back(move, self.lease.epoch, needs_look=True)
            return None
        try:
            return self._gift(move)
        except PlatformError as error:
            self._note_error(move, error)
            return None

    def _gift(self, move: Move) -> Gift:
        if move.needs_look:
            known = self._members.or_asked_for(move, self.remote) if self._members else None
        else:
            known = remembered_member(move)
        return gift_of(self.run, move, known)

    def _note_given(self, gift: Gift, given: Given) -> None:
        move, made = gift.move, gift.known is None or gift.ours
        also = {"account_mail": ""} if made else {}
        if self.run.outages:
            self.run.outages = 0
        done = record(
            move.id,
            self.lease.epoch,
            step=Step.CHECK,
            target_member_id=given.member_id,
            target_account_id=given.account_id,
            given_at=utc_now(),
            detail="",
            remark=" ".join(filter(None, (without_warning(move.remark), given.note))),
            needs_look=False,
            **also,
        )
        if done and made:
            forget_claims(move)
