"""A real SMTP server on a loopback port that keeps what it is sent, or refuses it."""

from __future__ import annotations

import email
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import AuthResult

from panel.demo.mail_server import MailServer
from panel.extensions import db
from panel.models import Setting, SmtpSecurity

ADMIN = "olga@example.test"


class Mailbox:
    """What has arrived. `refusal`: what the server answers instead of taking a mail, such as `550 No.`"""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusal = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """One mail."""
        if self.refusal:
            return self.refusal
        message = email.message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 Taken"


@contextmanager
def running_mailbox(*, login: tuple[str, str] | None = None) -> Iterator[Mailbox]:
    """Listens while inside; the installation is told of it and of an administrator address. With a `login`, user name and password,
    nobody is listened to without it."""
    mailbox = Mailbox()
    server = MailServer(mailbox)
    if login is not None:
        server.SMTP_kwargs.update(auth_required=True, auth_require_tls=False, authenticator=asking_for(*login))
    server.start()
    mailbox.port = server.port
    tell(mailbox.port)
    try:
        yield mailbox
    finally:
        server.stop()


def asking_for(name: str, password: str) -> Callable[..., AuthResult]:
    """What aiosmtpd asks who signs in."""

    def judge(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=(given.login, given.password) == (name.encode(), password.encode()))

    return judge


def tell(port: int) -> None:
    """The settings that lead to a mail server on this port."""
    setting = Setting.current()
    setting.admin_email, setting.smtp_host, setting.smtp_port = ADMIN, "127.0.0.1", port
    setting.smtp_security, setting.smtp_sender = SmtpSecurity.NONE, "panel@example.test"
    db.session.commit()
