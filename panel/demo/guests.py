"""The people of the demo at their end: they accept the invites they get, a while later."""

from __future__ import annotations

import threading
import time

from panel.demo.world import World

ACCEPT_AFTER_S = 15.0
LOOK_EVERY_S = 1.0


class Guests:
    """Accepts every invite that has waited for `after_s` seconds, but for those of people who never do."""

    def __init__(self, world: World, after_s: float = ACCEPT_AFTER_S) -> None:
        self.world = world
        self.after_s = after_s
        self._never = {person.email for person in world.cast.people if not person.accepts_invites}
        self._seen: dict[int, float] = {}
        self._over = threading.Event()

    def start(self) -> None:
        """Begin, in a thread of its own."""
        threading.Thread(target=self._watch, name="guests", daemon=True).start()

    def stop(self) -> None:
        """No more."""
        self._over.set()

    def look(self) -> None:
        """Accept what has waited long enough."""
        tv, now = self.world.tv, time.monotonic()
        with tv.lock:
            for share in list(tv.shares.values()):
                if share.accepted or share.orphan or share.email in self._never:
                    continue
                if now - self._seen.setdefault(share.id, now) >= self.after_s:
                    tv.accept(share)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self.look()
