"""Before the first user: both servers are asked, everyone is judged by what they answer, and each move is written out in full."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from panel.domain.eligibility import TargetAccess, Verdict, libraries_for, plan_of
from panel.domain.platform import Platform
from panel.domain.reasons import Reason
from panel.domain.statuses import MoveStatus, RunKind, Step
from panel.extensions import config, db
from panel.models import Library, Migration, Move
from panel.models.types import utc_now
from panel.platforms.base import Member, NotAllowed, Person, PlatformError, Remote, TooManyRequests, UnexpectedAnswer
from panel.platforms.restricted import is_restricted
from panel.services.candidates import account_name_of
from panel.services.claims.closed_for_a_moment import as_open, closed_for_a_moment
from panel.services.preflight import Preflight, assess
from panel.services.run.after_restore import awaits_judgement
from panel.services.run.gift import as_kept
from panel.services.run.lease import Lease
from panel.services.run.rows import SETTLING, Outcome, Wait, require_epoch
from panel.services.run.trouble import RunStopped, cooling, note_success, wait_out
from panel.services.servers import Look, connected_to, look_or_raise, refusal_of
from panel.services.user_facts import UserFacts

RESTRICTIONS_LOST = (
    "On the source this person may not see everything in these libraries (ratings, labels or tags); "
    "the target has no equal for that. Set the restriction on the target."
)


def prepare(run: Migration, lease: Lease, source: Remote, target: Remote) -> Outcome:
    """Ask both servers and settle what every user is to get. Commits. Raises `RunStopped` when the pair is blocked by now."""
    if run.prepared_at is not None:
        return False
    slowed_down = cooling(run.source, run.target)
    if slowed_down:
        return slowed_down
    try:
        target_look = look_or_raise(run.target, target)
        if run.kind is not RunKind.UNDO:
            target_look = replace(target_look, connected=connected_to(run.target))
    except NotAllowed as error:
        raise RunStopped(refusal_of(run.target, error).message) from None
    except PlatformError as error:
        return wait_out(run, error, run.target)
    # What the target has told is not written while the source is asked: nothing is locked over a request.
    with db.session.no_autoflush:
        # What a link closes while the list is read may be open again by the time everyone is judged.
        closed = closed_for_a_moment(run.source_id)
        source_look = _source_look(run, source) if run.kind is RunKind.MOVE else _needed_look(run, source)
    if isinstance(source_look, Wait):
        return source_look
    source_look = as_open(source_look, closed)
    lease.require()
    # What is given back was settled when the undo was written; nobody is judged.
    run.note = "" if run.kind is RunKind.UNDO else _judge(run, source_look, target_look, target)
    run.prepared_at, run.source_reached = utc_now(), not run.note
    note_success(run)
    if not run.source_reached:
        _remove_nothing(run, lease)
    require_epoch(run.id, lease.epoch)
    db.session.commit()
    return True


def _judge(run: Migration, source_look: Look, target_look: Look, target: Remote) -> str:
    """Everyone by what both servers have answered, written out; answers with `Preflight.note`. Raises `RunStopped`."""
    flight = assess(
        run.source,
        run.target,
        removal=run.removal,
        pace_s=run.pace_s,
        looks=(source_look, target_look),
        held_by=run.id,
    )
    if flight.blockers:
        raise RunStopped(" ".join(refusal.message for refusal in flight.blockers))
    _write_out(run, flight, target)
    return flight.note


def _needed_look(run: Migration, source: Remote) -> Look | Wait:
    """What is given back is worth nothing while the other access cannot be withdrawn: both servers have to answer."""
    try:
        return look_or_raise(run.source, source)
    except NotAllowed as error:
        raise RunStopped(refusal_of(run.source, error).message) from None
    except PlatformError as error:
        return wait_out(run, error, run.source)


def _source_look(run: Migration, source: Remote) -> Look | Wait:
    """What the source answers; one bad moment is waited out, where something is to be removed there a longer outage too, and a request to
    slow down for as long as it takes."""
    try:
        return look_or_raise(run.source, source)
    except TooManyRequests as error:
        return wait_out(run, error, run.source)
    except PlatformError as error:
        patience = len(config().outage_waits_s) if _to_be_taken(run) else 1
        if (error.retryable or isinstance(error, UnexpectedAnswer)) and run.outages < patience:
            return wait_out(run, error, run.source)
        return Look(refusal=refusal_of(run.source, error))


def _to_be_taken(run: Migration) -> list[Move]:
    query = select(Move).where(Move.migration_id == run.id, Move.step == Step.TAKE, Move.status.in_(SETTLING))
    return list(db.session.scalars(query.order_by(Move.position)))


def _remove_nothing(run: Migration, lease: Lease) -> None:
    """What is said of a source that was not reached holds for everybody: who was to lose their access there keeps it until a retry."""
    for move in _to_be_taken(run):
        if move.claim not in (None, lease.epoch):
            continue
        left = (
            "whether the removal tried before was carried out is looked up by a retry"
            if move.taken
            else "the access there was left as it was"
        )
        move.status, move.retryable, move.needs_look, move.claim = MoveStatus.FAILED, True, True, None
        move.detail = f"{run.source.name} could not be reached when the run went on: {left}. Retry once it can be reached."


def _write_out(run: Migration, flight: Preflight, target: Remote) -> None:
    verdicts = {verdict.candidate.id: verdict for verdict in flight.verdicts}
    rows = {row.id: row for row in run.target.libraries}
    query = (
        select(Move).where(Move.migration_id == run.id, Move.status == MoveStatus.PENDING, Move.step == Step.GIVE).order_by(Move.position)
    )
    pending = db.session.scalars(query.options(selectinload(Move.libraries)))
    for move in pending:
        verdict = verdicts.get(move.user_id)
        if verdict is None:
            move.status, move.step, move.detail = MoveStatus.SKIPPED, Step.DONE, "The user was removed from the panel."
        elif awaits_judgement(move):
            # Judged once it is known what stands there.
            continue
        elif move.created_account and not move.target_member_id and not verdict.moves:
            _write_doubtful(move, verdict)
        elif (move.taken or move.taken_at is not None) and Reason.NOT_SHARED in verdict.reasons:
            # The source access was removed by this very run, or may have been: what they are to get was written down before.
            continue
        elif not verdict.moves:
            move.status, move.step, move.reasons = MoveStatus.SKIPPED, Step.DONE, verdict.reasons
        else:
            _write_move(move, verdict, flight, rows)
            person = Person(move.account_name, move.address, move.target_account_id)
            move.restrictions = dict(target.restrictions_for(person, move.restrictions))


def _write_doubtful(move: Move, verdict: Verdict) -> None:
    """An account of theirs may stand half made. If all that speaks against them is its name, it goes on; else it is closed first."""
    if verdict.reasons != (Reason.NAME_TAKEN,):
        move.status, move.reasons, move.detail = MoveStatus.FAILED, verdict.reasons, ""


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
    move.seen = as_kept(here) if here and here.settings else {}
    move.restrictions = dict(here.settings) if here and _speak_alike(flight) else {}
    if here and not _speak_alike(flight) and is_restricted(here.settings):
        move.remark = RESTRICTIONS_LOST
    move.account_name, move.address = _names(user, here, there, flight)
    if there is not None:
        move.target_member_id, move.target_account_id = there.id, there.account_id
    else:
        _note_missing(move, user, flight)
    access = verdict.candidate.target_access
    if access in (TargetAccess.RIGHT, TargetAccess.WAITING):
        move.step = Step.CHECK
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


def _note_missing(move: Move, user: UserFacts, flight: Preflight) -> None:
    """Nothing of theirs is on the target (any more), or it is only missing from this list: by its id it would be found all the same, and by
    nothing else. An account that is listed and no longer known as theirs is not looked for."""
    move.known = {}
    if flight.pair.target is Platform.PLEX:
        move.target_account_id = user.plex_id
        return
    if move.target_member_id and flight.target_roster.lists(move.target_member_id):
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
