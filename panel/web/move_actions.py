"""What can be done with one user of a run, and why something of it cannot be done now."""

from __future__ import annotations

from flask import Blueprint, Response, abort, request, url_for

from panel.domain.platform import Platform
from panel.domain.statuses import OPEN, RunKind
from panel.extensions import db
from panel.models import Migration, Move
from panel.services.claims.unclaimed import unclaimed_among
from panel.services.run.steer import why_no_retry
from panel.services.run.way_back import has_changed, way_back
from panel.web import sheets
from panel.web.live import page_of

screen = Blueprint("move_actions", __name__, url_prefix="/migrations/<int:run_id>/moves/<int:move_id>")


@screen.get("/actions")
def show(run_id: int, move_id: int) -> Response:
    """The menu of a row."""
    move = db.get_or_404(Move, move_id)
    if move.migration_id != run_id:
        abort(404)
    run, place = move.migration, page_of(request.args).query
    back = f"Migration {run.id}", url_for("migrations.show", run_id=run.id, **place)
    why_not = {"retry": why_no_retry(move), "claim": why_no_claim(run, move), "undo": why_no_undo(run, move)}
    return sheets.sheet("migrations/_move_actions.html", move.name, back, run=run, move=move, place=place, why_not=why_not)


def why_no_claim(run: Migration, move: Move) -> str:
    """Why a link to choose a password makes no sense for this user; empty when the run made the account, or an earlier one did and nobody
    has chosen a password since, and the platform lets us set it."""
    if run.target.platform is Platform.PLEX:
        return "Plex accounts have a password already."
    back = way_back(move)
    if back and not move.before and (back.is_under_way or back.is_done):
        # What was there before the migration is open again as it was; what the migration made is disabled.
        return f"{back.sentence} The account it had made is disabled." if back.is_done else back.sentence
    is_settled = move.status not in OPEN and move.target_account_id
    if is_settled and (move.created_account or unclaimed_among(run, [move.id])):
        return ""
    return f"The migration has made no account for them{' yet' if move.status in OPEN else ''} that waits for a password."


def why_no_undo(run: Migration, move: Move) -> str:
    """Why what was done for this user cannot be taken back, as far as the row tells; empty when it can."""
    if run.kind is not RunKind.MOVE:
        return "This migration takes another one back."
    if run.ended_at is None:
        return "The migration has not ended yet."
    back = way_back(move)
    if back and (back.is_under_way or back.is_done):
        return back.sentence
    return "" if has_changed(move) else "Nothing was changed for them."
