"""Sending what stands in the outbox by SMTP: each mail claimed by one sender, an unclear outcome left to a person."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from typing import Any

from sqlalchemy import or_, select, update

from panel.extensions import db, execute
from panel.models import Email, EmailStatus, Move, Setting, SmtpSecurity
from panel.models.types import utc_now
from panel.services import claims, notices

log = logging.getLogger(__name__)

TIMEOUT_S = 20.0
#: While a person waits for the answer.
HURRIED_S = 6.0
#: Seconds before each new try of a mail that was certainly not accepted.
RETRY_WAITS_S = (10.0, 60.0, 300.0)


class MailRefused(Exception):
    """The mail server did not take the mail; `str(error)` is a sentence with its own answer. `retryable`: it may do so later."""

    def __init__(self, sentence: str, *, retryable: bool) -> None:
        super().__init__(sentence)
        self.retryable = retryable


@dataclass(frozen=True)
class Taken:
    """What the mail server has said to a mail it took. `left_out`: a sentence on the recipients it did not take while it took others (else
    empty); `reply`: its own words, such as “250 2.0.0 Ok: queued as 4F2”."""

    left_out: str
    reply: str


class _Plain(smtplib.SMTP):
    """Keeps the answer to the message itself, which `send_message` does not hand on."""

    reply = ""

    def data(self, msg: Any) -> tuple[int, bytes]:
        code, said = super().data(msg)
        self.reply = f"{code} {_text(said)}"
        return code, said


class _OverTls(_Plain, smtplib.SMTP_SSL):
    """The same where TLS comes first."""


def due() -> list[int]:
    """The mails to be sent now."""
    now = utc_now()
    # One that waits for longer than any does was put off before the clock was put back.
    longest = now + timedelta(seconds=max(RETRY_WAITS_S))
    waiting = or_(Email.not_before.is_(None), Email.not_before <= now, Email.not_before > longest)
    return list(db.session.scalars(select(Email.id).where(Email.status == EmailStatus.QUEUED, waiting).order_by(Email.id)))


def send(email_id: int) -> None:
    """Claim and send one mail, and record how it went. Commits. A mail somebody else has claimed is left alone.

    A crash after this point leaves the mail in `sending`: SMTP cannot be asked whether it was accepted, so a person decides.
    """
    claimed = execute(
        update(Email)
        .where(Email.id == email_id, Email.status == EmailStatus.QUEUED)
        .values(status=EmailStatus.SENDING, attempts=Email.attempts + 1)
    )
    db.session.commit()
    if claimed != 1:
        return
    mail = db.session.get_one(Email, email_id, populate_existing=True)
    setting = Setting.current()
    try:
        left_out = deliver(_written(mail), setting).left_out
    except MailRefused as error:
        _record_refusal(mail, error)
    else:
        setting.smtp_proved = setting.smtp_settings
        mail.status, mail.sent_at, mail.error = EmailStatus.SENT, utc_now(), left_out
    db.session.commit()


def _written(mail: Email) -> EmailMessage:
    """The message. Raises `MailRefused` for one that cannot be written: addresses and texts come from many hands."""
    try:
        return _message(mail)
    except Exception as error:
        db.session.rollback()
        log.exception("Mail %s could not be written.", mail.id)
        raise MailRefused(f"The mail could not be written ({type(error).__name__}): check its address.", retryable=False) from None


def send_again(mail: Email) -> None:
    """Put a mail back into the outbox, by a person's decision. Flushed."""
    mail.status, mail.attempts, mail.not_before, mail.error = EmailStatus.QUEUED, 0, None, ""
    mail.recipient = Setting.current().admin_email if mail.event == notices.SYSTEM_MESSAGE else mail.recipient
    db.session.flush()


def send_test(recipients: str, setting: Setting) -> Taken:
    """Send a short mail right now with settings that need not be stored; what `deliver` answers. Raises `MailRefused`."""
    message = _envelope(recipients, "Streamferry: test mail", setting)
    message.set_content("This is a test mail of Streamferry. If you can read it, mail works.\n")
    return deliver(message, setting, HURRIED_S)


def deliver(message: EmailMessage, setting: Setting, timeout_s: float = TIMEOUT_S) -> Taken:
    """Hand one message to the mail server.

    Raises `MailRefused`.
    """
    where = f"The mail server {setting.smtp_host}:{setting.smtp_port}"
    try:
        with _connected(setting, timeout_s) as server:
            if setting.smtp_username:
                server.login(setting.smtp_username, setting.smtp_password or "")
            left_out = _left_out(server.send_message(message))
            return Taken(left_out, server.reply)
    except smtplib.SMTPAuthenticationError as error:
        raise MailRefused(f"{where} refused the user name or password ({_said(error)}).", retryable=False) from None
    except smtplib.SMTPRecipientsRefused as error:
        said = "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
        raise MailRefused(f"{where} refused the recipient ({said}).", retryable=False) from None
    except smtplib.SMTPNotSupportedError:
        raise MailRefused(f"{where} does not offer the encryption or sign-in that is set.", retryable=False) from None
    except smtplib.SMTPResponseException as error:
        raise MailRefused(f"{where} refused the mail ({_said(error)}).", retryable=400 <= error.smtp_code < 500) from None
    except ssl.SSLError:
        raise MailRefused(f"{where} could not be reached over TLS: check the port and the security setting.", retryable=False) from None
    except (OSError, smtplib.SMTPException) as error:
        raise MailRefused(f"{where} could not be reached: {_why(error)}", retryable=True) from None


def _why(error: Exception) -> str:
    """What a person can look after when a mail server does not answer."""
    if isinstance(error, socket.gaierror):
        return "there is no host of this name."
    if isinstance(error, ConnectionRefusedError):
        return "nothing answers there. Check host and port."
    if isinstance(error, TimeoutError):
        return "it did not answer in time. Check host, port and firewall."
    return f"the connection broke ({type(error).__name__})."


def _left_out(refused: Mapping[str, tuple[int, bytes]]) -> str:
    said = "; ".join(f"{address}: {code} {_text(text)}" for address, (code, text) in refused.items())
    return f"Not everybody got it. The mail server refused {said}." if said else ""


def _connected(setting: Setting, timeout_s: float) -> _Plain:
    context = ssl.create_default_context()
    if setting.smtp_security is SmtpSecurity.TLS:
        return _OverTls(setting.smtp_host, setting.smtp_port, timeout=timeout_s, context=context)
    server = _Plain(setting.smtp_host, setting.smtp_port, timeout=timeout_s)
    if setting.smtp_security is SmtpSecurity.STARTTLS:
        try:
            server.starttls(context=context)
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
    return server


def _message(mail: Email) -> EmailMessage:
    parts = notices.Rendered(mail.subject, mail.text, mail.html)
    if mail.event == notices.ACCOUNT_MOVED and mail.move_id is not None:
        move = db.session.get_one(Move, mail.move_id)
        token = "" if move.migration.target.platform == "plex" else claims.make(claims.CLAIM, move.id)
        parts = notices.render(mail.event, notices.account_moved_values(move, notices.claim_link(token) if token else ""))
        mail.subject = parts.subject
        db.session.commit()
    message = _envelope(mail.recipient, parts.subject, Setting.current())
    message.set_content(parts.text)
    message.add_alternative(parts.html, subtype="html")
    if mail.attachment_name:
        message.add_attachment(mail.attachment.encode(), maintype="text", subtype="csv", filename=mail.attachment_name)
    return message


def _envelope(recipients: str, subject: str, setting: Setting) -> EmailMessage:
    """The head of a mail. `recipients`: one address, or several parted by commas."""
    addresses = [address for _name, address in getaddresses([recipients]) if address] or [recipients]
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = setting.smtp_sender or setting.smtp_username or addresses[0]
    message["To"] = ", ".join(addresses)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="streamferry.invalid")
    message["Auto-Submitted"] = "auto-generated"
    return message


def _record_refusal(mail: Email, error: MailRefused) -> None:
    mail.error = str(error)
    if error.retryable and mail.attempts <= len(RETRY_WAITS_S):
        mail.status, mail.not_before = EmailStatus.QUEUED, utc_now() + timedelta(seconds=RETRY_WAITS_S[mail.attempts - 1])
    else:
        mail.status = EmailStatus.FAILED
    log.warning("Mail %s was not sent: %s", mail.id, error)


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(said: bytes | str) -> str:
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).strip()[:200]
