"""Links to choose a password, beside a look at who has access: an account that one of them has closed for a moment is judged once it is
open again."""

from __future__ import annotations

from datetime import timedelta

from panel.domain.platform import Platform
from panel.extensions import config
from panel.models import Move, Server
from panel.models.types import utc_now
from panel.services.claims.alone import TAKES, used_by_links
from panel.services.claims.closed_for_a_moment import closed_for_a_moment
from panel.services.claims.closing import REOPEN_AFTER
from panel.services.shared_clock import shared_now


class BesideLinks:
    """The accounts of a server at which links were from before its list was asked until after it had come: `look` again then."""

    def __init__(self, server: Server) -> None:
        self._server, self._since = server, shared_now()
        self._used: set[str] = set()
        self._closed: set[str] = set()
        self.look()

    def look(self) -> None:
        """At whom links are now, or have been since the first look; 2 queries, none for Plex, where nobody has to be closed for a
        password."""
        if self._server.platform is not Platform.PLEX:
            self._used |= used_by_links(self._server.id, or_used_up_since=self._since)
            self._closed |= set(closed_for_a_moment(self._server.id))

    def puts_off(self, move: Move) -> bool:
        """Whether what the list says of this user may be a link's doing: then they are looked at again after a while, not before. For who
        is choosing a password that costs none of their tries. For an account that has to be opened again by itself it costs one each time,
        and the last one is left for a run to give access again with. Flushed by the caller."""
        if move.target_account_id in self._used:
            return _put_off(move, TAKES)
        if move.target_account_id in self._closed and move.attempts + 1 < len(config().retry_waits_s):
            move.attempts += 1
            return _put_off(move, REOPEN_AFTER)
        return False


def _put_off(move: Move, wait: timedelta) -> bool:
    move.claim, move.needs_look, move.not_before = None, True, utc_now() + wait
    return True
