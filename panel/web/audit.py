"""The screen Changes: who has changed what, and when."""

from __future__ import annotations

from flask import Blueprint, Response

from panel.services import audit as service
from panel.web import audit_words, htmx
from panel.web.listing import Anything, asked

screen = Blueprint("audit", __name__, url_prefix="/settings/changes")


@screen.get("")
def index() -> Response:
    """One page of the list, newest first."""
    wish = asked(service.NEWEST_FIRST, service.ORDERS, by=Anything(), action=Anything())
    wanted = service.Wanted(wish.filters.get("by", ""), wish.filters.get("action", ""), wish.search, audit_words.named(wish.search))
    values = {
        "asked": wish,
        "found": service.entries(wanted, wish.sort, wish.page),
        "authors": [(author, author) for author in service.authors()],
        "done": audit_words.done,
        "told": audit_words.told,
        "actions": [(action, audit_words.done(action)) for action in service.actions()],
    }
    return htmx.page_or_partial("audit/index.html", {"changes": "audit/_list.html"}, 200, **values)
