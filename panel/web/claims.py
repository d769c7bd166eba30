"""The one public screen: a moved person chooses their own password."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Move
from panel.platforms.base import NotAllowed, NotThere, PlatformError, SwitchedOff
from panel.services.claims import alone, choosing, links
from panel.web.forms.claims import ClaimForm
from panel.web.limits import guessed_links

screen = Blueprint("claims", __name__, url_prefix="/claim")

AWAY = "The server could not be reached just now. Your link still works; please try again in a few minutes."
NOT_TAKEN = "The server did not take this password. Please choose another; your link still works."
NOT_HERE = "No password can be chosen for this account here. Please ask the administrator of this server."


@screen.get("/<token>")
@guessed_links
def show(token: str) -> Response:
    """The form, or the same friendly page for a link that is used, expired or never was."""
    link = links.find(links.CLAIM, token)
    return _form(db.session.get_one(Move, link.move_id), ClaimForm(), 200) if link else _gone()


@screen.post("/<token>")
@guessed_links
def choose(token: str) -> BaseResponse:
    """Set the password; the link is used up when the server has taken it."""
    link, form = links.find(links.CLAIM, token), ClaimForm()
    if link is None:
        return _gone()
    move = db.session.get_one(Move, link.move_id)
    if not form.validate():
        return _form(move, form, 422)
    try:
        choosing.choose_password(link, form.password.data or "")
    except LookupError:
        return _gone()
    except (SwitchedOff, alone.BeingUsed) as error:
        return _form(move, form, 422, str(error))
    except (NotAllowed, NotThere):
        return _form(move, form, 422, NOT_HERE)
    except PlatformError as error:
        return _form(move, form, 422, AWAY if error.retryable or error.about_server else NOT_TAKEN)
    return make_response(render_template("claims/done.html", move=move, server=move.migration.target))


def _form(move: Move, form: ClaimForm, status: int, problem: str = "") -> Response:
    values = {"form": form, "move": move, "server": move.migration.target, "problem": problem}
    return make_response(render_template("claims/show.html", **values), status)


def _gone() -> Response:
    db.session.rollback()
    return make_response(render_template("claims/gone.html"), 404)
