"""Taking a run back: what it removed on the source is given back first, then what it made on the target is withdrawn. Itself a run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import case, literal, select, update
from sqlalchemy.orm import joinedload

from panel.domain.platform import Platform
from panel.domain.reasons import Blocker, Refusal
from panel.domain.statuses import MoveStatus, Removal, RunKind, Step
from panel.extensions import db, execute
from panel.models import Library, Migration, Move
from panel.models.types import utc_now
from panel.services.deadlocks import once_more
from panel.services.remarks import with_sentence
from panel.services.run.rows import hold
from panel.services.run.start import Blocked, hold_servers
from panel.services.run.way_back import is_kept, is_left_to_take_back

TAKEN_BACK = "The invite was taken back."
#: Of what was there before. Whether the person has accepted it meanwhile may not have been asked yet.
AS_BEFORE = "The access is again what it was before the migration; an invite that was not accepted still waits."


class NothingToUndo(ValueError):
    """Nothing of this run can be taken back (any more); `str(error)` says why."""


class BeingUndone(NothingToUndo):
    """Another run takes these users back at this moment; `by` is its id."""

    def __init__(self, by: int) -> None:
        super().__init__(f"Migration {by} is taking this back now.")
        self.by = by


@dataclass(frozen=True)
class Undoing:
    """What taking back means for one user. `problem`: why it cannot be done; then nothing is done for them."""

    move: Move
    gives_back: bool
    withdraws: bool
    restores: bool
    may_have_to_accept: bool
    problem: str = ""


def undoable(run: Migration, move_ids: Collection[int] | None = None) -> list[Undoing]:
    """Everyone of an ended run for whom it has changed something that has not been taken back since, or those of them in `move_ids`.

    Nothing is asked of a server. Raises `NothingToUndo`.
    """
    if run.kind is RunKind.UNDO:
        raise NothingToUndo("This run takes another one back. To move the users again, start a migration.")
    if run.ended_at is None:
        raise NothingToUndo(f"Migration {run.id} has not ended yet. Cancel it first, or wait for its end.")
    here = {library.remote_id: library for library in run.source.libraries if library.is_there}
    found = [_undoing(run, move, here) for move in _changed(run) if move_ids is None or move.id in move_ids]
    if not found:
        by = _undone_now_by(run, move_ids)
        if by is not None:
            raise BeingUndone(by)
        raise NothingToUndo("Nothing is left to take back: nothing was changed for these users, or it was taken back already.")
    return found


@once_more
def start_undo(run: Migration, move_ids: Collection[int] | None = None) -> Migration:
    """Write the run that takes this one back, and take both servers; flushed. Raises `NothingToUndo`, `Blocked` when one is in use."""
    found = undoable(run, move_ids)
    doable = [undoing for undoing in found if not undoing.problem]
    if not doable:
        raise NothingToUndo("None of these users can be taken back: " + " ".join(dict.fromkeys(one.problem for one in found)))
    back = Migration(
        kind=RunKind.UNDO,
        undoes_id=run.id,
        source_id=run.target_id,
        target_id=run.source_id,
        removal=Removal.WHEN_ACTIVE,
        pace_s=run.pace_s,
    )
    # Before the servers, as a retry of it does.
    hold(run.id)
    db.session.add(back)
    db.session.flush()
    if not hold_servers(back):
        db.session.rollback()
        raise Blocked([Refusal(Blocker.MIGRATION_RUNNING, "Another migration or a sync is using one of the two servers.")])
    here = {library.remote_id: library for library in run.source.libraries if library.is_there}
    for position, undoing in enumerate(doable):
        db.session.add(_way_back(run, back, undoing, position, here))
        _let_go(undoing.move, back)
    db.session.flush()
    return back


def forget_invite(back: Migration, user_id: int) -> None:
    """`back` has withdrawn what the run it takes back had given this user, or made it again what it was before: nobody is waited for any
    more, and nothing is to be given again. In the transaction that notes it; flushed."""
    whose = (Move.migration_id == back.undoes_id, Move.user_id == user_id, Move.step != Step.DONE, Move.claim.is_(None))
    said = case((is_kept(Move.before), literal(AS_BEFORE)), else_=literal(TAKEN_BACK))
    execute(update(Move).where(*whose, Move.status == MoveStatus.INVITED).values(status=MoveStatus.FAILED, detail=said, unreadable=False))
    over = {"step": Step.DONE, "retryable": False, "changed_at": utc_now()}
    execute(update(Move).where(*whose, Move.status == MoveStatus.FAILED).values(over))


def undone_users(run: Migration) -> set[int]:
    """Whose moves in this run, or in a round before it, have been taken back (or are being): a further round leaves them where they are."""
    chain, before = [run.id], run.follows_id
    while before is not None:
        chain.append(before)
        before = db.session.scalar(select(Migration.follows_id).where(Migration.id == before))
    query = select(Move.user_id).join(Migration).where(Migration.undoes_id.in_(chain))
    return set(db.session.scalars(query))


def begun_by(run_id: int) -> str:
    """The remark of somebody whom this run takes back: true however that ends."""
    return f"Migration {run_id} was begun to take this back."


def _changed(run: Migration) -> list[Move]:
    query = select(Move).where(Move.migration_id == run.id, is_left_to_take_back())
    return list(db.session.scalars(query.order_by(Move.position).options(joinedload(Move.user))))


def _undone_now_by(run: Migration, move_ids: Collection[int] | None) -> int | None:
    """The run that is taking one of these users back and has not ended."""
    whom = select(Move.user_id).where(Move.migration_id == run.id)
    if move_ids is not None:
        whom = whom.where(Move.id.in_(move_ids))
    query = select(Migration.id).join(Move).where(Migration.undoes_id == run.id, Migration.ended_at.is_(None), Move.user_id.in_(whom))
    return db.session.scalar(query.order_by(Migration.id).limit(1))


def _undoing(run: Migration, move: Move, here: dict[str, Library]) -> Undoing:
    gives_back = bool(move.taken)
    on_plex = run.source.platform is Platform.PLEX
    problem = ""
    if gives_back and not _libraries_of(move, here) and not _had_all(move):
        problem = f"None of the libraries {move.name} had on {run.source.name} is there any more."
    return Undoing(
        move=move,
        gives_back=gives_back,
        withdraws=_did_something_there(move) and not move.before,
        restores=bool(move.before),
        may_have_to_accept=gives_back and on_plex,
        problem=problem,
    )


def _way_back(run: Migration, back: Migration, undoing: Undoing, position: int, here: dict[str, Library]) -> Move:
    """The user in the run that takes back. What was never removed is there: then only the target is left to do."""
    move, on_plex = undoing.move, run.source.platform is Platform.PLEX
    settings = move.taken.get("settings")
    return Move(
        migration=back,
        user_id=move.user_id,
        position=position,
        name=move.name,
        status=MoveStatus.PENDING,
        # What was not removed is looked at all the same: nothing is withdrawn from somebody who has nothing else.
        step=Step.GIVE if undoing.gives_back else Step.CHECK,
        account_name=move.name if on_plex else move.account_name,
        address=(move.user.plex_email or move.user.email) if on_plex else "",
        libraries=_libraries_of(move, here) if undoing.gives_back else [],
        restrictions=settings if isinstance(settings, dict) else {},
        needs_look=True,
        source_member_id=move.target_member_id if _did_something_there(move) else "",
        target_member_id="" if on_plex and undoing.gives_back else move.source_member_id,
        target_account_id=move.user.plex_id if on_plex else move.source_member_id,
        before=move.before,
        remark=_missing(run, move, here) if undoing.gives_back else "",
    )


def _let_go(move: Move, back: Migration) -> None:
    """The run that is taken back removes nothing any more. Its invite is alive until it has been withdrawn (`forget_invite`): where that
    comes to nothing, whoever accepts it is still waited for, and who had failed can be tried again (`is_taken_back` until then)."""
    move.remark = with_sentence(move.remark, begun_by(back.id))
    if move.status is MoveStatus.FAILED:
        return
    move.retryable = False
    if move.status is MoveStatus.INVITED and _did_something_there(move):
        move.step = Step.ACCEPT
        return
    if move.status is MoveStatus.INVITED:
        move.status, move.unreadable = MoveStatus.FAILED, False
        move.detail = "The invite was there before the migration and stays as it is; nothing else is done."
    move.step = Step.DONE


def _did_something_there(move: Move) -> bool:
    return bool(move.target_member_id) and (move.given_at is not None or bool(move.before))


def _had_all(move: Move) -> bool:
    return move.taken.get("all_libraries") is True


def _missing(run: Migration, move: Move, here: dict[str, Library]) -> str:
    """A sentence about what cannot be given back because it is no longer there."""
    ids = move.taken.get("libraries")
    names = {library.remote_id: library.name for library in run.source.libraries}
    gone = [names.get(key, "one unknown by now") for key in ids if key not in here] if isinstance(ids, list) else []
    return f"No longer on {run.source.name}: {', '.join(sorted(gone))}." if gone else ""


def _libraries_of(move: Move, here: dict[str, Library]) -> list[Library]:
    ids = move.taken.get("libraries")
    return [here[key] for key in ids if key in here] if isinstance(ids, list) else []
