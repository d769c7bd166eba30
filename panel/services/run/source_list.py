"""What the source tells about those whose access is to go: one list for many, and whoever it does not tell enough about by their id."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Migration, Move
from panel.platforms.base import Kept, Member, NotThere, Remote
from panel.platforms.unreadable import require_readable
from panel.services.run.present import Present

#: How old a list of policies may be, in seconds, for one of them to be changed and sent back whole.
FRESH_S = 60.0


@dataclass(frozen=True)
class Here:
    """What was found out about somebody's access; `member` is `None` when it is gone."""

    member: Member | None
    by_id: bool = False
    "Whether they were asked for by their id."


class SourceList:
    """The source's list, as long as it will do."""

    def __init__(self, run: Migration, remote: Remote) -> None:
        self._remote = remote
        self._shares = run.source.platform is Platform.PLEX
        self._members: Present | None = None
        self._listed = 0.0
        self.is_ahead = False
        "Whether it was asked for before the look at the target, for whoever is taken first after that."

    def ask(self) -> None:
        """Ask for it. Raises `PlatformError`."""
        self._members = Present(self._remote.members(), shares=self._shares)
        self._listed = time.monotonic()

    @property
    def has_to_be_asked_for(self) -> bool:
        """Whether there is none, or only an old one. The first who are taken after a look never wait for another: that may take longer than
        what was told counts."""
        return self._members is None or (self._is_old and not self.is_ahead)

    def found(self, move: Move) -> Member | None:
        """This user's access by the list, `None` where it is not in it."""
        return self._members.of(move) if self._members else None

    def tells_enough(self, member: Member | None, closed: Mapping[str, Kept] | None) -> bool:
        """Whether what it says of somebody will do. It does not where it is too old for a policy to be sent back whole as it was then. Nor
        about an account that is made again what it was (`closed`: what links have closed for a moment, else `None`) where a link may be at
        it, or somebody may have chosen a password since: now nobody else of the panel is. Of shares it is all that tells; it is never old.
        """
        if member is None or member.unreadable or self._shares:
            return member is not None and not member.unreadable
        return not self._is_old and (closed is None or not (member.needs_sealing or member.account_id in closed))

    def asked_for(self, move: Move) -> Here:
        """An account of the source, asked for by its id (1 request, what was flushed is committed before): no list is whole enough to note
        a removal by it alone. A list of Plex is all that tells. Raises `PlatformError`."""
        if self._shares or not move.source_member_id:
            if found := self.found(move):
                require_readable(found)
            return Here(None)
        # Nothing is locked while the source is asked; a crash leaves the claim.
        db.session.commit()
        with suppress(NotThere):
            return Here(self._remote.member(move.source_member_id), by_id=True)
        return Here(None, by_id=True)

    @property
    def _is_old(self) -> bool:
        return time.monotonic() - self._listed > FRESH_S
