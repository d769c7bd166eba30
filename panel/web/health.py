"""Whether the web process answers; for load balancers."""

from flask import Blueprint, Response

screen = Blueprint("health", __name__)


@screen.get("/healthz")
def show() -> Response:
    """Touches neither database nor Redis."""
    return Response("ok", mimetype="text/plain")
