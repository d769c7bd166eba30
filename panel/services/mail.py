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

from sqlalchemy import or_, select, update

from panel.extensions import db, execute
from panel.models import Email, EmailStatus, Move, Setting, SmtpSecurity
from panel.models.types import utc_now
from panel.services import notices, smtp
from panel.services.claims import links

log = logging.getLogger(__name__)

TIMEOUT_S = 20.0
#: For the answer to the message itself: a server may look into it first, and giving up on it means not to know.
ANSWER_S = 120.0
#: While a person waits for the answer.
HURRIED_S = 6.0
#: Seconds before each new try of a mail that was certainly not accepted.
RETRY_WAITS_S = (10.0, 60.0, 300.0)


class MailRefused(Exception):
    """The mail server did not take the mail; `str(error)` is a sentence with its own answer. `retryable`: it may do so later."""

    def __init__(self, sentence: str, *, retryable: bool) -> None:
        super().__init__(sentence)
        self.retryable = retryable


class MailUnclear(MailRefused):
    """The message has left and no answer to it came: whether it was taken is not known, and it is not sent again unasked."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, retryable=False)


class NotOffered(smtplib.SMTPException):
    """The mail server does not have what is set; `str(error)` is the end of a sentence with what it says it has instead."""

    def __init__(self, what: str, instead: str, server: smtplib.SMTP) -> None:
        offers = ", ".join(_text(server.ehlo_resp or b"").splitlines()[1:]) or "nothing"
        super().__init__(f"does not offer {what}. It offers: {offers}. {instead}")


@dataclass(frozen=True)
class Taken:
    """What the mail server has said to a mail it took. `left_out`: a sentence on the recipients it did not take while it took others (else
    empty); `reply`: its own words, such as “250 2.0.0 Ok: queued as 4F2”."""

    left_out: str
    reply: str


def due() -> list[int]:
    """The mails to be sent now."""
    now = utc_now()
    # One that waits for longer than any does was put off before the clock was put back.
    longest = now + timedelta(seconds=max(RETRY_WAITS_S))
    waiting = or_(Email.not_before.is_(None), Email.not_before <= now, Email.not_before > longest)
    return list(db.session.scalars(select(Email.id).where(Email.status == EmailStatus.QUEUED, waiting).order_by(Email.id)))


def send(email_id: int) -> None:
    """Claim and send one mail, and record how it went. Commits. A mail somebody else has claimed is left alone.

    A crash after this point leaves the mail in `sending`, and so does a message that got no answer: SMTP cannot be asked whether it was
    accepted, so a person decides.
    """
    claimed = execute(
        update(Email)
        .where(Email.id == email_id, Email.status == EmailStatus.QUEUED)
        .values(status=EmailStatus.SENDING, attempts=Email.attempts + 1, error="")
    )
    db.session.commit()
    if claimed != 1:
        return
    mail = db.session.get_one(Email, email_id, populate_existing=True)
    try:
        message, setting = _written(mail), _setting_by_itself()
        # Nothing stays open while the mail server is asked, which may take minutes.
        db.session.commit()
        left_out = deliver(message, setting).left_out
    except MailRefused as error:
        _record_refusal(mail, error)
    else:
        Setting.current().smtp_proved = setting.smtp_settings
        mail.status, mail.sent_at, mail.error = EmailStatus.SENT, utc_now(), left_out
    db.session.commit()


def _setting_by_itself() -> Setting:
    """How mail is sent, to be read without the database."""
    setting = Setting.current()
    db.session.expunge(setting)
    return setting


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
    return deliver(message, setting, hurried=True)


def deliver(message: EmailMessage, setting: Setting, *, hurried: bool = False) -> Taken:
    """Hand one message to the mail server; `hurried` where a person waits.

    Raises `MailRefused`, as `MailUnclear` where it may have been taken all the same.
    """
    where = f"The mail server {setting.smtp_host}:{setting.smtp_port}"
    try:
        server = _connected(setting, HURRIED_S if hurried else TIMEOUT_S)
    except Exception as error:
        raise _refusal(where, error) from None
    server.answer_s = HURRIED_S if hurried else ANSWER_S
    try:
        if setting.smtp_username:
            _sign_in(server, setting)
        left_out = _left_out(server.send_message(message))
    except Exception as error:
        if server.left_unanswered:
            raise MailUnclear(
                f"{where} was given the mail and did not say whether it took it ({type(error).__name__}). It may have arrived: "
                "ask the recipient before it is sent again."
            ) from None
        raise _refusal(where, error) from None
    finally:
        server.leave()
    return Taken(left_out, server.reply)


def _refusal(where: str, error: Exception) -> MailRefused:
    """What went wrong before the message had left, or instead of taking it, in words."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return MailRefused(f"{where} refused the user name or password ({_said(error)}).", retryable=False)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
        return MailRefused(f"{where} refused the recipient ({said}).", retryable=False)
    if isinstance(error, NotOffered):
        return MailRefused(f"{where} {error}", retryable=False)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return MailRefused(f"{where} takes addresses in plain letters (ASCII) only: look at sender and recipient.", retryable=False)
    if isinstance(error, smtplib.SMTPResponseException):
        return MailRefused(f"{where} refused the mail ({_said(error)}).", retryable=400 <= error.smtp_code < 500)
    if isinstance(error, ssl.SSLError):
        return MailRefused(f"{where} could not be reached over TLS: check the port and the security setting.", retryable=False)
    if isinstance(error, (OSError, smtplib.SMTPException)):
        return MailRefused(f"{where} could not be reached: {_why(error)}", retryable=True)
    log.error("A mail could not be handed to a mail server.", exc_info=error)
    # Nothing that comes over the wire: what is typed cannot be sent as it is.
    return MailRefused(
        f"The mail could not be sent ({type(error).__name__}): look at host, user name, password, sender and recipient for a character "
        "that does not belong there.",
        retryable=False,
    )


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


def _connected(setting: Setting, timeout_s: float) -> smtp.Connection:
    context = ssl.create_default_context()
    if setting.smtp_security is SmtpSecurity.TLS:
        return smtp.ConnectionOverTls(setting.smtp_host, setting.smtp_port, timeout=timeout_s, context=context)
    server = smtp.Connection(setting.smtp_host, setting.smtp_port, timeout=timeout_s)
    if setting.smtp_security is SmtpSecurity.STARTTLS:
        try:
            server.starttls(context=context)
        except smtplib.SMTPNotSupportedError:
            server.close()
            raise NotOffered("STARTTLS", "Choose another security, mostly TLS with port 465.", server) from None
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
    return server


def _sign_in(server: smtplib.SMTP, setting: Setting) -> None:
    """Raises `NotOffered`, or what `smtplib` raises."""
    try:
        server.login(setting.smtp_username, setting.smtp_password or "")
    except smtplib.SMTPException as error:
        # That none of the ways to sign in is known here has no exception of its own.
        if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
            instead = "Choose another security, or leave the user name empty."
            raise NotOffered("to sign in in a way the panel knows", instead, server) from None
        raise


def _message(mail: Email) -> EmailMessage:
    parts = notices.Rendered(mail.subject, mail.text, mail.html)
    if mail.event == notices.ACCOUNT_MOVED and mail.move_id is not None:
        move = db.session.get_one(Move, mail.move_id)
        token = "" if move.migration.target.platform == "plex" else links.make(links.CLAIM, move.id)
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
    if isinstance(error, MailUnclear):
        log.warning("Mail %s was perhaps sent: %s", mail.id, error)
        return
    if error.retryable and mail.attempts <= len(RETRY_WAITS_S):
        mail.status, mail.not_before = EmailStatus.QUEUED, utc_now() + timedelta(seconds=RETRY_WAITS_S[mail.attempts - 1])
    else:
        mail.status = EmailStatus.FAILED
    log.warning("Mail %s was not sent: %s", mail.id, error)


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(said: bytes | str) -> str:
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).strip()[:200]
