"""One view, two faces: the whole page for a browser, the part it asked for when HTMX did."""

from __future__ import annotations

from flask import Response, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

DIALOG = "dialog"


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
    """To another page, for both kinds of asking; `message` is shown there."""
    if message:
        flash(message, category)
    if not asks():
        return redirect(address, 303)
    response = make_response("", 200)
    response.headers["HX-Redirect"] = address
    return response
