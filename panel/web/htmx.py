"""One view, two faces: the whole page for a browser, the part it asked for when HTMX did."""

from __future__ import annotations

from urllib.parse import urldefrag

from flask import Response, flash, make_response, redirect, render_template, request, session
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response as BaseResponse

DIALOG = "dialog"
#: Where an answer brings the token that the forms of the open page need from now on.
TOKEN = "X-CSRFToken"


def asks() -> bool:
    """Whether HTMX asks for a part; when it restores history it wants the whole page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def targets(element_id: str) -> bool:
    """Whether HTMX will put the answer into this element."""
    return asks() and request.headers.get("HX-Target") == element_id


def page_or_partial(page: str, parts: dict[str, str], /, status: int = 200, **values: object) -> Response:
    """The template of the element HTMX targets (`parts`: element id to template), else the whole page.

    A part named for `dialog` is put into the frame every dialog has.
    """
    target = request.headers.get("HX-Target", "") if asks() else ""
    part = parts.get(target)
    if part and target == DIALOG:
        body = render_template("dialog.html", **{**values, "part": part})
    else:
        body = render_template(part or page, **values)
    return make_response(body, status)


def go(address: str, message: str = "", category: str = "success") -> BaseResponse:
    """To another page, for both kinds of asking; `message` is shown there, and is the body for whoever HTMX asks for and stays."""
    if message:
        flash(message, category)
    if not asks():
        return redirect(address, 303)
    response = make_response(message, 200, {"Content-Type": "text/plain; charset=utf-8"})
    # To a place in the page that is open a browser would only scroll; the page that comes finds it by itself.
    response.headers["HX-Redirect"] = urldefrag(address).url
    return response


def behind(body: str, element_id: str) -> Response:
    """The answer to what was sent from the dialog: this element of the page behind it, in the place of the one that is there."""
    return make_response(body, 200, {"HX-Retarget": f"#{element_id}", "HX-Reswap": "outerHTML"})


def renew_token(response: Response) -> Response:
    """A page that was open before somebody signed in anew can send its forms after this answer.

    Only for whoever is signed in: the token is that of the session whose cookie came along. No other site can read it: it cannot make a
    browser send `HX-Request` to us, and sees none of our headers, as nothing here allows it to (CORS).
    """
    # Never begun here: the page that is being drawn would not know.
    if "csrf_token" in session:
        response.headers[TOKEN] = generate_csrf()
    return response
