"""What every user of a run is to get, as both servers' answers have it, written on their rows before anything is given."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from panel.domain.eligibility import TargetAccess, Verdict, libraries_for, plan_of
from panel.domain.names import fold
from panel.domain.platform import Platform
from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Library, Migration, Move
from panel.platforms.base import Member, Person, Remote
from panel.platforms.restricted import is_restricted
from panel.services.candidates import account_name_of
from panel.services.preflight import Preflight
from panel.services.run.after_restore import awaits_judgement
from panel.services.run.changed_before import changed_before, write_changed_before
from panel.services.run.gift import as_kept
from panel.services.unreadable import why_unreadable
from panel.services.user_facts import UserFacts

RESTRICTIONS_LOST = (
    "On the source this person may not see everything in these libraries (ratings, labels or tags); "
    "the target has no equal for that. Set the restriction on the target."
)


def write_out(run: Migration, flight: Preflight, target: Remote) -> None:
    """Write on the row of everyone whose move is still to be given what they are to get, or why they stay. Not flushed."""
    verdicts = {verdict.candidate.id: verdict for verdict in flight.verdicts}
    rows = {row.id: row for row in run.target.libraries}
    query = (
        select(Move).where(Move.migration_id == run.id, Move.status == MoveStatus.PENDING, Move.step == Step.GIVE).order_by(Move.position)
    )
    # As a retry has left them meanwhile, whatever was read before.
    pending = db.session.scalars(query.options(selectinload(Move.libraries)).execution_options(populate_existing=True))
    for move in pending:
        verdict = verdicts.get(move.user_id)
        if verdict is None:
            move.status, move.step, move.detail = MoveStatus.SKIPPED, Step.DONE, "The user was removed from the panel."
        elif awaits_judgement(move):
            # Judged once it is known what stands there.
            continue
        elif changed := changed_before(move, flight):
            write_changed_before(move, changed, flight)
        elif _is_taken_here(move, verdict) and not flight.target_roster.why_not_new(move.user_id):
            # What they are to get was written down before.
            continue
        elif not verdict.moves and _has_something(move, verdict, flight):
            _write_begun(move, verdict, why_unreadable(flight, move.user_id))
        elif not verdict.moves:
            move.status, move.step, move.reasons = MoveStatus.SKIPPED, Step.DONE, verdict.reasons
            move.detail = why_unreadable(flight, move.user_id)
        elif known := _another_known(move, flight):
            _write_in_doubt(move, known)
        else:
            _write_move(move, verdict, flight, rows)
            person = Person(move.account_name, move.address, move.target_account_id)
            move.restrictions = dict(target.restrictions_for(person, move.restrictions))


def _is_taken_here(move: Move, verdict: Verdict) -> bool:
    """Whether the source access was removed by this very run, or may have been. What is left there may be what cannot be read."""
    return (move.taken or move.taken_at is not None) and not {Reason.NOT_SHARED, Reason.UNREADABLE}.isdisjoint(verdict.reasons)


def _has_something(move: Move, verdict: Verdict, flight: Preflight) -> bool:
    """Whether they have something by this run's doing, or may have: something was given to them or removed, and what is left of it stands
    there still, as an invite that waits does, or cannot be told."""
    given = move.given_at is not None or bool(move.before) or move.created_account
    if not (given or move.taken or move.taken_at is not None):
        return False
    there = flight.target_roster.proven(move.user_id)
    stands = there is not None and (there.has_access or not there.accepted)
    return stands or _is_in_doubt(move) or Reason.UNREADABLE in verdict.reasons


def _write_begun(move: Move, verdict: Verdict, detail: str) -> None:
    """They may not move (any more), and were given something already, or may have been: passed over for good they would be left with half
    a move. An account of theirs that may stand half made is closed first; where all that speaks against them is its name, it goes on."""
    if _is_in_doubt(move) and verdict.reasons == (Reason.NAME_TAKEN,):
        return
    move.status, move.reasons, move.detail = MoveStatus.FAILED, verdict.reasons, detail
    move.retryable, move.needs_look = Reason.UNREADABLE in verdict.reasons, True


def _another_known(move: Move, flight: Preflight) -> Member | None:
    """The account of another name that is known as theirs since this run has asked for one, of which nobody knows whether it was made."""
    there = flight.target_roster.proven(move.user_id)
    is_another = there and fold(there.name) != fold(move.account_name) and flight.pair.target is not Platform.PLEX
    return there if is_another and _is_in_doubt(move) else None


def _is_in_doubt(move: Move) -> bool:
    """Whether an access was asked for of which nobody knows whether it was made: it is looked for by what it was asked for as."""
    return move.created_account and not move.target_member_id


def _write_in_doubt(move: Move, known: Member) -> None:
    """What was asked for is looked for first, and closed where it stands."""
    move.status, move.retryable, move.reasons = MoveStatus.FAILED, True, ()
    move.detail = (
        f"“{known.name}” is known as theirs now, but “{move.account_name}” may still be made by a request whose answer was lost. "
        "That one is looked for, and closed where it is found. Retry in a few minutes."
    )


def _kept_from_downloading(here: Member | None, flight: Preflight) -> bool | None:
    """`False` for who may not download on Plex and has no plan that says otherwise: elsewhere a new account may. `None`: nothing said."""
    restrained = here is not None and here.settings.get("allowSync") is False
    return False if restrained and flight.pair.source is Platform.PLEX and flight.pair.target is not Platform.PLEX else None


def _write_move(move: Move, verdict: Verdict, flight: Preflight, rows: dict[int, Library]) -> None:
    user = flight.users[move.user_id]
    there = flight.target_roster.proven(user.id)
    here = flight.source_roster.of(user.id)
    plan = plan_of(verdict.candidate, flight.pair)
    move.reasons = verdict.reasons
    move.libraries = [rows[library.id] for library in libraries_for(verdict.candidate, flight.pair)]
    move.downloads = plan.allow_downloads if plan else _kept_from_downloading(here, flight)
    move.source_member_id = here.id if here else ""
    if here and here.has_access and flight.source_reached:
        # What this run has removed there before is open again: it is to go once more. `taken` stays what it was before the run.
        move.taken_at = None
    move.seen = as_kept(here) if here and here.settings else {}
    move.restrictions = dict(here.settings) if here and _speak_alike(flight) else {}
    if here and not _speak_alike(flight) and is_restricted(here.settings):
        move.remark = RESTRICTIONS_LOST
    name, move.address = _names(user, here, there, flight)
    if _is_in_doubt(move):
        # What stands there may be what a lost request has made: whoever gives looks it up, by the name it was to have.
        _note_missing(move, user, flight)
        move.needs_look = True
        return
    move.account_name = name
    if there is not None:
        if there.id != move.target_member_id and flight.pair.target is not Platform.PLEX:
            # Not the one that this run has made or changed, if any, which is gone or closed.
            move.created_account, move.sealed, move.given_at, move.before = False, False, None, {}
        move.target_member_id, move.target_account_id = there.id, there.account_id
    else:
        _note_missing(move, user, flight)
    access = verdict.candidate.target_access
    has_all = access in (TargetAccess.RIGHT, TargetAccess.WAITING)
    if has_all and not _is_half_given(move):
        move.step = Step.CHECK
    elif has_all:
        move.needs_look = True
    elif there is not None and flight.pair.target is Platform.PLEX:
        move.known = {
            "id": there.id,
            "account_id": there.account_id,
            "name": there.name,
            "email": there.email,
            "settings": dict(there.settings),
            "libraries": sorted(there.library_ids),
            "all_libraries": there.all_libraries,
            "accepted": there.accepted,
        }
    else:
        move.needs_look = move.needs_look or there is not None


def _is_half_given(move: Move) -> bool:
    """Whether this run has begun to give what they have on the target, and it is not noted that it came to its end: only giving notes that,
    and with it what is told to the person and what an undo withdraws."""
    return move.given_at is None and (move.created_account or move.sealed or bool(move.before))


def _note_missing(move: Move, user: UserFacts, flight: Preflight) -> None:
    """Nothing of theirs is on the target (any more), or it is only missing from this list: by its id it would be found all the same, and by
    nothing else. An account that is listed and no longer known as theirs is not looked for."""
    move.known = {}
    if flight.pair.target is Platform.PLEX:
        move.target_account_id = user.plex_id
        return
    if move.target_member_id and flight.target_roster.listed(move.target_member_id):
        move.target_member_id, move.created_account = "", False
    move.target_account_id = move.target_member_id


def _speak_alike(flight: Preflight) -> bool:
    """Whether the source's own settings mean something on the target: Plex to Plex, or among Emby and Jellyfin."""
    return (flight.pair.source is Platform.PLEX) is (flight.pair.target is Platform.PLEX)


def _names(user: UserFacts, here: Member | None, there: Member | None, flight: Preflight) -> tuple[str, str]:
    """The account name and the address the target is to know this person by."""
    name = there.name if there and there.name else account_name_of(user, flight.pair.target)
    if flight.pair.target is Platform.PLEX:
        from_plex = here.email if here and flight.pair.source is Platform.PLEX else ""
        return name, (there.email if there else "") or user.plex_email or from_plex or user.email
    return name, user.emby_email if flight.pair.target is Platform.EMBY else ""
