"""What a pass of giving and one of taking have in common: whose turn it is is taken in hand, and one trouble ends it for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import config, for_threads
from panel.models import Migration, Move, Server
from panel.models.types import utc_now
from panel.platforms import turns
from panel.platforms.base import PlatformError, Remote
from panel.services import pace
from panel.services.run.lease import Lease
from panel.services.run.rows import AHEAD, Wait, claim, due
from panel.services.run.trouble import RunStopped, cooling, fail_or_retry, give_up, is_theirs_alone, put_back, wait_out
from panel.services.run.turn import Interrupted, wait_for_another_turn, wait_for_turn


class Pass:
    """One pass over the users of a run for whom something is to be sent to `server`, whom `step` and `statuses` tell."""

    step: Step
    statuses: Sequence[MoveStatus]

    def __init__(self, run: Migration, lease: Lease, remote: Remote, server: Server, *, turn: str, paced: bool) -> None:
        self.run, self.lease, self.remote, self.server = run, lease, remote, server
        self.turn, self.paced = turn, paced
        self.width = 1 if paced else config().side_by_side
        self.wait: Wait | None = None
        self.stop: RunStopped | None = None
        self.did_something = False
        self._ahead: list[Move] = []
        self._in_thread = for_threads()

    @property
    def halts(self) -> bool:
        """Whether the run waits or stops: what else fails of the same moment is the same trouble, and is not counted again."""
        return self.wait is not None or self.stop is not None

    def _halt(self, error: PlatformError) -> None:
        """The server is in trouble, or asks to be left alone: whoever is still to come waits with the run, or it stops."""
        if self.halts:
            return
        try:
            self.wait = wait_out(self.run, error, self.server)
        except RunStopped as stop:
            self.stop = stop

    def _note_error(self, move: Move, error: PlatformError, *, needs_look: bool, **also: Any) -> None:
        """What a request for this user has failed with is theirs alone, or everybody's. `also`: columns set with it. Flushed."""
        if isinstance(error, Interrupted):
            self._put_back(move, needs_look=True, **also)
            self.wait = self.wait or Wait(error.until, "")
        elif error.about_server and not self.halts and is_theirs_alone(self.run, error, self.remote):
            give_up(move, self.lease.epoch, error, **also)
        elif error.about_server:
            self._put_back(move, needs_look=needs_look, **also)
            self._halt(error)
        else:
            fail_or_retry(move, self.lease.epoch, error, **also)

    def _put_back(self, move: Move, *, needs_look: bool, **also: Any) -> None:
        """Leave a user as they were. Flushed."""
        put_back(move, self.lease.epoch, needs_look=needs_look, **also)

    def _turn_taken(self, moves: Sequence[Move]) -> bool:
        """Take the next turn of the pace for them; where it is far off they are put back, and the run waits. Commits."""
        seconds = wait_for_turn(self.run, self.lease, self.turn, self.step)
        if seconds > 0:
            for move in moves:
                self._put_back(move, needs_look=False)
            self.wait = Wait(utc_now() + timedelta(seconds=seconds), "")
        return seconds <= 0

    @contextmanager
    def _one_turn_each(self) -> Iterator[None]:
        """Around the requests for one user, in a thread: the first that changes something at Plex has the turn that was taken, each further
        one waits for its own."""
        with turns.one_taken(self._another_turn):
            yield

    def _another_turn(self) -> None:
        with self._in_thread():
            self._wait_for_another_turn()

    def _wait_for_another_turn(self) -> None:
        """Raises what `wait_for_another_turn` raises."""
        wait_for_another_turn(self.run, self.lease, self.turn)

    def _end_turn(self, outcome: object, *, refused: bool) -> None:
        """The interval counts from here, unless the last request of the turn was over long before. Flushed."""
        if self.paced and not isinstance(outcome, Interrupted):
            pace.end_turn(self.turn, self.lease.hold, refused=refused)

    def _leave_turn(self) -> None:
        """Nobody is there any more for whom something would be sent in the turn that was taken. Flushed."""
        if self.paced:
            pace.leave_turn(self.turn, self.lease.hold)

    def _claim_next(self, room: int, **also: Any) -> list[Move]:
        """The next users, taken in hand; `also`: columns set with it. Nobody while the server has asked to be left alone. Flushed."""
        if self.wait:
            return []
        if not self._ahead:
            self._ahead = due(self.run.id, self.step, room if self.paced else AHEAD, self.statuses)
            self.wait = self._cooling if self._ahead else None
            if self.wait:
                return []
            self._look_up(self._ahead)
        moves, self._ahead = self._ahead[:room], self._ahead[room:]
        taken = [move for move in moves if claim(move, self.lease.epoch, self.statuses, not_before=None, **also)]
        if len(taken) < len(moves):
            self._ahead = []  # Something has changed meanwhile: look anew.
        return taken

    def _look_up(self, ahead: Sequence[Move]) -> None:
        """What is to be known of the users who come next, asked of the database for all of them at once."""

    @property
    def _cooling(self) -> Wait | None:
        """A wait while the server has asked to be left alone. On Plex no turn is due before."""
        return None if self.server.platform is Platform.PLEX else cooling(self.server)
