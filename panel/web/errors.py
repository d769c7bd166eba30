"""What went wrong, as a sentence: a page for a browser, plain text for HTMX, which shows it as a notice."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, make_response, render_template, request
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models.types import SecretUnreadable
from panel.web import htmx
from panel.web.access import PUBLIC, to_sign_in

TITLES = {
    400: "That did not work",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not this way",
    409: "Not now",
    413: "Too much",
    429: "Too many tries",
}
SENTENCES = {
    404: "There is no such page. It may have been removed, or the address is not quite right.",
    405: "This address is not meant to be opened like this. Go back and use the button.",
    413: "What was sent is too large.",
    429: "There were too many tries from here. Wait a few minutes, then try again.",
    500: "Something went wrong on our side; nothing was changed by this request. The panel's log has the details.",
}

STALE = "This page was open for too long or in another session. Reload it, then try again; nothing was changed."
STALE_PRESSED = "Nothing was changed. Press it again."
STALE_SIGNED_IN = "This page was open for too long or in another session. Nothing was changed yet; what you typed is still here."
STALE_SIGNED_OUT = "You are not signed in any more. Nothing was changed yet. Sign in in another tab, then send it again from here."
#: Fields that a page never gets back.
SECRET = re.compile("password|token|secret|key|^(code|current|again)$")


def register(app: Flask) -> None:
    """Bind the error pages to an app."""
    app.register_error_handler(CSRFError, stale_form)
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(SecretUnreadable, unreadable)
    for kind in (DataError, OverflowError):
        app.register_error_handler(kind, not_storable)
    app.register_error_handler(500, failed)


def stale_form(_error: CSRFError) -> BaseResponse:
    """A form without a valid CSRF token: an old page, or another site's. What was typed on a page of ours can be sent again from here."""
    if htmx.asks() and request.endpoint not in PUBLIC:
        return _stale_press()
    if htmx.asks() or not _is_ours():
        return answer(400, STALE)
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    again = {
        "address": request.full_path.rstrip("?"),
        "fields": [(name, value) for name, value in fields if not SECRET.search(name)],
        "secrets": [name.replace("_", " ") for name, value in fields if value and SECRET.search(name)],
    }
    sentence = STALE_SIGNED_IN if current_user.is_authenticated else STALE_SIGNED_OUT
    return make_response(render_template("errors/again.html", title=TITLES[400], sentence=sentence, **again), 400)


def _stale_press() -> BaseResponse:
    """What was pressed on a page that is still open: with the token that comes along it can be sent again from there."""
    if current_user.is_authenticated:
        return htmx.renew_token(answer(400, STALE_PRESSED))
    response = to_sign_in()
    # Else it would look as if it had been done.
    response.status_code = 400
    return response


def _is_ours() -> bool:
    """Whether the browser says that a form of this panel was sent: never offer what another site has filled in, nor files, nor what signs
    somebody in."""
    if request.method != "POST" or request.endpoint in (None, *PUBLIC) or any(request.files.values()):
        return False
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    sent_from = request.headers.get("Origin") or request.referrer or ""
    return urlsplit(sent_from).netloc == request.host


def refused(error: HTTPException) -> Response:
    """Any other refusal; a text of ours goes before the usual one."""
    code = error.code or 500
    own = error.description if code in (400, 403, 409) else None
    response = answer(code, SENTENCES.get(code) or own or "The request could not be answered.")
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def unreadable(error: SecretUnreadable) -> Response:
    """A stored secret cannot be decrypted; the text says what to set."""
    db.session.rollback()
    return answer(500, str(error))


def not_storable(error: Exception) -> Response:
    """A value that no row can hold, such as an id of thirty digits: PostgreSQL raises the one error, SQLite's driver the other."""
    db.session.rollback()
    current_app.logger.warning("Refused a value that cannot be stored: %s", type(error).__name__)
    return answer(400, "It holds a number or a character that cannot be stored.")


def failed(_error: Exception) -> Response:
    """An unexpected exception; Flask has logged it."""
    db.session.rollback()
    return answer(500, SENTENCES[500])


def answer(code: int, sentence: str) -> Response:
    """The sentence as a page, or as text where HTMX asks."""
    if htmx.asks():
        response = make_response(sentence, code)
        response.mimetype = "text/plain"
        return response
    return make_response(render_template("errors/page.html", title=TITLES.get(code, "Something went wrong"), sentence=sentence), code)
