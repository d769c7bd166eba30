"""Sending what stands in the outbox by SMTP: each mail claimed by one sender, an unclear outcome left to a person."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.exc import DBAPIError

from panel.extensions import db, execute
from panel.models import Email, EmailStatus, Move, Setting
from panel.models.types import utc_now
from panel.services import notices, smtp
from panel.services.addresses import not_encoded, recipients_in
from panel.services.claims import links
from panel.services.shared_clock import shared_now

log = logging.getLogger(__name__)

TIMEOUT_S = 20.0
#: For the answer to the message itself: a server may look into it first, and giving up on it means not to know.
ANSWER_S = 120.0
#: For all of it at the most: a mail that is being sent for longer has lost its sender.
LASTS = timedelta(minutes=10)
LOST = "The panel stopped while it was being sent. It may have arrived: ask the recipient before it is sent again."
BEING_SENT = "The mail is being sent at this moment. Wait for what the mail server says to it."
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


@dataclass(frozen=True)
class Taken:
    """What the mail server has said to a mail it took. `left_out`: a sentence on the recipients it did not take while it took others (else
    empty); `reply`: its own words, such as “250 2.0.0 Ok: queued as 4F2”."""

    left_out: str
    reply: str


def due() -> list[int]:
    """The mails to be sent now. Commits."""
    _note_lost()
    now = utc_now()
    # One that waits for longer than any does was put off before the clock was put back.
    longest = now + timedelta(seconds=max(RETRY_WAITS_S))
    waiting = or_(Email.not_before.is_(None), Email.not_before <= now, Email.not_before > longest)
    return list(db.session.scalars(select(Email.id).where(Email.status == EmailStatus.QUEUED, waiting).order_by(Email.id)))


def _note_lost() -> None:
    """A mail whose sender was stopped is sent by nobody any more: a person is told that it may have arrived."""
    execute(update(Email).where(Email.status == EmailStatus.SENDING, Email.error == "", ~is_being_sent()).values(error=LOST))
    # Also where there was none: SQLite lets nobody else write until then, and the next thing may be a queue that does not answer.
    db.session.commit()


def is_being_sent() -> ColumnElement[bool]:
    """Of a mail: whether a sender is at it. One that has been sent for long, or has an error, is sent by nobody any more: whether the mail
    server took it is not known, and it stays as it is."""
    since = func.coalesce(Email.not_before, Email.created_at)
    # What lies further ahead was claimed before the clock was put back.
    now = shared_now()
    return and_(Email.status == EmailStatus.SENDING, Email.error == "", since > now - LASTS, since < now + LASTS)


def send(email_id: int) -> None:
    """Claim and send one mail, and record how it went. Commits. A mail somebody else has claimed is left alone.

    A crash after this point leaves the mail in `sending`, and so does a message that got no answer: SMTP cannot be asked whether it was
    accepted, so a person decides. Where one has decided before this sender was done, its verdict is of no more use.
    """
    since = shared_now()
    claimed = execute(
        update(Email)
        .where(Email.id == email_id, Email.status == EmailStatus.QUEUED)
        .values(status=EmailStatus.SENDING, attempts=Email.attempts + 1, error="", not_before=since)
    )
    db.session.commit()
    if claimed != 1:
        return
    mail = db.session.get_one(Email, email_id, populate_existing=True)
    attempts = mail.attempts
    try:
        (message, addresses), setting = _written(mail), _setting_by_itself()
        # Nothing stays open while the mail server is asked, which may take minutes.
        db.session.commit()
        left_out = deliver(message, addresses, setting).left_out
    except MailRefused as error:
        verdict = _after_refusal(email_id, attempts, error)
    else:
        Setting.current().smtp_proved = setting.smtp_settings
        verdict = {"status": EmailStatus.SENT, "sent_at": utc_now(), "error": left_out}
    # Also where it was taken for lost meanwhile, but not once it is somebody else's.
    mine = Email.id == email_id, Email.status == EmailStatus.SENDING, Email.not_before == since
    if execute(update(Email).where(*mine).values(verdict)) != 1:
        log.warning("Mail %s was put back into the outbox while it was being sent: how that went is not recorded.", email_id)
    db.session.commit()
    db.session.expire(mail)


def _setting_by_itself() -> Setting:
    """How mail is sent, to be read without the database."""
    setting = Setting.current()
    db.session.expunge(setting)
    return setting


def _written(mail: Email) -> tuple[EmailMessage, list[str]]:
    """The message, and to whom. Raises `MailRefused` for one that cannot be written: addresses and texts come from many hands."""
    try:
        addresses = recipients_in(mail.recipient)
        return _message(mail, addresses), addresses
    except DBAPIError as error:
        db.session.rollback()
        raise MailRefused(f"The database did not let the mail be written ({type(error).__name__}).", retryable=True) from None
    except Exception as error:
        db.session.rollback()
        log.exception("Mail %s could not be written.", mail.id)
        raise MailRefused(f"The mail could not be written ({type(error).__name__}): check its address.", retryable=False) from None


def why_not_again(mail: Email) -> str:
    """Why a mail cannot be put back into the outbox now; empty when it can."""
    return BEING_SENT if db.session.scalar(select(exists().where(Email.id == mail.id, is_being_sent()))) else ""


def send_again(mail: Email) -> str:
    """Put a mail back into the outbox, by a person's decision; flushed. Why not, where that is so."""
    recipient = Setting.current().admin_email if mail.event == notices.SYSTEM_MESSAGE else mail.recipient
    anew = {"status": EmailStatus.QUEUED, "attempts": 0, "not_before": None, "sent_at": None, "error": "", "recipient": recipient}
    done = execute(update(Email).where(Email.id == mail.id, ~is_being_sent()).values(anew))
    db.session.expire(mail)
    return "" if done else BEING_SENT


def send_test(recipients: str, setting: Setting) -> Taken:
    """Send a short mail right now with settings that need not be stored; what `deliver` answers. Raises `MailRefused`."""
    try:
        addresses = recipients_in(recipients)
        message = _envelope(addresses, "Streamferry: test mail", setting)
    # What reads addresses in the standard library may raise anything for one it does not expect.
    except Exception:
        raise MailRefused("The mail could not be written: check its addresses.", retryable=False) from None
    message.set_content("This is a test mail of Streamferry. If you can read it, mail works.\n")
    return deliver(message, addresses, setting, hurried=True)


def deliver(message: EmailMessage, addresses: Sequence[str], setting: Setting, *, hurried: bool = False) -> Taken:
    """Hand one message to the mail server, for these addresses whatever its head says; `hurried` where a person waits.

    Raises `MailRefused`, as `MailUnclear` where it may have been taken all the same.
    """
    where = f"The mail server {setting.smtp_host}:{setting.smtp_port}"
    try:
        server = smtp.connect(setting, HURRIED_S if hurried else TIMEOUT_S)
    except Exception as error:
        raise _refusal(where, error) from None
    server.answer_s = HURRIED_S if hurried else ANSWER_S
    try:
        if setting.smtp_username:
            smtp.sign_in(server, setting)
        left_out = _left_out(server.send_message(message, to_addrs=addresses))
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
        said = "; ".join(f"{code} {smtp.readable(text)}" for code, text in error.recipients.values())
        return MailRefused(f"{where} refused the recipient ({said}).", retryable=False)
    if isinstance(error, smtp.NotOffered):
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
    said = "; ".join(f"{address}: {code} {smtp.readable(text)}" for address, (code, text) in refused.items())
    return f"Not everybody got it. The mail server refused {said}." if said else ""


def _message(mail: Email, addresses: Sequence[str]) -> EmailMessage:
    if mail.event != notices.SYSTEM_MESSAGE and addresses != [mail.recipient.strip()]:
        # What is read in it may be somebody else's: an address with a comment, or in brackets.
        raise ValueError("People have one address, and nothing beside it.")
    parts = notices.Rendered(mail.subject, mail.text, mail.html)
    if mail.event == notices.ACCOUNT_MOVED and mail.move_id is not None:
        move = db.session.get_one(Move, mail.move_id)
        token = "" if move.migration.target.platform == "plex" else links.make(links.CLAIM, move.id)
        parts = notices.render(mail.event, notices.account_moved_values(move, notices.claim_link(token) if token else ""))
        mail.subject = parts.subject
        db.session.commit()
    message = _envelope(addresses, parts.subject, Setting.current())
    message.set_content(parts.text)
    message.add_alternative(parts.html, subtype="html")
    if mail.attachment_name:
        message.add_attachment(mail.attachment.encode(), maintype="text", subtype="csv", filename=mail.attachment_name)
    return message


def _envelope(addresses: Sequence[str], subject: str, setting: Setting) -> EmailMessage:
    """The head of a mail to these. The subject stays text: names are in it."""
    message = EmailMessage()
    message["Subject"] = not_encoded(subject)
    message["From"] = setting.smtp_sender or setting.smtp_username or addresses[0]
    message["To"] = ", ".join(addresses)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="streamferry.invalid")
    message["Auto-Submitted"] = "auto-generated"
    return message


def _after_refusal(email_id: int, attempts: int, error: MailRefused) -> dict[str, Any]:
    """What becomes of a mail that was not taken, or perhaps."""
    if isinstance(error, MailUnclear):
        log.warning("Mail %s was perhaps sent: %s", email_id, error)
        return {"error": str(error)}
    log.warning("Mail %s was not sent: %s", email_id, error)
    if error.retryable and attempts <= len(RETRY_WAITS_S):
        again = utc_now() + timedelta(seconds=RETRY_WAITS_S[attempts - 1])
        return {"status": EmailStatus.QUEUED, "not_before": again, "error": str(error)}
    return {"status": EmailStatus.FAILED, "error": str(error)}


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {smtp.readable(error.smtp_error)}"
