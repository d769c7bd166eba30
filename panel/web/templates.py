"""The texts of notifications: switch, subject, text and HTML, shown as they will come out."""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from panel.extensions import db
from panel.services import audit, notices
from panel.services import notice_texts as service
from panel.services.notice_samples import VARIABLES
from panel.web import htmx, sheets
from panel.web.forms.templates import TemplateForm

screen = Blueprint("templates", __name__, url_prefix="/settings/notifications")

BROKEN = '<!doctype html><html lang="en"><title>Preview</title><body><p>Nothing to show: this HTML has an error.</p></body></html>'


@screen.get("")
def index() -> Response:
    """Both notifications with their switches."""
    texts = [service.texts_of(event) for event in notices.EVENTS]
    return htmx.page_or_partial("templates/index.html", {}, texts=texts, why_no_result_mail=notices.why_no_result_mail())


@screen.get("/<event>")
def edit(event: str) -> Response:
    """The form of one."""
    texts = service.texts_of(_known(event))
    return _form(event, TemplateForm(formdata=None, obj=texts))


@screen.post("/<event>")
def save(event: str) -> BaseResponse:
    """Store it when all parts work."""
    form, before = TemplateForm(), service.texts_of(_known(event))
    if not _is_sound(event, form):
        return _form(event, form, 422)
    service.keep(event, bool(form.enabled.data), {column: form[column].data for column in service.COLUMNS})
    after = service.texts_of(event)
    changed = [name for name in ("enabled", *service.COLUMNS) if getattr(before, name) != getattr(after, name)]
    if changed:
        switch = f" Switched {'on' if after.enabled else 'off'}." if "enabled" in changed else ""
        audit.note(current_user.email, "template.edited", after.label, f"Changed: {', '.join(changed)}.{switch}")
    db.session.commit()
    return htmx.go(url_for("templates.edit", event=event), f"{after.label} is saved.")


@screen.post("/<event>/preview")
def preview(event: str) -> Response:
    """Subject and text as they come out with sample values, and what is wrong with any part; as a page with the form, as it was typed."""
    form = TemplateForm()
    _is_sound(_known(event), form)
    return _form(event, form, is_preview=True)


@screen.route("/<event>/html", methods=["GET", "POST"])
def show_html(event: str) -> Response:
    """The HTML part alone, for a frame: as stored, or as typed."""
    source = TemplateForm().html.data if request.method == "POST" else service.texts_of(_known(event)).html
    return make_response(service.sample_of(_known(event), "html", source or "") or BROKEN)


@screen.get("/<event>/reset")
def ask(event: str) -> Response:
    """What going back would do, asked once."""
    texts = service.texts_of(_known(event))
    sentence = f"Your own subject, text and HTML of {texts.label} are removed, and it says again what ships with Streamferry."
    back = texts.label, url_for("templates.edit", event=event)
    return sheets.ask(f"Reset {texts.label}?", back, [sentence, "The switch stays as it is."], "Reset")


@screen.post("/<event>/reset")
def reset(event: str) -> BaseResponse:
    """Back to the texts that ship."""
    service.reset(_known(event))
    audit.note(current_user.email, "template.reset", notices.EVENTS[event])
    db.session.commit()
    return htmx.go(url_for("templates.edit", event=event), f"{notices.EVENTS[event]} has the text that ships again.")


def _known(event: str) -> str:
    return event if event in notices.EVENTS else abort(404)


def _is_sound(event: str, form: TemplateForm) -> bool:
    """Whether every part works; what is wrong stands beside its field, with the line."""
    sound: bool = form.validate()
    for column in service.COLUMNS:
        problem = None if form[column].errors else service.problem_of(event, column, form[column].data)
        if problem:
            form[column].errors, sound = [str(problem)], False
    return sound


def _shown(event: str, form: TemplateForm) -> dict[str, object]:
    samples = {column: service.sample_of(event, column, form[column].data or "") for column in ("subject", "text")}
    return {"event": event, "texts": service.texts_of(event), "samples": samples, "columns": service.COLUMNS}


def _form(event: str, form: TemplateForm, status: int = 200, *, is_preview: bool = False) -> Response:
    title = notices.EVENTS[event]
    values = {"form": form, "title": title, "variables": VARIABLES[event], "is_preview": is_preview, **_shown(event, form)}
    return htmx.page_or_partial("templates/edit.html", {"preview": "templates/_preview.html"}, status, **values)
