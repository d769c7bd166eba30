"""The mail server, and trying it with what was typed."""

from __future__ import annotations

from flask import Blueprint, Response, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import Setting
from panel.services import audit, mail
from panel.web import htmx
from panel.web.forms.smtp import SmtpForm

screen = Blueprint("smtp", __name__, url_prefix="/settings/mail")


@screen.get("")
def index() -> Response:
    """The form; the password is never part of it."""
    setting = Setting.current()
    return _form(SmtpForm(formdata=None, obj=setting, test_to=setting.admin_email))


@screen.post("")
def save() -> BaseResponse:
    """Store it."""
    form, setting = SmtpForm(), Setting.current()
    form.test_to.validators = ()
    if not form.validate():
        return _form(form, 422)
    form.fill(setting, setting.smtp_password)
    secret = " The password was changed." if form.smtp_password.data else ""
    where = f"{setting.smtp_host}:{setting.smtp_port}, {setting.smtp_security.value}" if setting.smtp_host else "no mail server"
    audit.note(current_user.email, "mail.edited", "Mail", f"{where}.{secret}")
    db.session.commit()
    message = "Saved. Send a test mail to see whether it works." if setting.smtp_host else "Saved: no mail is sent."
    return htmx.go(url_for("smtp.index"), message)


@screen.post("/test")
def test() -> BaseResponse:
    """Send a mail right now with what was typed, which is not stored, and say what the server answered. That these
    settings work is kept."""
    form, stored = SmtpForm(), Setting.current()
    if not form.validate():
        return _form(form, 422)
    recipients = form.test_to.data or stored.admin_email
    if not form.smtp_host.data or not recipients:
        form["test_to" if form.smtp_host.data else "smtp_host"].errors = ["Needed for a test mail."]
        return _form(form, 422)
    tried = Setting()
    form.fill(tried, stored.smtp_password)
    db.session.rollback()
    problem, success = _outcome(recipients, tried)
    if success:
        Setting.current().smtp_proved = tried.smtp_settings
        db.session.commit()
    return _form(form, problem=problem, success=success)


def _outcome(recipients: str, tried: Setting) -> tuple[str, str]:
    """What went wrong, else what went well."""
    try:
        taken = mail.send_test(recipients, tried)
    except mail.MailRefused as refusal:
        return str(refusal), ""
    # By its name: somebody may have typed another one since.
    where = f"The mail server {tried.smtp_host}:{tried.smtp_port}"
    return taken.left_out, "" if taken.left_out else f"{where} has taken the mail to {recipients}. It answered: {taken.reply}"


def _form(form: SmtpForm, status: int = 200, *, problem: str = "", success: str = "") -> Response:
    setting = Setting.current()
    values = {"form": form, "has_password": bool(setting.smtp_password), "problem": problem, "success": success}
    return htmx.page_or_partial("smtp/index.html", {"smtp": "smtp/_form.html"}, status, **values)
