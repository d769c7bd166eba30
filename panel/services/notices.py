"""From what happened to a row in the outbox; texts come from templates that an admin may override, rendered in a sandbox."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from panel.config import ROOT
from panel.domain.platform import Platform
from panel.domain.statuses import MoveStatus
from panel.extensions import config, db
from panel.models import Email, EmailTemplate, Migration, Move, Setting

SYSTEM_MESSAGE, ACCOUNT_MOVED = "system_message", "account_moved"
log = logging.getLogger(__name__)

EVENTS = {SYSTEM_MESSAGE: "System Message", ACCOUNT_MOVED: "Account Moved"}
FOLDER = Path(ROOT) / "templates" / "emails"
PARTS = ("subject.txt", "body.txt", "body.html")
#: What an admin's text may do wrong while it is rendered.
SPOILS = (TemplateError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError)


@dataclass(frozen=True)
class Rendered:
    """A mail's three parts."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class TextProblem:
    """What is wrong with a template: the line it happens in (from 1) and a sentence."""

    line: int
    sentence: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.sentence}"


def is_enabled(event: str) -> bool:
    """Whether the template is switched on (both are, until an admin says otherwise)."""
    template = db.session.get(EmailTemplate, event)
    return template is None or template.enabled


def render(event: str, values: Mapping[str, Any]) -> Rendered:
    """The event's three templates with these values; a part the admin's text spoils falls back on the one that ships."""
    override = db.session.get(EmailTemplate, event)
    own = (override.subject, override.text, override.html) if override else ("", "", "")
    subject, text, html = (_render_part(event, name, part, values) for name, part in zip(PARTS, own, strict=True))
    return Rendered(" ".join(subject.split()), text.strip() + "\n", html)


def shipped(event: str, part: str) -> str:
    """The template that ships (`part`: subject.txt, body.txt or body.html)."""
    return (FOLDER / event / part).read_text(encoding="utf-8")


def render_text(event: str, part: str, source: str, values: Mapping[str, Any]) -> str:
    """One part from a text that is not stored yet (empty: the text that ships). Raises what `check` makes sentences of."""
    return _sandbox(html=part.endswith(".html")).from_string(source or shipped(event, part)).render(values)


def check(event: str, part: str, source: str, values: Mapping[str, Any]) -> TextProblem | None:
    """What is wrong with a text for this part, tried with these values; `None` when it works."""
    try:
        render_text(event, part, source, values)
    except TemplateSyntaxError as error:
        return TextProblem(error.lineno, _sentence(error.message or "This cannot be understood."))
    except SPOILS as error:
        return TextProblem(_line_of(error), _sentence(str(error) or type(error).__name__))
    return None


def run_ended(run: Migration) -> Email | None:
    """Put the result mail of a run into the outbox; flushed. `None` when none is to be sent (`why_no_result_mail` says why)."""
    from panel.services.report import run_csv

    if why_no_result_mail():
        return None
    mail = render(SYSTEM_MESSAGE, result_values(run))
    row = Email(
        event=SYSTEM_MESSAGE,
        migration_id=run.id,
        recipient=Setting.current().admin_email,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        attachment_name=f"migration-{run.id}.csv",
        attachment=run_csv(run),
    )
    db.session.add(row)
    db.session.flush()
    return row


def why_no_result_mail() -> str:
    """Why no result mail is sent; empty when one is."""
    setting = Setting.current()
    if not is_enabled(SYSTEM_MESSAGE):
        return "The System Message template is switched off."
    if not setting.admin_email:
        return "No administrator address is set."
    if not setting.smtp_host:
        return "No mail server (SMTP) is set."
    return ""


def result_values(run: Migration) -> dict[str, Any]:
    """What the System Message template may use."""
    from panel.services.report import counts_of, detail_of, moves_now

    moves = db.session.scalars(moves_now(run.id)).all()
    stayed = [move for move in moves if move.status not in (MoveStatus.MOVED, MoveStatus.INVITED)]
    return {
        "run": {"id": run.id, "status": run.status.value, "note": run.note, "problem": run.problem},
        "source": run.source.name,
        "target": run.target.name,
        "counts": vars(counts_of(run.id)),
        "stayed": [{"name": move.name, "status": move.status.value, "why": detail_of(move)} for move in stayed],
        "invited": [move.name for move in moves if move.status is MoveStatus.INVITED],
        "remarks": [{"name": move.name, "what": move.remark} for move in moves if move.remark and move not in stayed],
        "link": _link(f"/migrations/{run.id}"),
    }


def people_are_told() -> bool:
    """Whether moved people get mails: the template is on and there is a mail server."""
    return is_enabled(ACCOUNT_MOVED) and bool(Setting.current().smtp_host)


def account_moved(run: Migration, move: Move, *, created: bool) -> None:
    """Put the mail to the moved person into the outbox, where there is something to tell and an address; flushed by the caller, who has
    asked `people_are_told`.

    Its text is rendered when it is sent: only then the claim link is made, of which nothing but a hash may be stored.
    """
    tells = (run.target.platform is Platform.PLEX and not move.accepted) or (run.target.platform is not Platform.PLEX and created)
    address = address_of(move)
    if not tells or not address or move.account_mail:
        return
    db.session.add(Email(event=ACCOUNT_MOVED, migration_id=run.id, move_id=move.id, recipient=address))
    move.account_mail = "queued"


def address_of(move: Move) -> str:
    """Where this person reads mail: their own address, else the one a platform knows them by."""
    user = move.user
    return user.email or (user.plex_email if "@" in user.plex_email else "") or (user.emby_email if "@" in user.emby_email else "")


def account_moved_values(move: Move, claim_link: str) -> dict[str, Any]:
    """What the Account Moved template may use."""
    run = move.migration
    return {
        "name": move.name,
        "server": run.target.name,
        "platform": run.target.platform.label,
        "is_plex": run.target.platform is Platform.PLEX,
        "server_url": "https://app.plex.tv" if run.target.platform is Platform.PLEX else run.target.url,
        "account_name": move.account_name,
        "claim_link": claim_link,
    }


def claim_link(token: str) -> str:
    """The address a person opens to choose their password; empty while the panel's public address is not set."""
    return _link(f"/claim/{token}")


def public_url() -> str:
    """The address people reach the panel at: `PANEL_PUBLIC_URL`, else the one set on the page; empty when neither is."""
    return config().public_url or Setting.current().public_url


def _link(path: str) -> str:
    base = public_url()
    return f"{base}{path}" if base else ""


def _render_part(event: str, name: str, own: str, values: Mapping[str, Any]) -> str:
    environment = _sandbox(html=name.endswith(".html"))
    if own:
        try:
            return environment.from_string(own).render(values)
        except Exception:  # What an admin wrote must not keep a mail from being sent, however it goes wrong.
            log.exception("The %s of %s that was written here cannot be used; the one that ships is sent.", name, event)
    return environment.from_string(shipped(event, name)).render(values)


def _sandbox(*, html: bool) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _line_of(error: BaseException) -> int:
    """The line of the template an error came from: Jinja writes template lines into the traceback."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _sentence(text: str) -> str:
    text = text.strip()[:300]
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
