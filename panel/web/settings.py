"""General settings of the installation."""

from __future__ import annotations

from flask import Blueprint, Response, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import config, db
from panel.models import Setting
from panel.services import audit
from panel.web import htmx
from panel.web.forms.settings import SettingsForm, zone_names

screen = Blueprint("settings", __name__, url_prefix="/settings")

FIELDS = ("admin_email", "pace_s", "sync_every_h", "remind_after_d", "time_zone", "public_url")


@screen.get("")
def index() -> Response:
    """The form."""
    setting = Setting.current()
    imports = "permanent" if setting.import_as_permanent else "standard"
    form = SettingsForm(formdata=None, obj=setting, import_as=imports)
    for field in (form.pace_s, form.sync_every_h):
        field.data = _short(field.data)
    return _form(form)


@screen.post("")
def save() -> BaseResponse:
    """Store it."""
    form, setting = SettingsForm(), Setting.current()
    if config().public_url:
        form.public_url.data = setting.public_url
    if not form.validate():
        return _form(form, 422)
    changed = _store(form, setting)
    if changed:
        audit.note(current_user.email, "settings.edited", "General", "; ".join(changed) + ".")
    db.session.commit()
    return htmx.go(url_for("settings.index"), "The settings are saved." if changed else "Nothing was changed.")


def _short(number: float | None) -> float | None:
    """A whole number without its decimal point."""
    return int(number) if number is not None and number.is_integer() else number


def _store(form: SettingsForm, setting: Setting) -> list[str]:
    """Write the form into the row; what changed, in words."""
    wanted = {name: form[name].data for name in FIELDS} | {"import_as_permanent": form.import_as.data == "permanent"}
    changed = []
    for name, value in wanted.items():
        if getattr(setting, name) != value:
            setattr(setting, name, value)
            said = ("yes" if value else "no") if isinstance(value, bool) else value
            changed.append(f"{name}: {said if said not in ('', None) else 'empty'}")
    return changed


def _form(form: SettingsForm, status: int = 200) -> Response:
    parts = {"settings": "settings/_form.html"}
    return htmx.page_or_partial("settings/index.html", parts, status, form=form, fixed_url=config().public_url, zones=zone_names())
