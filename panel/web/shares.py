"""The screen Shared servers: who is on which server, and reading one entry anew."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Server, Share
from panel.services import audit
from panel.services import shares as service
from panel.services.listing import order_from, page_of
from panel.web import htmx, sheets
from panel.web.access import safe_next
from panel.web.listing import Ids, asked
from panel.web.words import brief

screen = Blueprint("shares", __name__, url_prefix="/shares")


@screen.get("")
def index() -> Response:
    """The shares, 50 on a page."""
    wanted = asked("user", service.orders(), state=service.STATES, server=Ids())
    _, order = order_from(wanted.sort, service.orders(), wanted.default)
    page = page_of(service.with_names(service.matching(wanted.search, wanted.filters)), wanted.page, order)
    servers = db.session.scalars(select(Server).order_by(func.lower(Server.name))).all()
    values: dict[str, Any] = {
        "asked": wanted,
        "page": page,
        "servers": servers,
        "states": service.STATES,
    }
    return htmx.page_or_partial("shares/index.html", {"shares": "shares/_list.html"}, **values)


@screen.get("/<int:share_id>/actions")
def actions(share_id: int) -> Response:
    """What can be done about one person on one server."""
    share = db.get_or_404(Share, share_id)
    title = f"{brief(share.user.name)} on {brief(share.server.name)}"
    return sheets.sheet("shares/_actions.html", title, _back(share), share=share, why_not=service.why_not_now(share.server))


@screen.post("/<int:share_id>/read")
def read(share_id: int) -> BaseResponse:
    """Ask its server now, and bring this entry alone in step."""
    share = db.get_or_404(Share, share_id)
    subject = f"{share.user.name} on {share.server.name}"
    back = _back(share)[1]
    try:
        with db.session.no_autoflush:
            found = service.read_again(share)
    except service.ServerBusy as refusal:
        db.session.rollback()
        return htmx.go(back, str(refusal), "danger")
    audit.note(current_user.email, "share.read", subject, found)
    db.session.commit()
    return htmx.go(back, found)


def _back(share: Share) -> sheets.Back:
    """The list as it was when something in it was pressed."""
    return "Shared servers", safe_next(request.values.get("next"), url_for("shares.index", q=share.user.name))
