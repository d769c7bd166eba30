"""The first admin, signing in and out."""

from __future__ import annotations

import time

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Admin, Setting
from panel.services import admins, audit, second_factor, sessions
from panel.services.claims import links
from panel.web import htmx
from panel.web.access import SESSION, load_admin, safe_next, session_id
from panel.web.forms.auth import CodeForm, SetUpForm, SignInForm
from panel.web.limits import (
    SECOND_FACTOR,
    SIGN_IN,
    SIGN_IN_ACCOUNT,
    SIGN_IN_ANY,
    address_and_email,
    guessed_links,
    limiter,
    network,
    typed_email,
)

screen = Blueprint("auth", __name__)

#: Where the session keeps whose password was right and since when, until the code is right as well.
HALF = "half_signed_in"
HALF_LASTS_S = 300

WRONG_CODE = "This code is wrong or was used before. Type the newest one your app shows, or a recovery code."
TOO_SLOW = "That took too long. Sign in again."
WRONG = "This e-mail and password do not belong together."
#: Compared with when nobody has the e-mail, so that the answer takes as long: of the kind that `Admin.set_password` stores, and of no
#: password. Written down because making one would cost every start of every process a tenth of a second.
NOBODYS_HASH = f"scrypt:32768:8:1${'0' * 16}${'0' * 128}"

Answer = str | BaseResponse | tuple[str, int]


@screen.get("/")
def welcome() -> Answer:
    """On to the servers; before there is an admin, how to become one."""
    if admins.exist():
        return redirect(url_for("servers.index"))
    return render_template("auth/welcome.html")


@screen.route("/setup/<token>", methods=["GET", "POST"])
@guessed_links
def setup(token: str) -> Answer:
    """The first admin chooses e-mail and password, by a link that works once and only while there is no admin."""
    link = None if admins.exist() else links.find(links.SETUP, token)
    if link is None:
        return render_template("auth/welcome.html", stale=True, exists=admins.exist()), 404
    form = SetUpForm()
    if not form.validate_on_submit():
        return render_template("auth/setup.html", form=form), 422 if request.method == "POST" else 200
    if not links.use(link):
        abort(404)
    try:
        admin = admins.create(form.email.data or "", form.password.data or "")
    except ValueError as refusal:
        db.session.rollback()
        form.email.errors = [str(refusal)]
        return render_template("auth/setup.html", form=form), 422
    setting = Setting.current()
    # Results go to whoever set the panel up, until another address is chosen.
    setting.admin_email = setting.admin_email or admin.email
    audit.note(admin.email, "admin.added", admin.email, "The first administrator, by the set-up link.")
    db.session.commit()
    enter(admin)
    flash("Welcome. You are the administrator of this panel now.", "success")
    return redirect(url_for("servers.index"), 303)


@screen.route("/sign-in", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, key_func=address_and_email, methods=["POST"])
@limiter.limit(SIGN_IN_ACCOUNT, key_func=typed_email, methods=["POST"])
@limiter.limit(SIGN_IN_ANY, methods=["POST"])
def sign_in() -> Answer:
    """E-mail and password; an unknown e-mail and a wrong password look the same and take the same time."""
    if not admins.exist():
        return redirect(url_for("auth.welcome"))
    wanted = safe_next(request.args.get("next"))
    if current_user.is_authenticated and request.method == "GET":
        return redirect(wanted)
    form = SignInForm()
    if not form.validate_on_submit():
        return render_template("auth/sign_in.html", form=form), 422 if request.method == "POST" else 200
    admin = Admin.by_email(form.email.data or "")
    if not check_password_hash(admin.password_hash if admin else NOBODYS_HASH, form.password.data or "") or admin is None:
        _note_failure(form.email.data or "", "The password was wrong, or nobody has this e-mail.")
        return render_template("auth/sign_in.html", form=form, problem=WRONG), 422
    if admin.totp_secret:
        session.clear()
        session[HALF] = {"admin": admin.get_id(), "at": int(time.time()), "next": wanted}
        return redirect(url_for("auth.code"), 303)
    return _enter_noted(admin, "by password", wanted)


@screen.route("/sign-in/code", methods=["GET", "POST"])
@limiter.limit(SECOND_FACTOR, key_func=lambda: _who_tries(), methods=["POST"])
@limiter.limit(SIGN_IN_ANY, methods=["POST"])
def code() -> Answer:
    """The second step, for those who have a second factor: a code of their app, or a recovery code."""
    admin = _half_signed_in()
    if admin is None:
        session.pop(HALF, None)
        flash(TOO_SLOW, "warning")
        return redirect(url_for("auth.sign_in"), 303)
    form = CodeForm()
    if not form.validate_on_submit():
        return render_template("auth/code.html", form=form), 422 if request.method == "POST" else 200
    kind = second_factor.accept(admin, form.code.data or "")
    if not kind:
        _note_failure(admin.email, "The code of the second factor was wrong.")
        form.code.data = ""
        return render_template("auth/code.html", form=form, problem=WRONG_CODE), 422
    how = {"app": "by password and code", "recovery": "by password and recovery code"}[kind]
    return _enter_noted(admin, how, safe_next(session[HALF]["next"]))


@screen.post("/sign-out")
def sign_out() -> BaseResponse:
    """Ends this session, also for whoever has a copy of its cookie."""
    sessions.end(db.session.get_one(Admin, current_user.id), session_id(), current_app.permanent_session_lifetime)
    db.session.commit()
    logout_user()
    session.clear()
    return htmx.go(url_for("auth.sign_in"), "You are signed out.", "info")


def enter(admin: Admin) -> None:
    """A new session for this admin: nothing of the old one is kept."""
    session.clear()
    login_user(admin)
    session[SESSION] = f"{admin.get_id()}:{sessions.new_id()}"


def _half_signed_in() -> Admin | None:
    """Whose password was right a moment ago; nobody once the time is over or their sessions were ended."""
    half = session.get(HALF) or {}
    fresh = time.time() - half.get("at", 0) <= HALF_LASTS_S
    admin = load_admin(half.get("admin", "")) if fresh else None
    return admin if admin and admin.totp_secret else None


def _who_tries() -> str:
    """Whom the tries with a second factor count for: the admin, wherever they come from."""
    admin = _half_signed_in()
    return f"second factor of {admin.id}" if admin else network()


def _enter_noted(admin: Admin, how: str, wanted: str) -> BaseResponse:
    audit.note(admin.email, "sign-in.done", admin.email, f"{how}, from {request.remote_addr}")
    db.session.commit()
    enter(admin)
    return redirect(wanted, 303)


def _note_failure(email: str, why: str) -> None:
    """What was typed is noted only where it looks like an e-mail: some type their password into the wrong field."""
    subject = email.strip().casefold() if "@" in email else "(no e-mail)"
    audit.note("", "sign-in.failed", subject, f"{why} From {request.remote_addr}.")
    db.session.commit()
