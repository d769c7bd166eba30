"""The text of a notification."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField, TextAreaField

from panel.web.forms.kinds import AtMost

LONGEST = 100_000


def _lines(value: str | None) -> str:
    return (value or "").replace("\r\n", "\n").strip()


class TemplateForm(FlaskForm):
    """Switch and three parts; an empty part means the text that ships."""

    enabled = BooleanField("Send this notification")
    subject = StringField("Subject", [AtMost(1000)], filters=[_lines])
    text = TextAreaField("Text", [AtMost(LONGEST)], filters=[_lines])
    html = TextAreaField("HTML", [AtMost(LONGEST)], filters=[_lines])
