"""The screen Same person?: pairs of users that a sync could not tell apart from one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, url_for
from flask_login import current_user
from sqlalchemy import func, select
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import PossibleTwin
from panel.services import audit, user_list
from panel.services import twins as service
from panel.services.listing import page_of
from panel.web import htmx
from panel.web.listing import asked
from panel.web.words import counted

screen = Blueprint("twins", __name__, url_prefix="/same-person")

PAIRS_ON_A_PAGE = 20


@screen.get("")
def index() -> Response:
    """The questions nobody has answered, newest first."""
    wanted = asked()
    page = page_of(service.open_questions(), wanted.page, [PossibleTwin.id.desc()], size=PAIRS_ON_A_PAGE)
    users = list({user.id: user for pair in page.rows for user in (pair.user, pair.other)}.values())
    values: dict[str, Any] = {
        "asked": wanted,
        "page": page,
        "shares": user_list.shares_by_user(users),
        "payment_now": user_list.payment_now,
    }
    return htmx.page_or_partial("twins/index.html", {"twins": "twins/_list.html"}, **values)


@screen.post("/<int:twin_id>/different")
def different(twin_id: int) -> BaseResponse:
    """They are two people: not asked again."""
    question = db.get_or_404(PossibleTwin, twin_id)
    service.answer_different(question)
    audit.note(current_user.email, "twins.different", question.user.name, f"Users {question.other_id} and {question.user_id}")
    db.session.commit()
    left = db.session.scalar(select(func.count()).where(PossibleTwin.answered_at.is_(None))) or 0
    open_still = f"{counted(left, 'question')} {'is' if left == 1 else 'are'} left." if left else "That was the last question."
    return htmx.go(url_for("twins.index"), f"Noted: two people. {open_still}")
