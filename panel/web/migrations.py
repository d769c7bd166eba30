"""The screens of a run: choosing the target, the judgement before, the list of runs, the live page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response as BaseResponse

from panel import jobs
from panel.domain.pacing import duration_s, pace_of_pair
from panel.domain.reasons import Reason, Refusal
from panel.domain.statuses import Removal
from panel.extensions import db
from panel.models import Migration, Role, Server
from panel.services import audit, notices, preflight, proof_report, report, run_list, times
from panel.services.preflight import Preflight
from panel.services.run.start import Blocked, start
from panel.web import htmx, shared_look
from panel.web.forms.migrations import StartForm
from panel.web.live import Live, page_of
from panel.web.place import back_to
from panel.web.run_list import RunList

screen = Blueprint("migrations", __name__, url_prefix="/migrations")

HOME = "migrations.index"
#: How many names a list on the preflight shows.
NAMES_SHOWN = 200


@screen.get("")
def index() -> Response:
    """The runs, 50 on a page, the newest first. While one is open the browser asks again: where nothing is new for an empty 204."""
    runs, is_list = RunList(), htmx.targets("migrations")
    if is_list and request.args.get("since") == runs.marker:
        return Response(status=204)
    values: dict[str, Any] = {} if is_list else {"servers": _servers(), "states": run_list.STATES}
    return htmx.page_or_partial("migrations/index.html", {"migrations": "migrations/_list.html"}, runs=runs, asked=runs.asked, **values)


@screen.get("/new")
def new() -> Response:
    """Where to, and what would happen. With a target both servers are asked."""
    source = _server("source")
    target = _server("target")
    if source is None:
        return htmx.page_or_partial(
            "migrations/choose_source.html", {htmx.DIALOG: "migrations/_choose_source.html"}, title="New migration", servers=_servers()
        )
    flight = _ask(source, target) if target else None
    unchosen = ["Choose a target server."] if "check" in request.args and target is None else []
    return _screen(source, target, flight, StartForm(formdata=None), unchosen)


@screen.get("/duration")
def duration() -> Response:
    """About how long a run takes with other options: arithmetic only."""
    # Nothing is changed here, so no token is asked for.
    source, target, form = _server("source"), _server("target"), StartForm(request.args, meta={"csrf": False})
    users = request.args.get("users", 0, int)
    if source is None or target is None:
        abort(404)
    problems = [] if form.validate() else form.problems
    pace = pace_of_pair(source.platform, target.platform, None if problems else form.pace_s.data, preflight.default_pace_s())
    seconds = duration_s(users, source.platform, target.platform, _removal_of(form), pace)
    return htmx.page_or_partial("migrations/_duration.html", {}, seconds=seconds, pace_s=pace, problems=problems)


@screen.post("")
def create() -> BaseResponse:
    """Begin: judged once more by what is known, both servers taken, then the workers are told."""
    form = StartForm()
    source, target = db.session.get(Server, form.source.data or 0), db.session.get(Server, form.target.data or 0)
    if source is None:
        abort(404)
    if target is None or not form.validate():
        if target is None:
            return _screen(source, target, None, form, ["Choose a target server."], 422)
        judged = _judge(source, target, form)
        has_fields = bool(judged.moving) and not judged.blockers
        return _screen(source, target, judged, form, form.problems_elsewhere if has_fields else form.problems, 422)
    flight = _judge(source, target, form)
    try:
        run = start(flight, form.schedule)
        later = f", begins {run.start_at:%Y-%m-%d %H:%M} UTC" if run.start_at else ""
        again = f", {run.rounds_left} more rounds every {run.repeat_every_h:g} h" if run.rounds_left else ""
        what = f"Migration {run.id}, removal: {run.removal.value}{later}{again}"
        audit.note(current_user.email, "migration.started", f"{source.name} → {target.name}", what)
        db.session.commit()
    except Blocked as blocked:
        return _screen(source, target, _with(flight, blocked.refusals), form, status=422)
    jobs.wake(run.id)
    return htmx.go(url_for("migrations.show", run_id=run.id))


@screen.get("/<int:run_id>")
def show(run_id: int) -> Response:
    """The live page."""
    live = Live(db.get_or_404(Migration, run_id), page_of(request.args))
    parts = {"migration-progress": "migrations/_update.html"}
    return htmx.page_or_partial("migrations/show.html", parts, live=live, run=live.run, back=back_to(HOME, ("Migrations", url_for(HOME))))


@screen.get("/<int:run_id>/progress")
def progress(run_id: int) -> Response:
    """What changed since the marker: the same parts the page consists of, or an empty 204."""
    servers = joinedload(Migration.source), joinedload(Migration.target)
    live = Live(db.get_or_404(Migration, run_id, options=servers), page_of(request.args), since=request.args.get("since", ""))
    if not live.has_changed:
        return Response(status=204)
    return make_response(shared_look.show(live))


@screen.get("/<int:run_id>/mail")
def mail(run_id: int) -> Response:
    """Where the result mail stands."""
    run = db.get_or_404(Migration, run_id)
    return htmx.page_or_partial("migrations/_mail.html", {}, run=run, mail=report.mail_of(run), result=report.result_mail(run.id))


@screen.get("/<int:run_id>.csv")
def download(run_id: int) -> Response:
    """Every user of the run."""
    run = db.get_or_404(Migration, run_id)
    return _file(Response(report.run_csv(run), mimetype="text/csv"), f"migration-{run.id}.csv")


@screen.get("/<int:run_id>/calls.csv")
def download_calls(run_id: int) -> Response:
    """Every request of the run that changed something, or may have."""
    run = db.get_or_404(Migration, run_id)
    return _file(Response(proof_report.sent_csv(run), mimetype="text/csv"), f"migration-{run.id}-calls.csv")


@screen.get("/<int:run_id>.json")
def download_document(run_id: int) -> Response:
    """The run, its users and its requests in one document."""
    run = db.get_or_404(Migration, run_id)
    return _file(jsonify(proof_report.document(run)), f"migration-{run.id}.json")


def _file(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


def _ask(source: Server, target: Server) -> Preflight:
    """Both servers asked now; what they answered about themselves is kept. A viewer changes nothing: for them the last sync counts."""
    if current_user.role is Role.VIEWER:
        return preflight.assess(source, target)
    with db.session.no_autoflush:
        looks = preflight.ask_both(source, target)
    db.session.commit()
    return preflight.assess(source, target, looks=looks)


def _removal_of(form: StartForm) -> Removal:
    return Removal(form.removal.data) if form.removal.data in set(Removal) else Removal.WHEN_ACTIVE


def _judge(source: Server, target: Server, form: StartForm) -> Preflight:
    removal = _removal_of(form)
    return preflight.assess(source, target, removal=removal, pace_s=None if form.pace_s.errors else form.pace_s.data)


def _with(flight: Preflight, refusals: tuple[Refusal, ...]) -> Preflight:
    return replace(flight, blockers=refusals)


def _screen(
    source: Server,
    target: Server | None,
    flight: Preflight | None,
    form: StartForm,
    problems: list[str] | None = None,
    status: int = 200,
) -> Response:
    values: dict[str, object] = {
        "title": f"Migrate users of {source.name}",
        "source": source,
        "target": target,
        "flight": flight,
        "form": form,
        "problems": problems or [],
        # What was sent is judged once more by what is known; asked are the servers when a target is chosen.
        "judged_by_sync": request.method == "POST" or current_user.role is Role.VIEWER,
        "names_shown": NAMES_SHOWN,
        "already_there": sum(Reason.ALREADY_THERE in verdict.reasons for verdict in flight.moving) if flight else 0,
        "time_zone": str(times.zone()),
        "default_pace_s": preflight.default_pace_s(),
        "why_no_links": notices.why_no_links(target) if target and flight and flight.moving else "",
        "why_no_result_mail": notices.why_no_result_mail(),
    }
    if not htmx.targets("preflight"):
        others = [server for server in _servers() if server.id != source.id]
        found = preflight.refusals_by_target(source, others)
        values["targets"] = sorted(found.items(), key=lambda item: bool(item[1]))
    return htmx.page_or_partial(
        "migrations/new.html", {htmx.DIALOG: "migrations/_new.html", "preflight": "migrations/_preflight.html"}, status, **values
    )


def _server(name: str) -> Server | None:
    server_id = request.args.get(name, type=int)
    return db.get_or_404(Server, server_id) if server_id is not None else None


def _servers() -> list[Server]:
    return list(db.session.scalars(select(Server).order_by(func.lower(Server.name))))
