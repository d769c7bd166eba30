"""An account that this run has changed for somebody, or made, and that is not known as theirs any more when everyone is judged anew: people
were merged since, or an account was found to be somebody else's. With another taken for it nobody would know what was done about it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import or_, select

from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus, Step
from panel.extensions import db
from panel.models import Migration, Move
from panel.platforms.base import Member, Remote
from panel.platforms.unreadable import as_unreadable
from panel.services.preflight import Preflight
from panel.services.run.listed import Listed
from panel.services.run.way_back import has_changed, is_changed
from panel.services.servers import Look


def with_all_changed(look: Look, run: Migration, target: Remote) -> Look:
    """What the target has answered, with the accounts that its list is silent about, or has in a way that cannot be read, and that were
    changed or made for those who are still to be given access: no list is whole enough for one of them to be forgotten by it alone. 1
    request for each, what was flushed is committed before. Raises `PlatformError` when the target does not answer any more."""
    if run.target.platform is Platform.PLEX:
        return look
    begun = Move.target_member_id != "", or_(is_changed(), Move.created_account)
    query = select(Move).where(Move.migration_id == run.id, Move.status == MoveStatus.PENDING, Move.step == Step.GIVE, *begun)
    # What the target has told is not written before it is asked, or the source: nothing is locked over a request.
    with db.session.no_autoflush:
        moves = {move.id: move for move in db.session.scalars(query)}
    found = Listed(look.members, names=True).found(moves.values(), target)
    if found.trouble:
        raise found.trouble[1]
    asked = {member.id: member for move_id in found.asked_at if (member := found.members[move_id])}
    for move_id, error in found.unanswered.items():
        move = moves[move_id]
        asked[move.target_member_id] = as_unreadable(Member(move.target_member_id, move.target_member_id, move.account_name), str(error))
    return replace(look, members=(*(member for member in look.members if member.id not in asked), *asked.values()))


def changed_before(move: Move, flight: Preflight) -> Member | None:
    """That account, where it stands. Whoever cannot be told from others on the target is judged by that alone."""
    roster = flight.target_roster
    there = roster.proven(move.user_id)
    if flight.pair.target is Platform.PLEX or not move.target_member_id or (there and there.id == move.target_member_id):
        return None
    stands = roster.listed(move.target_member_id)
    if stands is None or roster.why_not_new(move.user_id):
        return None
    may_be_open = stands.has_access or bool(stands.unreadable)
    given = may_be_open and (move.created_account or move.given_at is not None)
    return stands if given or move.before or move.taken or move.taken_at else None


def write_changed_before(move: Move, changed: Member, flight: Preflight) -> None:
    """They fail with a sentence that says what to do about it: an undo by the other account would leave the first as it is, or make of the
    other what the first one was."""
    there, target = flight.target_roster.proven(move.user_id), flight.target_roster.server.name
    now = f"“{there.name}” is known as theirs now" if there else "it is not known as theirs any more"
    what, then = ("changed", "Take that back for them, then start a new migration.")
    if not has_changed(move):
        # It was made, closed, and opened by a request whose answer was lost: no undo knows of that.
        what, then = ("made", f"Disable it on {target}, then retry.")
    move.status, move.retryable, move.reasons, move.needs_look = MoveStatus.FAILED, what == "made", (), True
    move.detail = f"This migration has {what} “{changed.name}” on {target} for them, and {now}. {then}"
