"""Taking a run back: what that means is said first, then a run of its own does it."""

from __future__ import annotations

from collections.abc import Collection

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.domain.platform import Platform
from panel.extensions import db
from panel.models import Migration, Move, Server
from panel.services import audit
from panel.services.run import undo
from panel.services.run.start import Blocked
from panel.services.run.undo import Undoing
from panel.web import htmx, sheets
from panel.web.words import brief, with_link

screen = Blueprint("undo", __name__, url_prefix="/migrations/<int:run_id>/undo")

#: Names said in full; of more only the number.
NAMES_SAID = 20


@screen.get("")
def ask(run_id: int) -> Response:
    """What would be given back, withdrawn, and what cannot be undone."""
    return _ask(db.get_or_404(Migration, run_id))


@screen.post("")
def create(run_id: int) -> BaseResponse:
    """Begin the run that takes this one back, for everyone or the users named."""
    run = db.get_or_404(Migration, run_id)
    try:
        back = undo.start_undo(run, _chosen())
    except undo.NothingToUndo as refusal:
        db.session.rollback()
        return _ask(run, _sentence(refusal), 422)
    except Blocked as refusal:
        db.session.rollback()
        # Said with more than that, unless it has ended meanwhile.
        return _ask(run, _why_not_now(run) or str(refusal), 422)
    audit.note(current_user.email, "migration.undone", f"{run.source.name} → {run.target.name}", f"Migration {run.id}, by {back.id}")
    db.session.commit()
    jobs.wake(back.id)
    return htmx.go(url_for("migrations.show", run_id=back.id))


def _ask(run: Migration, problem: str = "", status: int = 200) -> Response:
    chosen = _chosen()
    sentences: list[str] = []
    try:
        sentences = said(run, undo.undoable(run, chosen))
        problem = problem or _why_not_now(run)
    except undo.NothingToUndo as refusal:
        problem = problem or _sentence(refusal)
    if problem:
        sentences = []
    one = db.session.get(Move, next(iter(chosen))) if chosen and len(chosen) == 1 else None
    title = f"Take back what migration {run.id} did{f' for {brief(one.name)}' if one else ''}?"
    back = f"Migration {run.id}", url_for("migrations.show", run_id=run.id)
    fields = [("move", str(number)) for number in chosen or ()]
    return sheets.ask(title, back, sentences, "Take back", problem, status, fields=fields, leave="Back" if problem else None)


def _sentence(refusal: Exception) -> str:
    """The refusal as it stands on the page; a run that takes back at this moment can be opened from it."""
    if not isinstance(refusal, undo.BeingUndone):
        return str(refusal)
    return with_link(str(refusal), refusal.by, "alert-link")


def _why_not_now(run: Migration) -> str:
    """Why neither server can be touched at this moment, with the link of the run that holds one; empty when both are free."""
    server: Server
    for server in (run.source, run.target):
        if server.migration_id is not None:
            sentence = f"Migration {server.migration_id} is using {brief(server.name)} now. Take this back once it has ended."
            return with_link(sentence, server.migration_id, "alert-link")
        if server.syncs_now:
            return f"{brief(server.name)} is being synced now. Take this back once that has ended."
    return ""


#: What becomes of it, by whether it is on Plex.
_WITHDRAWN = {
    True: "Their shares and invites are removed; their Plex accounts are their own and stay.",
    False: "Accounts are disabled, not deleted.",
}


def said(run: Migration, found: list[Undoing]) -> list[str]:
    """What will happen, in sentences."""
    here, there = brief(run.source.name), brief(run.target.name)
    able = [one for one in found if not one.problem]
    given = [one for one in able if one.gives_back]
    asked = [one for one in given if one.may_have_to_accept]
    sentences = [
        (f"{_people(given)} their access to {here} back, as it was.", given),
        (f"{_people(asked, 'has', 'have')} to accept a new invite to {here} first: Plex gives no way round it.", asked),
        (
            f"{_people([one for one in able if one.withdraws], 'loses', 'lose')} the access to {there} that the migration made, once the "
            f"one to {here} is effective. {_WITHDRAWN[run.target.platform is Platform.PLEX]}",
            [one for one in able if one.withdraws],
        ),
        (
            f"{_people([one for one in able if one.restores], 'had', 'had')} access to {there} before: it is made again what it was.",
            [one for one in able if one.restores],
        ),
    ]
    problems = [one.problem for one in found if one.problem]
    more = [f"{len(problems) - NAMES_SAID} more cannot be taken back."] if len(problems) > NAMES_SAID else []
    mails = ["Mails that were sent and passwords that people have chosen stay as they are."]
    return [sentence for sentence, whom in sentences if whom] + problems[:NAMES_SAID] + more + mails


def _people(found: list[Undoing], one: str = "gets", many: str = "get") -> str:
    if len(found) == 1:
        return f"{brief(found[0].move.name)} {one}"
    return f"{len(found)} people {many}"


def _chosen() -> Collection[int] | None:
    """The users named in the address or the form; `None`: everyone."""
    ids = [int(value) for value in request.values.getlist("move") if value.isdecimal() and len(value) < 10]
    return set(ids) if "move" in request.values else None
