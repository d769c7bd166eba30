"""How old what the target told becomes while the source is asked: nobody is removed on it once that took too long."""

from __future__ import annotations

import time

from panel.domain.pacing import paced_at_take
from panel.models import Migration
from panel.platforms.base import ServerFault
from panel.services.run.check import is_fresh

#: Seconds of asking the source about a few users after which nobody else is asked for with them.
LONG_S = 10.0


class Told:
    """What the target told, in one pass of taking."""

    def __init__(self, run: Migration) -> None:
        self._run = run
        self._was_fresh = False
        self._since = 0.0
        self.just_now = False
        "Whether the target was looked at in this very pass."

    def begin(self, *, first: bool) -> None:
        """Some users are in hand; `first`: they are the first of this pass."""
        if first:
            self._was_fresh = is_fresh(self._run)

    def ask(self) -> None:
        """The source is about to be asked about them. A wait for their turn lies before it: that is not the source's."""
        self._since = time.monotonic()

    @property
    def has_aged(self) -> bool:
        """Whether it no longer counts, although it did at the beginning of this pass."""
        return self._was_fresh and not is_fresh(self._run)

    @property
    def takes_long(self) -> bool:
        """Whether the source has been asked about these users for so long that the others are better asked for on their own."""
        return time.monotonic() - self._since > LONG_S

    @property
    def is_too_old(self) -> bool:
        """Whether nobody may be removed on it any more. Where the list of the target was too old before, and only those counted who were
        asked for by their id after it, the source may take `LONG_S` at most."""
        return self.has_aged if self._was_fresh else self.takes_long

    @property
    def is_fault_of_source(self) -> bool:
        """Where it is too old: whether another look would not help, since the source takes longer than a look lasts. Without a look in this
        pass it may only have been nearly too old before; at a pace the next look may be followed by a wait for the turn."""
        return self.just_now or (self.takes_long and paced_at_take(self._run.source.platform))

    @property
    def trouble(self) -> ServerFault:
        """What is said of whoever it costs a try."""
        source, target = self._run.source.name, self._run.target.name
        return ServerFault(f"{source} took so long to answer that what {target} had told no longer counted.")
