"""`/metrics` for Prometheus: for admins who are signed in, and for who sends the installation's token."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, abort, request
from flask_login import current_user
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from panel import jobs
from panel.extensions import config, db
from panel.jobs import look
from panel.services import metrics

screen = Blueprint("metrics", __name__)


@screen.get("/metrics")
def show() -> Response:
    """All numbers, in 3 queries (one more for a session) and at most 3 round trips to Redis. A part that is away is left out."""
    if not _has_token():
        _require_admin()
    metrics.flush()
    return Response(metrics.page(_stock(), _queues()), content_type=CONTENT_TYPE_LATEST)


def _has_token() -> bool:
    """Whether the bearer token is the installation's; compared in constant time."""
    kind, _, sent = request.headers.get("Authorization", "").partition(" ")
    wanted = config().metrics_token
    return bool(wanted) and kind.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), wanted.encode())


def _require_admin() -> None:
    """Refuses who is not signed in; without a token set, as if there were nothing here."""
    if current_user.is_authenticated:
        return
    if not config().metrics_token:
        abort(404)
    refusal = Response("A bearer token is needed.\n", 401, {"WWW-Authenticate": "Bearer"}, mimetype="text/plain")
    abort(refusal)


def _stock() -> metrics.Stock | None:
    try:
        return metrics.stock()
    except SQLAlchemyError:
        db.session.rollback()
        return None


def _queues() -> metrics.Queues | None:
    try:
        return look.look(config().redis_url, jobs.QUEUES)
    except look.NoAnswer:
        return None
