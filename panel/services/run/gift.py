"""What one user is to be given: plain values out of the rows of the run, and what is known of the access there is already."""

from __future__ import annotations

from dataclasses import dataclass, field

from panel.domain.platform import Platform
from panel.domain.statuses import RunKind
from panel.models import Migration, Move
from panel.platforms.base import Access, Kept, Member, Person
from panel.platforms.present import not_looser
from panel.platforms.sent import SentCall
from panel.services.run.after_restore import is_nobodys_to_touch


@dataclass(frozen=True)
class Gift:
    """One user's access to be given; plain values, so that a thread may have them."""

    move: Move
    person: Person
    access: Access
    known: Member | None
    ours: bool
    kept: Kept | None
    "What an account was that is to be given back."
    intended: bool
    "Whether it was written down before this attempt already that an account would be made."
    sealed: bool
    "Whether it was written down before this attempt already that the account got a password that nobody knows."
    sent: list[SentCall] = field(default_factory=list)
    "The changing requests of this attempt: filled by the thread that sends them, read when it is done."


def gift_of(run: Migration, move: Move, known: Member | None) -> Gift:
    """What is to be given to this user, where `known` is the access on the target."""
    return Gift(
        move=move,
        person=Person(move.account_name, move.address, move.target_account_id),
        access=_access(run, move, known),
        known=known,
        ours=move.created_account and known is not None and _is_unfinished(move, known),
        kept=_kept(run, move),
        # An account whose id is known was made: for another one in its place there is no intent yet.
        intended=move.created_account and not move.target_member_id,
        sealed=move.sealed,
    )


def _is_unfinished(move: Move, known: Member) -> bool:
    """Whether an account that was made for this user still has to be finished: its id is not known, or it was closed before it was given.
    Once it was read back it is finished, and its person may have chosen a password since; also where a backup does not know of that."""
    if is_nobodys_to_touch(move, known):
        return False
    return not move.target_member_id or (move.given_at is None and known.disabled)


def as_kept(member: Member) -> dict[str, object]:
    """What an access is now, to be stored and given back one day."""
    return {"libraries": sorted(member.library_ids), "all_libraries": member.all_libraries, "settings": dict(member.settings)}


def remembered_member(move: Move) -> Member | None:
    """The Plex share to be edited, as the preparation of the run saw it: editing needs no fresher knowledge than its id."""
    if not move.known:
        return None
    settings, libraries = move.known.get("settings"), move.known.get("libraries")
    return Member(
        id=str(move.known.get("id", "")),
        account_id=str(move.known.get("account_id", "")),
        name=str(move.known.get("name", "")),
        email=str(move.known.get("email", "")),
        accepted=move.known.get("accepted") is not False,
        all_libraries=move.known.get("all_libraries") is True,
        library_ids=frozenset(map(str, libraries)) if isinstance(libraries, list) else frozenset(),
        settings=settings if isinstance(settings, dict) else {},
    )


def _access(run: Migration, move: Move, known: Member | None) -> Access:
    access = Access(frozenset(library.remote_id for library in move.libraries), move.downloads, move.restrictions)
    if known is None or run.target.platform is not Platform.PLEX or run.kind is RunKind.UNDO:
        return access
    return not_looser(access, known.settings)


def _kept(run: Migration, move: Move) -> Kept | None:
    if run.kind is not RunKind.UNDO or run.target.platform is Platform.PLEX or not move.restrictions:
        return None
    return Kept(frozenset(library.remote_id for library in move.libraries), settings=move.restrictions)
