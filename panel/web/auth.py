"""The first admin, signing in and out."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Admin
from panel.services import admins, claims
from panel.web import htmx
from panel.web.access import safe_next
from panel.web.forms.auth import SetUpForm, SignInForm
from panel.web.limits import LINKS, SIGN_IN, SIGN_IN_ANY, address_and_email, limiter

screen = Blueprint("auth", __name__)

WRONG = "This e-mail and password do not belong together."
#: Compared with when nobody has the e-mail, so that the answer takes as long.
NOBODYS_HASH = generate_password_hash("nobody has this password")

Answer = str | BaseResponse | tuple[str, int]


@screen.get("/")
def welcome() -> Answer:
    """On to the servers; before there is an admin, how to become one."""
    if admins.exist():
        return redirect(url_for("servers.index"))
    return render_template("auth/welcome.html")


@screen.route("/setup/<token>", methods=["GET", "POST"])
@limiter.limit(LINKS)
def setup(token: str) -> Answer:
    """The first admin chooses e-mail and password, by a link that works once and only while there is no admin."""
    link = None if admins.exist() else claims.find(claims.SETUP, token)
    if link is None:
        return render_template("auth/welcome.html", stale=True, exists=admins.exist()), 404
    form = SetUpForm()
    if not form.validate_on_submit():
        return render_template("auth/setup.html", form=form), 422 if request.method == "POST" else 200
    if not claims.use(link):
        abort(404)
    try:
        admin = admins.create(form.email.data or "", form.password.data or "")
    except ValueError as refusal:
        db.session.rollback()
        form.email.errors = [str(refusal)]
        return render_template("auth/setup.html", form=form), 422
    db.session.commit()
    enter(admin)
    flash("Welcome. You are the administrator of this panel now.", "success")
    return redirect(url_for("servers.index"), 303)


@screen.route("/sign-in", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, key_func=address_and_email, methods=["POST"])
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
        return render_template("auth/sign_in.html", form=form, problem=WRONG), 422
    enter(admin)
    return redirect(wanted, 303)


@screen.post("/sign-out")
def sign_out() -> BaseResponse:
    """Ends this session."""
    logout_user()
    session.clear()
    return htmx.go(url_for("auth.sign_in"), "You are signed out.", "info")


def enter(admin: Admin) -> None:
    """A new session for this admin: nothing of the old one is kept."""
    session.clear()
    login_user(admin)
