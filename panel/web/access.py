"""Who may do what: one rule for all addresses, and closed unless it says open."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, abort, current_app, redirect, request, session, url_for
from flask_login import current_user
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db, login
from panel.models import Admin, Role
from panel.services import admins, sessions
from panel.web import htmx

#: Open to everybody.
PUBLIC = {
    "static",
    "bootstrap.static",
    "auth.welcome",
    "auth.setup",
    "auth.sign_in",
    "auth.code",
    "claims.show",
    "claims.choose",
    "health.show",
    "health.ready",
    "metrics.show",
}
#: What even a viewer may send: it concerns nothing but their own sign-in.
HARMLESS = {
    "auth.sign_out",
    "account.change_password",
    "account.switch_on",
    "account.switch_off",
    "account.new_codes",
    "account.sign_out_everywhere",
}
#: Where Flask-Login keeps whose session it is: the admin's number and session key, and the session's own id.
SESSION = "_user_id"
#: No database holds larger ones.
LARGEST_ID = 2**31 - 1
LOOKING = ("GET", "HEAD", "OPTIONS")

VIEWER_SENTENCE = "You may look at everything here, but not change it. Ask an administrator of this panel."


def register(app: Flask) -> None:
    """Bind the rule to an app."""
    app.before_request(admit)
    app.add_template_global(is_viewer)


def is_viewer() -> bool:
    """Whether whoever asks may change nothing but their own sign-in."""
    return current_user.is_authenticated and current_user.role is Role.VIEWER


@login.user_loader
def load_admin(session_value: str) -> Admin | None:
    """The admin of a session; none once it was signed out or is too old, or their session key has changed. 1 query."""
    number, key, session_id = (*session_value.split(":"), "", "")[:3]
    if not number.isdecimal() or int(number) > LARGEST_ID or sessions.is_too_old(session_id, current_app.permanent_session_lifetime):
        return None
    admin = db.session.scalar(select(Admin).where(Admin.id == int(number), ~sessions.is_over(session_id)))
    return admin if admin and admin.session_key == key else None


def session_id() -> str:
    """The id of the session that asks; empty where it has none."""
    return (*str(session.get(SESSION, "")).split(":"), "", "")[2]


def admit() -> BaseResponse | None:
    """Signed in for everything that is not public; an administrator for everything that changes something."""
    if request.endpoint is None or request.endpoint in PUBLIC:
        return None
    if not current_user.is_authenticated:
        return to_sign_in()
    if request.method not in LOOKING and request.endpoint not in HARMLESS and current_user.role is not Role.ADMINISTRATOR:
        abort(403, VIEWER_SENTENCE)
    return None


def safe_next(address: str | None, otherwise: str = "") -> str:
    """A path within the panel to go on to, as after signing in; where it leads anywhere else `otherwise`, or the servers."""
    otherwise = otherwise or url_for("servers.index")
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return otherwise
    inside = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not (address or "").startswith(("//", "/\\"))
    clean = inside and "\\" not in parts.path and not any(ord(character) < 32 for character in address or "")
    return address if address and clean else otherwise


def to_sign_in() -> BaseResponse:
    """To where somebody signs in, and from there back to the page that asked."""
    if not admins.exist():
        return htmx.go(url_for("auth.welcome"))
    wanted = request.full_path.rstrip("?") if request.method == "GET" else None
    if htmx.asks():
        wanted = _path_of(request.headers.get("HX-Current-URL", ""))
        return htmx.go(url_for("auth.sign_in", next=wanted or None))
    return redirect(url_for("auth.sign_in", next=wanted), 303)


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
