"""One user's source access to be removed, or made again what it was, and what of it is written down before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from panel.models import Move, Share
from panel.platforms.base import Member, NotThere, Remote
from panel.platforms.sealing import random_password
from panel.platforms.sent import SentCall
from panel.services.run.restoring import Restoring

#: The status by which a platform says that there is nothing of this id.
GONE = 404


@dataclass(frozen=True)
class Removal:
    """One user's source access to be removed; `member` is `None` when it is gone already."""

    move: Move
    member: Member | None
    by_id_alone: bool = False
    "Whether the access was named without having been seen in a list."
    restoring: Restoring | None = None
    "What an access that was there before is made again, in place of being removed."
    sent: list[SentCall] = field(default_factory=list)
    "The changing requests of this attempt: filled by the thread that sends them, read when it is done."

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing of this id (any more): `Remote.take` counts that as done, but another may have come in its place."""
        return self.by_id_alone and bool(self.sent) and self.sent[-1].status == GONE

    @property
    def is_refused_whole(self) -> bool:
        """Whether it is certain that nothing of this attempt was carried out."""
        return all(call.status is not None and 400 <= call.status < 500 for call in self.sent)


def opens(member: Member) -> bool:
    """Whether anything would be open to an account, enabled or not: one that was disabled alone may be enabled again at any moment."""
    return member.all_libraries or bool(member.library_ids)


def carry_out(removal: Removal, remote: Remote) -> None:
    """The requests for one user, none where the access is gone already. Raises `PlatformError`."""
    member, restoring = removal.member, removal.restoring
    if member is None:
        return
    if restoring is not None:
        if restoring.seals:
            remote.set_password(member.account_id, random_password())
        remote.restore(member, restoring.kept)
    elif opens(member) or not member.disabled:
        with suppress(NotThere):  # Somebody else removed it in the meantime.
            remote.take(member)


def what_is_there(move: Move, member: Member | None, share: Share | None) -> dict[str, object]:
    """What the access of this user is before it goes, to be given back one day; `share`: what a sync has stored of it."""
    is_known = member is not None and bool(member.settings)
    if move.seen and (member is None or not is_known or _is_closed_since(move, member)):
        return dict(move.seen)
    share = None if move.seen else share
    libraries = [library.remote_id for library in share.libraries] if share else []
    if member is None or not is_known:
        return {"libraries": libraries, "all_libraries": bool(share and share.all_libraries), "settings": share.settings if share else {}}
    if not member.disabled:
        libraries = sorted(member.library_ids)
    return {"libraries": libraries, "all_libraries": member.all_libraries, "settings": dict(member.settings)}


def _is_closed_since(move: Move, member: Member) -> bool:
    """Whether an account was enabled when the run was prepared and has been disabled since with all it had left to it, as a password that
    is being chosen does for a moment: what it was then is what there is to be given back."""
    settings = move.seen.get("settings")
    was_enabled = isinstance(settings, dict) and settings.get("IsDisabled") is False
    return was_enabled and member.disabled and opens(member)
