"""The screen My sign-in: one's own password, second factor and sessions; for viewers too."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, redirect, session, url_for
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Admin
from panel.services import admins, audit, second_factor
from panel.web import htmx
from panel.web.auth import enter
from panel.web.forms.account import ChangePasswordForm, ConfirmForm, OwnPasswordForm, SwitchOffForm
from panel.web.limits import OWN_PASSWORD, limiter, network

screen = Blueprint("account", __name__, url_prefix="/account")

#: Where the session keeps the encrypted secret that no code has confirmed yet.
UNCONFIRMED = "unconfirmed_totp"
WRONG_PASSWORD = "This is not your password."
WRONG_CODE = "This code is wrong or was used before. Type the newest one."


def own_tries() -> str:
    """Whose tries with a password or code are counted."""
    return f"own {current_user.id}" if current_user.is_authenticated else network()


@screen.get("")
def index() -> Response:
    """How one signs in now."""
    return htmx.page_or_partial("account/index.html", {}, codes_left=second_factor.recovery_codes_left(current_user))


@screen.get("/password")
def password() -> Response:
    """The form for another password."""
    return _page("password", ChangePasswordForm(formdata=None))


@screen.post("/password")
@limiter.limit(OWN_PASSWORD, key_func=own_tries)
def change_password() -> BaseResponse:
    """All other sessions end; this one goes on."""
    form, admin = ChangePasswordForm(), me()
    if not form.validate() or not _knows_password(form):
        return _page("password", form, 422)
    admins.change_password(admin, form.password.data or "")
    _note(admin, "Password changed")
    enter(admin)
    return htmx.go(url_for("account.index"), "Your password is changed. Wherever else you were signed in, you are signed out.")


@screen.get("/second-factor")
def second() -> BaseResponse:
    """The secret as a QR code, and the form for the code that confirms it."""
    if current_user.totp_secret:
        return redirect(url_for("account.index"))
    if UNCONFIRMED not in session:
        session[UNCONFIRMED] = _encrypted(second_factor.new_secret())
    return _qr_page(ConfirmForm(formdata=None))


@screen.post("/second-factor")
@limiter.limit(OWN_PASSWORD, key_func=own_tries)
def switch_on() -> BaseResponse:
    """On from now, if the code is right; the recovery codes are shown in this answer and never again."""
    form, admin = ConfirmForm(), me()
    if admin.totp_secret or UNCONFIRMED not in session:
        return redirect(url_for("account.second"), 303)
    if not form.validate():
        return _qr_page(form, 422)
    codes = second_factor.switch_on(admin, _decrypted(session[UNCONFIRMED]), form.code.data or "")
    if codes is None:
        form.code.errors = [WRONG_CODE]
        return _qr_page(form, 422)
    session.pop(UNCONFIRMED)
    _note(admin, "Second factor switched on")
    return _codes_page(codes, "Your second factor is on")


@screen.get("/second-factor/off")
def off() -> BaseResponse:
    """Asks for password and code."""
    if not current_user.totp_secret:
        return redirect(url_for("account.index"))
    return _page("off", SwitchOffForm(formdata=None))


@screen.post("/second-factor/off")
@limiter.limit(OWN_PASSWORD, key_func=own_tries)
def switch_off() -> BaseResponse:
    """E-mail and password are enough again."""
    form, admin = SwitchOffForm(), me()
    if not admin.totp_secret:
        return redirect(url_for("account.index"), 303)
    if not form.validate() or not _knows_password(form):
        return _page("off", form, 422)
    if not second_factor.accept(admin, form.code.data or ""):
        form.code.errors = [WRONG_CODE]
        return _page("off", form, 422)
    second_factor.switch_off(admin)
    _note(admin, "Second factor switched off")
    return htmx.go(url_for("account.index"), "Your second factor is off.")


@screen.get("/recovery-codes")
def recovery_codes() -> BaseResponse:
    """Asks for the password."""
    if not current_user.totp_secret:
        return redirect(url_for("account.index"))
    return _page("new_codes", OwnPasswordForm(formdata=None))


@screen.post("/recovery-codes")
@limiter.limit(OWN_PASSWORD, key_func=own_tries)
def new_codes() -> BaseResponse:
    """Fresh codes in place of the old ones, shown in this answer and never again."""
    form, admin = OwnPasswordForm(), me()
    if not admin.totp_secret:
        return redirect(url_for("account.index"), 303)
    if not form.validate() or not _knows_password(form):
        return _page("new_codes", form, 422)
    codes = second_factor.new_recovery_codes(admin)
    _note(admin, "New recovery codes made")
    return _codes_page(codes, "Your new recovery codes")


@screen.get("/sign-out-everywhere")
def everywhere() -> Response:
    """Asks before it is done."""
    return htmx.page_or_partial("account/everywhere.html", {})


@screen.post("/sign-out-everywhere")
def sign_out_everywhere() -> BaseResponse:
    """Every session of this admin ends, this one too."""
    admin = me()
    admins.end_sessions(admin)
    _note(admin, "Signed out everywhere")
    session.clear()
    flash("You are signed out everywhere.", "info")
    return redirect(url_for("auth.sign_in"), 303)


def me() -> Admin:
    """Who is signed in, as a row."""
    return db.session.get_one(Admin, current_user.id)


def _knows_password(form: OwnPasswordForm) -> bool:
    if me().has_password(form.current.data or ""):
        return True
    form.current.errors = [WRONG_PASSWORD]
    return False


def _note(admin: Admin, what: str) -> None:
    audit.note(admin.email, "sign-in.edited", admin.email, what)
    db.session.commit()


def _page(name: str, form: OwnPasswordForm, status: int = 200) -> Response:
    return htmx.page_or_partial(f"account/{name}.html", {}, status, form=form)


def _qr_page(form: ConfirmForm, status: int = 200) -> Response:
    secret = _decrypted(session[UNCONFIRMED])
    parts = [secret[start : start + 4] for start in range(0, len(secret), 4)]
    # Made by us out of black squares: nothing in it comes from outside.
    picture = Markup(second_factor.qr_code(current_user.email, secret))
    return htmx.page_or_partial("account/on.html", {}, status, form=form, picture=picture, secret=" ".join(parts))


def _codes_page(codes: list[str], title: str) -> Response:
    return htmx.page_or_partial("account/codes.html", {}, codes=codes, title=title)


def _encrypted(secret: str) -> str:
    return str(current_app.extensions["panel_cipher"].encrypt(secret.encode()).decode())


def _decrypted(stored: str) -> str:
    return str(current_app.extensions["panel_cipher"].decrypt(stored.encode()).decode())
