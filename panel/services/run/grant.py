"""The requests that give one user access."""

from __future__ import annotations

from panel.platforms.base import Given, Kept, Member, Remote
from panel.platforms.sealing import SEALED, random_password
from panel.services.candidates import is_settled
from panel.services.run.gift import Gift
from panel.services.run.intents import is_to_be_sealed


def grant(gift: Gift, remote: Remote, *, on_plex: bool) -> Given:
    """Make this user's access what it is meant to be; nothing is sent where it is that already. Raises `PlatformError`."""
    known, unfinished = gift.known, gift.ours and not on_plex
    if known and not unfinished and gift.kept is not None:
        return _restored(remote, known, gift.kept, sealed=is_to_be_sealed(gift))
    if known and not unfinished and is_settled(known, gift.access):
        return Given(known.id, known.account_id, known.accepted)
    return remote.give(gift.person, gift.access, known, ours=gift.ours)


def _restored(remote: Remote, known: Member, kept: Kept, *, sealed: bool) -> Given:
    """An account that is there is made again what it was, whole; none is made anew for that. One that has no password is given one that
    nobody knows before it is opened, also where it had none then."""
    if sealed:
        remote.set_password(known.account_id, random_password())
    if known.settings != kept.settings:
        remote.restore(known, kept)
    return Given(known.id, known.account_id, known.accepted, SEALED if sealed else "")
