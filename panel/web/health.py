"""Whether the web process answers, and whether the panel can do its work; for load balancers and monitors."""

from flask import Blueprint, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from panel import jobs
from panel.extensions import db

screen = Blueprint("health", __name__)


@screen.get("/healthz")
def show() -> Response:
    """Touches neither database nor Redis."""
    return Response("ok", mimetype="text/plain")


@screen.get("/readyz")
def ready() -> tuple[Response, int]:
    """Which parts answer, as JSON: database, Redis and at least one worker; 503 while one is missing."""
    workers = jobs.workers_alive()
    parts = {"database": _database_answers(), "redis": workers is not None, "worker": bool(workers)}
    is_ready = all(parts.values())
    return jsonify(ready=is_ready, **parts), 200 if is_ready else 503


def _database_answers() -> bool:
    try:
        db.session.execute(text("SELECT 1"))
        return True
    except SQLAlchemyError:
        db.session.rollback()
        return False
