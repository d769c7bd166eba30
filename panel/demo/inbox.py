"""A mail server that keeps every mail in memory, and a page to read them."""

from __future__ import annotations

import re
import socket
from typing import Any
from urllib.parse import quote

from aiosmtpd.smtp import SMTP, Envelope, Session

from panel.demo import inbox_pages as pages
from panel.demo.mail_server import MailServer
from panel.demo.received import Mail
from panel.simulators.http import Answer, Call, Simulator

#: A mail is shown as its sender wrote it, but can neither run anything nor load anything; its links open in a new tab.
SANDBOX = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
OWN_PAGES = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
KEPT = 1000


class Inbox(Simulator):
    """The page is served by `start`, mails are taken in by `receive`."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Mail] = []
        self._taken = 0
        self._mail_server: MailServer | None = None

    def receive(self, listener: socket.socket | None = None) -> int:
        """Take mails in on a free loopback port, or on a socket that listens already; gives the port."""
        self._mail_server = MailServer(self, listener)
        self._mail_server.start()
        return self._mail_server.port

    def stop(self) -> None:
        """No more mails, no page."""
        if self._mail_server is not None:
            self._mail_server.stop()
            self._mail_server = None
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
