"""What an undo makes again of an access that was there before the run: never looser than somebody else has made it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import selectinload

from panel.domain.platform import Platform
from panel.extensions import db, execute
from panel.models import Library, Migration, Move
from panel.platforms.base import Kept, Member
from panel.services.claims.unclaimed import has_chosen
from panel.services.remarks import with_sealing


@dataclass(frozen=True)
class Restoring:
    """`detail`: a sentence about what stays as somebody else has made it since, or empty."""

    kept: Kept
    seals: bool = False
    "Whether the account is opened now and has no password: it gets one that nobody knows before."
    detail: str = ""
    newly_noted: bool = False
    "Whether nobody had written down before this attempt that it got such a password."


def restoring_of(run: Migration, move: Move, member: Member, closed: Mapping[str, Kept]) -> Restoring:
    """What the access of this user is made again by a run that takes another back, where `member` is how it stands now and `closed` what
    links have closed for a moment, by the id of the account.

    An account that somebody has disabled since the first run stays disabled, and a library that somebody has taken from it since stays
    taken. A second attempt comes to the same as the first.
    """
    kept = kept_from(move.before)
    if run.source.platform is Platform.PLEX or not member.settings:
        return Restoring(kept)
    settings, said = dict(kept.settings), []
    if member.disabled and not _is_closed_for_a_moment(member, closed) and settings.get("IsDisabled") is False:
        settings["IsDisabled"] = True
        said.append("it stays disabled")
    names = {library.remote_id: library.name for library in _given_by_the_first(run, move)}
    missing = set() if member.all_libraries else set(names) - member.library_ids
    if taken := _leave_out(settings, missing, {library.remote_id for library in run.source.libraries if library.is_there}):
        said.append(f"it stays without {', '.join(sorted(names[key] for key in taken))}")
    detail = f"Somebody has closed more of the account on {run.source.name} since: {' and '.join(said)}." if said else ""
    seals = member.needs_sealing and settings.get("IsDisabled") is False
    return Restoring(replace(kept, settings=settings), seals, detail)


def note_sealing(run: Migration, move: Move, member: Member) -> bool:
    """Before it is done: the account gets a password that nobody knows. It is the first run's account, and so are the links to it.
    Flushed; answers whether that is new."""
    whose = (*_of_the_first(run, move), Move.target_account_id == member.account_id, Move.sealed.is_(False))
    return execute(update(Move).where(*whose).values(sealed=True)) == 1


def note_not_sealed(run: Migration, move: Move) -> None:
    """Nothing of that was carried out: it is as if it had not been written down. To be called only by the attempt that has written it down
    (`Restoring.newly_noted`). Flushed."""
    execute(update(Move).where(*_of_the_first(run, move)).values(sealed=False))


def tell_of_sealing(run: Migration, move: Move, restoring: Restoring) -> None:
    """What its person needs is said with the first run, where the link can be made; also where an earlier attempt has given the account
    its password and this one has only opened it. Flushed by the caller."""
    opens = restoring.kept.settings.get("IsDisabled") is False
    query = select(Move).where(*_of_the_first(run, move)).execution_options(populate_existing=True)
    for first in db.session.scalars(query):
        if restoring.seals or (opens and first.sealed and not has_chosen(first)):
            first.remark = with_sealing(first.remark)


def kept_from(stored: Mapping[str, object]) -> Kept:
    """What an access was, out of a move's `before`."""
    libraries, settings = stored.get("libraries"), stored.get("settings")
    return Kept(
        frozenset(str(key) for key in libraries) if isinstance(libraries, list) else frozenset(),
        all_libraries=stored.get("all_libraries") is True,
        settings=settings if isinstance(settings, dict) else {},
    )


def _leave_out(settings: dict[str, object], missing: set[str], all_there: set[str]) -> set[str]:
    """Take libraries out of a policy, in place; answers those it would have opened."""
    if settings.get("EnableAllFolders") is True:
        taken, left = missing & all_there, all_there - missing
    else:
        folders = settings.get("EnabledFolders")
        had = {str(key) for key in folders} if isinstance(folders, list) else set()
        taken, left = missing & had, had - missing
    if taken:
        settings.update(EnableAllFolders=False, EnabledFolders=sorted(left))
    return taken


def _is_closed_for_a_moment(member: Member, closed: Mapping[str, Kept]) -> bool:
    was = closed.get(member.account_id)
    return was is not None and (member.all_libraries, member.library_ids) == (was.all_libraries, was.library_ids)


def _given_by_the_first(run: Migration, move: Move) -> list[Library]:
    first = db.session.scalar(select(Move).where(*_of_the_first(run, move)).options(selectinload(Move.libraries)))
    return list(first.libraries) if first else []


def _of_the_first(run: Migration, move: Move) -> tuple[ColumnElement[bool], ...]:
    """The same user in the run that is taken back."""
    return Move.migration_id == run.undoes_id, Move.user_id == move.user_id
