"""The texts an admin has given notifications: what stands there now, trying them, keeping them, going back to those that ship."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from panel.extensions import db
from panel.models import EmailTemplate
from panel.services import notices
from panel.services.apart import TextProblem, Tried
from panel.services.notice_samples import SAMPLES

#: The columns of a template and the parts of a mail they stand for.
COLUMNS = dict(zip(("subject", "text", "html"), notices.PARTS, strict=True))


@dataclass(frozen=True)
class NoticeTexts:
    """What a notification says now. `own`: the columns in which an admin's text goes before the one that ships."""

    event: str
    label: str
    enabled: bool
    subject: str
    text: str
    html: str
    own: frozenset[str]


def texts_of(event: str) -> NoticeTexts:
    """The texts in force, the shipped ones where an admin has written none."""
    row = db.session.get(EmailTemplate, event)
    stored = {column: getattr(row, column) if row else "" for column in COLUMNS}
    shown = {column: stored[column] or shipped(event, column) for column in COLUMNS}
    own = frozenset(column for column, text in stored.items() if text)
    return NoticeTexts(event, notices.EVENTS[event], notices.is_enabled(event), own=own, **shown)


def shipped(event: str, column: str) -> str:
    """The text that ships, without the line break at its end."""
    return notices.shipped(event, COLUMNS[column]).strip()


def problem_of(event: str, column: str, text: str) -> TextProblem | None:
    """What is wrong with a text in any of the situations it has to work in."""
    return _tried(event, column, text).problem


def sample_of(event: str, column: str, text: str) -> str:
    """A text as it comes out with sample values; empty when something is wrong with it."""
    made = next(iter(_tried(event, column, text).texts), "")
    return " ".join(made.split()) if column == "subject" else made


@functools.lru_cache(maxsize=32)
def _tried(event: str, column: str, text: str) -> Tried:
    """Kept, as a page asks for what is wrong with a text and for how it looks."""
    return notices.tried(event, COLUMNS[column], text, SAMPLES[event])


def keep(event: str, enabled: bool, texts: Mapping[str, str]) -> None:
    """Store switch and texts, flushed; a text that is the shipped one is not stored, so that it stays in step with later releases."""
    row = _row(event)
    row.enabled = enabled
    for column in COLUMNS:
        setattr(row, column, "" if texts[column] == shipped(event, column) else texts[column])
    db.session.flush()


def reset(event: str) -> None:
    """Back to the texts that ship, flushed; the switch stays."""
    row = _row(event)
    row.subject = row.text = row.html = ""
    db.session.flush()


def _row(event: str) -> EmailTemplate:
    row = db.session.get(EmailTemplate, event)
    if row is None:
        row = EmailTemplate(event=event, enabled=True, subject="", text="", html="")
        db.session.add(row)
    return row
