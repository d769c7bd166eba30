"""What an administrator does to a run and its users once it has begun; every answer is the live part of its page."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.extensions import db
from panel.models import Migration, Move
from panel.services import audit, mail, notices, report, result_mail
from panel.services.claims import links
from panel.services.run import steer
from panel.web import htmx, sheets
from panel.web.live import Live, page_of, why_no_mail
from panel.web.move_actions import why_no_claim
from panel.web.steering import why_not_cancel
from panel.web.words import brief

screen = Blueprint("moves", __name__, url_prefix="/migrations/<int:run_id>")


@screen.post("/pause")
def pause(run_id: int) -> BaseResponse:
    """The user in hand is finished, then the run rests."""
    return _steer(run_id, steer.pause, "paused")


@screen.post("/resume")
def resume(run_id: int) -> BaseResponse:
    """Go on."""
    return _steer(run_id, steer.resume, "resumed")


@screen.get("/cancel")
def ask_cancel(run_id: int) -> Response:
    """Asks before it is done."""
    run = db.get_or_404(Migration, run_id)
    return _ask_cancel(run, why_not_cancel(run))


@screen.post("/cancel")
def cancel(run_id: int) -> BaseResponse:
    """Nobody new is begun. Asked for in the dialog, the answer is the live part of the page behind it, or the question with the refusal."""
    if not htmx.targets(htmx.DIALOG):
        return _steer(run_id, steer.cancel, "cancelled")
    run = db.get_or_404(Migration, run_id)
    problem = _done(run, steer.cancel, "cancelled")
    return _ask_cancel(run, problem, 422) if problem else htmx.behind(_live(run), "migration-progress")


@screen.post("/retry")
def retry(run_id: int) -> BaseResponse:
    """Everyone who failed in a way that may pass."""
    return _steer(run_id, steer.retry, "retried")


@screen.post("/moves/<int:move_id>/retry")
def retry_one(run_id: int, move_id: int) -> BaseResponse:
    """One user."""
    return _steer(run_id, lambda run: steer.retry(run, move_id), "retried", move_id)


@screen.post("/mail")
def send_mail(run_id: int) -> BaseResponse:
    """Send the result mail again, or for the first time where nothing was set when the run ended."""
    run = db.get_or_404(Migration, run_id)
    problem = why_no_mail(run) or _sent_mail(run)
    return _mail_answer(run, problem)


@screen.post("/moves/<int:move_id>/claim")
def claim(run_id: int, move_id: int) -> BaseResponse:
    """A fresh link by which this person chooses a password; shown in this answer and never again."""
    move = db.get_or_404(Move, move_id)
    if move.migration_id != run_id:
        abort(404)
    if why_not := why_no_claim(move.migration, move):
        abort(409, why_not)
    token = links.make(links.CLAIM, move.id)
    audit.note(current_user.email, "claim-link.made", move.name, f"For an account on {move.migration.target.name}, migration {run_id}")
    db.session.commit()
    link = notices.claim_link(token) or url_for("claims.show", token=token, _external=True)
    parts = {htmx.DIALOG: "migrations/_claim_link.html"}
    return htmx.page_or_partial(
        "migrations/claim_link.html", parts, title="Link to choose a password", move=move, run=move.migration, link=link
    )


def _steer(run_id: int, verb: Callable[[Migration], object], participle: str, move_id: int | None = None) -> BaseResponse:
    run = db.get_or_404(Migration, run_id)
    problem = _done(run, verb, participle, move_id)
    move = db.session.get(Move, move_id) if move_id is not None and not problem else None
    # Its row may have left the part of the list that is open.
    told = f"{brief(move.name)} is tried again." if move else ""
    if htmx.asks():
        return make_response(_live(run, problem, told), 422 if problem else 200)
    return _back(run, problem, told)


def _done(run: Migration, verb: Callable[[Migration], object], participle: str, move_id: int | None = None) -> str:
    """Steers the run, committed; answers why it was not possible, empty when it was."""
    try:
        verb(run)
        move = db.session.get(Move, move_id) if move_id is not None else None
        _note(f"migration.{participle}", run, f"Only {move.name}" if move else "")
        db.session.commit()
        jobs.wake(run.id)
    except steer.NotPossible as refusal:
        db.session.rollback()
        return str(refusal)
    return ""


def _live(run: Migration, problem: str = "", told: str = "") -> str:
    db.session.refresh(run)
    return render_template("migrations/_update.html", live=Live(run, page_of(request.args), message=problem), run=run, told=told)


def _ask_cancel(run: Migration, why_not: str, status: int = 200) -> Response:
    page = page_of(request.args)
    here = url_for("moves.cancel", run_id=run.id, status=page.tab, page=page.number, next=page.begun or None)
    title, back = f"Cancel migration {run.id}?", (f"Migration {run.id}", _place(run))
    promises, leave = ([], "Back") if why_not else (_what_cancelling_does(run), "Let it go on")
    return sheets.ask(title, back, promises, "Cancel the migration", why_not, status, here=here, leave=leave)


def _what_cancelling_does(run: Migration) -> list[str]:
    if run.started_at is None:
        sentences = ["It has not begun, so nobody is in hand.", "Nobody is moved; everything stays as it is."]
    else:
        sentences = ["The people already in hand are finished; nobody else is moved.", "Whoever was moved stays moved."]
    return [*sentences, "No further round follows."] if run.rounds_left else sentences


def _note(action: str, run: Migration, detail: str = "") -> None:
    audit.note(current_user.email, action, f"{run.source.name} → {run.target.name}", f"Migration {run.id}. {detail}".strip())


def _sent_mail(run: Migration) -> str:
    """Put the result mail into the outbox; why not, where that is so."""
    row = report.result_mail(run.id)
    if row is None:
        row = result_mail.put_in_outbox(run)
    elif problem := mail.send_again(row):
        return problem
    _note("migration.mailed", run, "The result mail, asked for by hand" if row is not None else "")
    db.session.commit()
    if row is not None:
        jobs.wake_mail(row.id)
    return ""


def _mail_answer(run: Migration, problem: str) -> BaseResponse:
    if htmx.asks():
        values = {"run": run, "mail": report.mail_of(run), "result": report.result_mail(run.id), "problem": problem}
        return make_response(render_template("migrations/_mail.html", **values), 422 if problem else 200)
    return _back(run, problem)


def _back(run: Migration, problem: str, told: str = "") -> BaseResponse:
    if problem or told:
        flash(problem or told, "danger" if problem else "success")
    return redirect(_place(run), 303)


def _place(run: Migration) -> str:
    page = page_of(request.args)
    return url_for("migrations.show", run_id=run.id, status=page.tab, page=page.number, next=page.begun or None)
