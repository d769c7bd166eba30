"""A mail server that keeps every mail in memory, and a page to read them."""

from __future__ import annotations

import email
import email.policy
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

from aiosmtpd.smtp import SMTP, Envelope, Session

from panel.demo import inbox_pages as pages
from panel.demo.mail_server import MailServer
from panel.simulators.http import Answer, Call, Simulator

#: A mail is shown as its sender wrote it, but can neither run anything nor load anything; its links open in a new tab.
SANDBOX = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
OWN_PAGES = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
KEPT = 1000


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """One mail as it came in; `number` counts from 1."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]

    @classmethod
    def read(cls, number: int, sender: str, recipients: list[str], raw: bytes) -> Mail:
        """From its source."""
        message = email.message_from_bytes(raw, policy=email.policy.default)
        return cls(
            number=number,
            at=datetime.now(UTC),
            sender=sender,
            recipients=tuple(recipients),
            subject=str(message.get("Subject", "")),
            text=_part(message, "plain"),
            html=_part(message, "html"),
            attachments=tuple(
                Attachment(part.get_filename() or "attachment", part.get_payload(decode=True) or b"")  # type: ignore[arg-type]
                for part in message.iter_attachments()
            ),
        )


class Inbox(Simulator):
    """The page is served by `start`, mails are taken in by `receive`."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Mail] = []
        self._taken = 0
        self._server_for_mails: MailServer | None = None

    def receive(self, listener: socket.socket | None = None) -> int:
        """Take mails in on a free loopback port, or on a socket that listens already; gives the port."""
        self._server_for_mails = MailServer(self, listener)
        self._server_for_mails.start()
        return self._server_for_mails.port

    def stop(self) -> None:
        """No more mails, no page."""
        if self._server_for_mails is not None:
            self._server_for_mails.stop()
            self._server_for_mails = None
        super().stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """What the mail server calls for each mail."""
        content = envelope.content or b""
        raw = content.encode() if isinstance(content, str) else content
        with self.lock:
            self._taken += 1
            self.mails.append(Mail.read(self._taken, envelope.mail_from or "", list(envelope.rcpt_tos), raw))
            del self.mails[:-KEPT]
        return "250 Taken"

    def answer(self, call: Call) -> Answer:
        """`/` the list, `/mails/N` one mail, `/mails/N/html` its HTML alone, `/mails/N/files/I` a file, `/mails.json` all as JSON."""
        if call.method not in ("GET", "HEAD"):
            return _page("Only reading is possible here.", 405)
        if call.path == "/":
            return _page(pages.listing(self.mails[::-1]))
        if call.path == "/mails.json":
            return Answer.of_json([_as_json(mail) for mail in self.mails])
        found = re.fullmatch(r"/mails/(\d{1,9})(/html|/files/(\d{1,3}))?", call.path)
        mail = next((mail for mail in self.mails if found and mail.number == int(found[1])), None)
        if mail is None or found is None:
            return _page(pages.missing(), 404)
        if found[3] is not None:
            return _file(mail, int(found[3]))
        return _framed(mail) if found[2] else _page(pages.reading(mail))


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _page(html: str, status: int = 200) -> Answer:
    return Answer(status, html.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": OWN_PAGES, "Cache-Control": "no-store"})


def _framed(mail: Mail) -> Answer:
    html = f'<!doctype html><base target="_blank">{mail.html}'
    return Answer(200, html.encode(), "text/html; charset=utf-8", {"Content-Security-Policy": SANDBOX})


def _file(mail: Mail, number: int) -> Answer:
    if number >= len(mail.attachments):
        return _page(pages.missing(), 404)
    file = mail.attachments[number]
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}", "X-Content-Type-Options": "nosniff"}
    return Answer(200, file.content, "application/octet-stream", headers)


def _as_json(mail: Mail) -> dict[str, Any]:
    return {
        "number": mail.number,
        "at": mail.at.isoformat(),
        "sender": mail.sender,
        "recipients": list(mail.recipients),
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "attachments": [file.name for file in mail.attachments],
    }
