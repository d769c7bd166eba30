"""What is asked or typed in one go, a form or a question before a change: a page of its own, or the content of the dialog."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Response, request
from flask_wtf import FlaskForm

from panel.web import htmx

Back = tuple[str, str]
#: A sheet of which nothing is asked for alone.
NO_PARTS: Mapping[str, str] = MappingProxyType({})


def sheet(part: str, title: str, back: Back, status: int = 200, smaller: Mapping[str, str] = NO_PARTS, **values: Any) -> Response:
    """The template `part` under a title; `back`: label and address of the page it belongs to; `here`: where its form is sent, this very
    address without its query unless another is given; `smaller`: what of it HTMX may ask for alone, element id to template."""
    in_dialog = htmx.targets(htmx.DIALOG)
    if not in_dialog:
        values["part"] = part
    values.setdefault("here", request.path)
    return htmx.page_or_partial("sheet.html", {**smaller, htmx.DIALOG: part}, status, title=title, back=back, in_dialog=in_dialog, **values)


def ask(title: str, back: Back, sentences: list[str], verb: str, why_not: str = "", status: int = 200, **values: Any) -> Response:
    """The question before a change, sent by POST to the address it is asked at. `why_not`: why it cannot be done. `leave`, where given, is
    what not doing it is called."""
    return sheet("_question.html", title, back, status, sentences=sentences, verb=verb, why_not=why_not, **values)


def tested(name: str, back: Back, folder: str, mend: Back, *, failed: bool, **values: Any) -> Response:
    """What asking a server or an account now has shown, by the templates of `folder`; `mend`: what can be done about it if it `failed`.
    Behind the dialog its row in the list says the same."""
    values.update(outcome=f"{folder}/_connection.html", row=f"{folder}/_row.html", mend=mend, failed=failed)
    return sheet("_tested.html", f"Test of {name}", back, **values)


def blame(form: FlaskForm, error: ValueError, column: str) -> None:
    """Put a service's refusal beside the field it is about."""
    field = form[getattr(error, "column", column)]
    field.errors = [*field.errors, str(error)]
