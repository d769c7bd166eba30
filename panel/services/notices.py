"""What is told by mail, to whom, and why not; texts come from templates that an admin may override, rendered in a sandbox."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import exists, select

from panel.config import ROOT
from panel.domain.platform import Platform
from panel.domain.statuses import MigrationStatus, MoveStatus
from panel.extensions import config, db
from panel.models import Email, EmailTemplate, Migration, Move, Server, Setting
from panel.services import apart
from panel.services.apart import TextProblem, Tried
from panel.services.claims.unclaimed import is_unclaimed
from panel.services.template_room import sandbox

SYSTEM_MESSAGE, ACCOUNT_MOVED = "system_message", "account_moved"
log = logging.getLogger(__name__)

EVENTS = {SYSTEM_MESSAGE: "System Message", ACCOUNT_MOVED: "Account Moved"}
FOLDER = Path(ROOT) / "templates" / "emails"
PARTS = ("subject.txt", "body.txt", "body.html")
#: The most characters an admin's text may become: the subject, and the other parts (a line for each of ten thousand people fits).
MOST_SUBJECT, MOST_TEXT = 500, 2_000_000


@dataclass(frozen=True)
class Rendered:
    """A mail's three parts."""

    subject: str
    text: str
    html: str


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


def tried(event: str, part: str, source: str, situations: Sequence[Mapping[str, Any]]) -> Tried:
    """What becomes of a text for this part (empty: the text that ships) in each situation."""
    html = part.endswith(".html")
    if not source or source == shipped(event, part):
        return Tried(tuple(sandbox(html=html).from_string(shipped(event, part)).render(values) for values in situations))
    return apart.render(source, situations, html=html, most=MOST_SUBJECT if part.startswith("subject") else MOST_TEXT)


def check(event: str, part: str, source: str, values: Mapping[str, Any]) -> TextProblem | None:
    """What is wrong with a text for this part, tried with these values; `None` when it works."""
    return tried(event, part, source, [values]).problem


def why_no_mail_of(run: Migration) -> str:
    """Why the end of this very run is reported by no mail; empty when it is."""
    return _why_no_news(run) or why_no_result_mail()


def _why_no_news(run: Migration) -> str:
    if run.started_at is None and run.status is MigrationStatus.CANCELLED:
        return "The run was cancelled before it began."
    follows = db.session.scalar(select(exists().where(Migration.follows_id == run.id)))
    moved = exists().where(Move.migration_id == run.id, Move.status.in_((MoveStatus.MOVED, MoveStatus.INVITED)))
    if follows and not db.session.scalar(select(moved)):
        return "Nobody could be moved in this round; the next one follows by itself."
    return ""


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


def people_are_told() -> bool:
    """Whether moved people get mails: the template is on and there is a mail server."""
    return is_enabled(ACCOUNT_MOVED) and bool(Setting.current().smtp_host)


def account_moved(run: Migration, move: Move, *, created: bool) -> None:
    """Put the mail to the moved person into the outbox, where there is something to tell and an address; flushed by the caller, who has
    asked `people_are_told`.

    Its text is rendered when it is sent: only then the claim link is made, of which nothing but a hash may be stored. An account that an
    earlier run made and nobody has claimed is as good as created: without the link nobody can open it.
    """
    address = address_of(move)
    if not address or move.account_mail:
        return
    if move.accepted if run.target.platform is Platform.PLEX else not (created or is_unclaimed(run, move)):
        return
    db.session.add(Email(event=ACCOUNT_MOVED, migration_id=run.id, move_id=move.id, recipient=address))
    move.account_mail = "queued"


def why_no_links(target: Server) -> str:
    """Why people who get a new account on this server hear nothing of the link to choose their password; empty when they do."""
    if target.platform is Platform.PLEX:
        return ""
    if not is_enabled(ACCOUNT_MOVED):
        return "the notification Account Moved is switched off"
    if not Setting.current().smtp_host:
        return "no mail server is set"
    return "" if public_url() else "the public address of this panel is not set"


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
    return link_to(f"/claim/{token}")


def public_url() -> str:
    """The address people reach the panel at: `PANEL_PUBLIC_URL`, else the one set on the page; empty when neither is."""
    return config().public_url or Setting.current().public_url


def link_to(path: str) -> str:
    """The address of a page of this panel; empty while the public address is not set."""
    base = public_url()
    return f"{base}{path}" if base else ""


def _render_part(event: str, name: str, own: str, values: Mapping[str, Any]) -> str:
    if own:
        # What an admin wrote must not keep a mail from being sent, however it goes wrong.
        found = tried(event, name, own, [values])
        if found.problem is None:
            return found.texts[0]
        log.error("The %s of %s that was written here cannot be used; the one that ships is sent. %s", name, event, found.problem)
    return tried(event, name, "", [values]).texts[0]
