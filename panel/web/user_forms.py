"""Adding and editing one user, and filling in addresses from a CSV."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.models import User
from panel.services import audit, user_emails
from panel.services import users as service
from panel.web import sheets
from panel.web.forms.users import EmailsForm, UserForm
from panel.web.htmx import go
from panel.web.place import begun_in
from panel.web.users import HOME, address_of, back
from panel.web.words import brief, counted

screen = Blueprint("user_forms", __name__, url_prefix="/users")

#: As much CSV as one request may bring, in bytes: more than 20,000 lines.
MOST_CSV = 2_000_000
CHANGES_SHOWN = 200


@screen.url_value_preprocessor
def _take_long_tables(endpoint: str | None, _values: object) -> None:
    """The confirmed table comes as a field of the form, which may be longer than others."""
    if endpoint in ("user_forms.emails", "user_forms.fill_emails"):
        request.max_form_memory_size = 2 * MOST_CSV


@screen.get("/new")
def new() -> Response:
    """The form for a new user."""
    return _form(UserForm(formdata=None), None)


@screen.post("/new")
def create() -> BaseResponse:
    """Add one."""
    return _save(User(), "user.added", "is added")


@screen.get("/<int:user_id>/edit")
def edit(user_id: int) -> Response:
    """The form for one user."""
    user = db.get_or_404(User, user_id)
    return _form(UserForm(formdata=None, obj=user), user)


@screen.post("/<int:user_id>/edit")
def save(user_id: int) -> BaseResponse:
    """Write it."""
    return _save(db.get_or_404(User, user_id), "user.edited", "is saved")


@screen.get("/emails")
def emails() -> Response:
    """Upload or paste a CSV."""
    return _emails_form(EmailsForm(formdata=None))


@screen.post("/emails")
def fill_emails() -> BaseResponse:
    """What it changes; with `confirmed`, the fingerprint of what was shown, it is done if that still holds."""
    form = EmailsForm()
    try:
        text = _text(form)
        shown = user_emails.preview(text)
    except ValueError as refusal:
        db.session.rollback()
        sheets.blame(form, refusal, "csv")
        return _emails_form(form, 422)
    confirmed = request.form.get("confirmed", "")
    if not confirmed or confirmed != shown.fingerprint or not shown.changes:
        db.session.rollback()
        values: dict[str, Any] = {"shown": shown, "text": text, "is_stale": bool(confirmed), "most": CHANGES_SHOWN, "labels": LABELS}
        values["here"] = _here()
        return sheets.sheet("users/_emails_preview.html", "What the CSV changes", back(), 422 if confirmed else 200, **values)
    users, values_written = user_emails.apply(shown), len(shown.changes)
    who = audit.names(sorted({(change.user.id, change.user.name) for change in shown.changes}))
    audit.note(current_user.email, "user.emails_filled", counted(users, "user"), f"{counted(values_written, 'value')} from a CSV: {who}")
    db.session.commit()
    return go(back()[1], f"Filled in: {counted(values_written, 'value')} of {counted(users, 'user')}.")


LABELS = {**service.EMAILS, "jellyfin_name": "Jellyfin name"}


def _save(user: User, action: str, done: str) -> BaseResponse:
    form = UserForm()
    stored = user if user.id else None
    form.compare_with(user)
    if not form.validate():
        return _form(form, stored, 422)
    values: dict[str, Any] = {
        name: form[name].data or (False if name in ("permanent", "must_change_plex_account") else "") for name in service.COLUMNS
    }
    before = {name: getattr(user, name) for name in service.COLUMNS}
    try:
        changed = service.write(user, values)
    except service.WrongValue as refusal:
        db.session.rollback()
        sheets.blame(form, refusal, "name")
        return _form(form, stored, 422)
    if changed:
        detail = audit.differences(before, values) if stored else f"User {user.id}"
        audit.note(current_user.email, action, user.name, detail)
    db.session.commit()
    return go(back(user)[1] if stored else address_of(user, begun_in(HOME)), f"{brief(user.name)} {done}.")


def _form(form: UserForm, user: User | None, status: int = 200) -> Response:
    title = f"Edit {brief(user.name)}" if user else "New user"
    return sheets.sheet("users/_form.html", title, back(user), status, form=form, user=user, here=_here())


def _emails_form(form: EmailsForm, status: int = 200) -> Response:
    return sheets.sheet("users/_emails.html", "Fill in e-mails from a CSV", back(), status, form=form, here=_here())


def _here() -> str:
    """This address with the list to come back to."""
    return request.full_path.rstrip("?")


def _text(form: EmailsForm) -> str:
    """The file where one was chosen, else what was pasted. Raises `ValueError`."""
    sent = form.file.data.read(MOST_CSV + 1) if form.file.data else (form.csv.data or "").encode()
    if len(sent) > MOST_CSV:
        raise ValueError(f"This is more than {MOST_CSV // 1_000_000} MB. Split it into several tables.")
    try:
        return str(sent.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("The file is not text in UTF-8. Save it as “CSV UTF-8”, then send it again.") from None
