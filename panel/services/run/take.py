"""Third: the source access is removed, only for those whose target access was read back. What it was is kept first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
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
from panel.platforms.sent import SentCall, collecting
from panel.services import pace, proof
from panel.services.claims import alone
from panel.services.people import shares_of
from panel.services.run.lease import Lease
from panel.services.run.rows import AHEAD, SETTLING, Outcome, Wait, claim, due, in_hand, next_retry_at, record, write_down
from panel.services.run.side_by_side import side_by_side
from panel.services.run.trouble import RunStopped, cooling, fail_or_retry, give_up, is_theirs_alone, put_back, put_off, wait_out
from panel.services.run.turn import wait_for_turn

#: How old a list of policies may be, in seconds, for one of them to be changed and sent back whole.
FRESH_S = 60.0
#: The status by which a platform says that there is nothing of this id.
GONE = 404


@dataclass(frozen=True)
class Removal:
    """One user's source access to be removed; `member` is `None` when it is gone already."""

    move: Move
    member: Member | None
    by_id_alone: bool = False
    "Whether the access was named without having been seen in a list."
    sent: list[SentCall] = field(default_factory=list)
    "The changing requests of this attempt: filled by the thread that sends them, read when it is done."

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing of this id (any more): `Remote.take` counts that as done, but another may have come in its place."""
        return self.by_id_alone and bool(self.sent) and self.sent[-1].status == GONE


def take(run: Migration, lease: Lease, remote: Remote) -> Outcome:
    """Remove the source access of everyone whose turn it is. Commits after each user."""
    taking = Taking(run, lease, remote)
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
        moves = self._without_claims_under_way(moves)
        if self._has_to_ask(moves):
            # Nothing is locked while the source is asked; a crash leaves the claim.
            db.session.commit()
        removals = self._removals(moves) if moves else []
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
            return self._perform(removal)

    def _perform(self, removal: Removal) -> bool:
        self.lease.require()
        if removal.member is not None and removal.move.before and self.run.kind is RunKind.UNDO:
            self.remote.restore(removal.member, kept_from(removal.move.before))
            return True
        if removal.member is None or (removal.member.disabled and not opens(removal.member)):
            return True
        with suppress(NotThere):  # Somebody else removed it in the meantime.
            self.remote.take(removal.member)
        return True

    def note(self, removal: Removal, outcome: bool | PlatformError) -> None:
        """Write down what came of it; flushed."""
        if self.paced:
            pace.end_turn(self.turn, refused=isinstance(outcome, TooManyRequests))
        if not isinstance(outcome, PlatformError) and removal.found_nothing:
            put_off(removal.move, self.lease.epoch, 0.0, f"The access to {self.run.source.name} is not the one it was; it is looked up.")
        elif not isinstance(outcome, PlatformError):
            self._note_taken(removal)
        else:
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
        """A Plex share is removed by its id alone, without a list. Only where nothing has this id any more a list tells whether another
        has come in its place. One that is made again what it was has to be known as it is now, so that no restriction set since is lifted.
        """
        restored = self.run.kind is RunKind.UNDO and any(move.before for move in moves)
        return self.run.source.platform is Platform.PLEX and not restored and not any(move.attempts for move in moves)

    def _has_to_ask(self, moves: list[Move]) -> bool:
        if self._is_named_by_id(moves):
            return False
        return self._members is None or time.monotonic() - self._listed > FRESH_S

    def _removals(self, moves: list[Move]) -> list[Removal]:
        if self._is_named_by_id(moves):
            return [self._kept(move, Member(move.source_member_id, "", move.name), by_id_alone=True) for move in moves]
        try:
            members = self._listed_members(moves)
        except PlatformError as error:
            for move in moves:
                put_back(move, self.lease.epoch, needs_look=False)
            self._halt(error)
            return []
        return list(filter(None, (self._removal_of(move, members) for move in moves)))

    def _removal_of(self, move: Move, members: Present) -> Removal | None:
        """`None`: whether the access is still there could not be found out."""
        found = members.of(move)
        if found is None and self.halts:
            # The source has just not answered about somebody else.
            put_back(move, self.lease.epoch, needs_look=False)
            return None
        try:
            return self._kept(move, found or self._asked_for(move))
        except PlatformError as error:
            self._note_error(move, error)
            return None

    def _listed_members(self, moves: list[Move]) -> Present:
        if self._members is None or self._has_to_ask(moves):
            self._members = Present(self.remote.members(), shares=self.run.source.platform is Platform.PLEX)
            self._listed = time.monotonic()
        return self._members

    def _asked_for(self, move: Move) -> Member | None:
        """An account that is missing in the list, asked for by its id: no list is whole enough to note a removal by it alone."""
        if self.run.source.platform is Platform.PLEX or not move.source_member_id:
            return None
        # Nothing is locked while the source is asked; a crash leaves the claim.
        db.session.commit()
        with suppress(NotThere):
            return self.remote.member(move.source_member_id)
        return None

    def _kept(self, move: Move, member: Member | None, *, by_id_alone: bool = False) -> Removal:
        if not move.taken:
            share = None if move.seen else self._shares.get(move.source_member_id)
            libraries = [library.remote_id for library in share.libraries] if share else []
            settings = dict(member.settings) if member and member.settings else (share.settings if share else {})
            all_libraries = member.all_libraries if member and member.settings else bool(share and share.all_libraries)
            if member and member.settings and not member.disabled:
                libraries = sorted(member.library_ids)
            now = {"libraries": libraries, "all_libraries": all_libraries, "settings": settings}
            as_seen = move.seen and (not (member and member.settings) or _is_closed_since(move, member))
            write_down(move, self.lease.epoch, taken=dict(move.seen) if as_seen else now)
        return Removal(move, member, by_id_alone)

    def forget_removed(self) -> None:
        """The shares of those who have just been noted are gone from the panel too, in the same transaction; flushed."""
        if self._removed:
            execute(delete(Share).where(Share.server_id == self.run.source_id, Share.remote_id.in_(self._removed)))
        self._removed = []

    def _note_taken(self, removal: Removal) -> None:
        move = removal.move
        if self.run.outages:
            self.run.outages = 0
        status, step = (MoveStatus.MOVED, Step.DONE) if move.accepted else (MoveStatus.INVITED, Step.ACCEPT)
        done = record(move.id, self.lease.epoch, status=status, step=step, taken_at=utc_now(), detail="")
        if done and not (self.run.kind is RunKind.UNDO and move.before):
            # What was made again as it was before is still there.
            self._removed += [move.source_member_id, *([removal.member.id] if removal.member else [])]


class Present:
    """Who has access to the source now, by the id of the access. `shares`: a person's share may have been made anew under another id; it is
    known by their plex.tv account then, or by the address that was invited."""

    def __init__(self, members: Iterable[Member], *, shares: bool) -> None:
        self._shares = shares
        self._by_id: dict[str, Member] = {}
        self._by_person: dict[str, Member] = {}
        for member in members:
            self._by_id[member.id] = member
            self._by_person |= {name: member for name in (member.account_id, member.email.casefold()) if name}

    def of(self, move: Move) -> Member | None:
        """This user's access, `None` when it is gone."""
        found = self._by_id.get(move.source_member_id)
        if found is None and self._shares:
            found = self._by_person.get(move.user.plex_id) or self._by_address(move.user.plex_id, move.user.plex_email)
        return found

    def _by_address(self, plex_id: str, address: str) -> Member | None:
        """Whom this address was shared with, unless it is known to be another person's by now."""
        found = self._by_person.get(address.casefold())
        return None if found and plex_id and found.account_id not in ("", plex_id) else found


def opens(member: Member) -> bool:
    """Whether anything would be open to an account, enabled or not: one that was disabled alone may be enabled again at any moment."""
    return member.all_libraries or bool(member.library_ids)


def _is_closed_since(move: Move, member: Member) -> bool:
    """Whether an account was enabled when the run was prepared and has been disabled since with all it had left to it, as a password that
    is being chosen does for a moment: what it was then is what there is to be given back."""
    settings = move.seen.get("settings")
    was_enabled = isinstance(settings, dict) and settings.get("IsDisabled") is False
    return was_enabled and member.disabled and opens(member)


def kept_from(stored: Mapping[str, object]) -> Kept:
    """What an access was, out of a move's `before`."""
    libraries, settings = stored.get("libraries"), stored.get("settings")
    return Kept(
        frozenset(str(key) for key in libraries) if isinstance(libraries, list) else frozenset(),
        all_libraries=stored.get("all_libraries") is True,
        settings=settings if isinstance(settings, dict) else {},
    )
