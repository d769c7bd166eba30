"""Whether the web process answers, and whether the panel can do its work; for load balancers and monitors."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, current_app, jsonify
from flask.blueprints import BlueprintSetupState
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from panel import jobs, patience
from panel.extensions import db
from panel.web.health_probes import Probe

#: Each part has to answer within so many seconds.
PATIENCE_S = 2.0

screen = Blueprint("health", __name__)


@screen.record
def _make_probes(state: BlueprintSetupState) -> None:
    state.app.extensions["panel_probes"] = (Probe[bool](), Probe[int]())


@screen.get("/healthz")
def show() -> Response:
    """Touches neither database nor Redis."""
    return Response("ok", mimetype="text/plain")


@screen.get("/readyz")
def ready() -> tuple[Response, int]:
    """Which parts answer, as JSON: database, Redis and at least one worker; 503 while one is missing. Takes 4 s at most."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    database, queue = app.extensions["panel_probes"]
    workers = queue.ask(lambda: _workers(app), PATIENCE_S)
    answers = database.ask(lambda: _database_answers(app), PATIENCE_S)
    parts = {"database": bool(answers), "redis": workers is not None, "worker": bool(workers)}
    is_ready = all(parts.values())
    return jsonify(ready=is_ready, **parts), 200 if is_ready else 503


def _workers(app: Flask) -> int | None:
    with app.app_context():
        return jobs.workers_alive()


def _database_answers(app: Flask) -> bool:
    # Who asks later begins a new flight, and takes a new connection, instead of waiting for one that says nothing any more. The end of the
    # context asks as well: it has to lie inside.
    with patience.at_most(PATIENCE_S), app.app_context():
        try:
            db.session.execute(text("SELECT 1"))
            return True
        except (SQLAlchemyError, OSError):
            return False
