"""A connection to a mail server as it is set: it knows whether the message has left, and takes user names and passwords in any script."""

from __future__ import annotations

import base64
import hmac
import re
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from panel.models import Setting, SmtpSecurity

#: Seconds for the farewell: nothing depends on it.
FAREWELL_S = 5.0
#: No way of signing in has more.
MOST_QUESTIONS = 5


class NotOffered(smtplib.SMTPException):
    """The mail server does not have what is set; `str(error)` is the end of a sentence with what it says it has instead."""

    def __init__(self, what: str, instead: str, server: smtplib.SMTP) -> None:
        offers = ", ".join(readable(server.ehlo_resp or b"").splitlines()[1:]) or "nothing"
        super().__init__(f"does not offer {what}. It offers: {offers}. {instead}")


class Connection(smtplib.SMTP):
    """`reply` is the server's own answer to the message, such as “250 2.0.0 Ok: queued as 4F2”, and `left_unanswered` says that the
    message is on its way, or there, and that no answer to it was read. `answer_s`: how long that one is waited for."""

    reply = ""
    left_unanswered = False
    answer_s = 120.0
    _questions = 0

    def data(self, msg: Any) -> tuple[int, bytes]:
        """The message itself. Raises `SMTPDataError` for a server that does not want it, or has not said so in the way of SMTP."""
        code, said = self.docmd("data")
        if code != 354:
            raise smtplib.SMTPDataError(code, said)
        self.send(_body(msg))
        # Without the dot that ends it no server has taken a message; from here on one may have.
        self.left_unanswered = True
        self._wait_for(self.answer_s)
        self.send(b".\r\n")
        code, said = self.getreply()
        if not 200 <= code < 600 or 300 <= code < 400:
            raise smtplib.SMTPDataError(code, said)
        self.left_unanswered = False
        self.reply = f"{code} {readable(said)}"
        # Whatever of this family a server says, it has the mail; smtplib believes one number only.
        return (250, said) if code < 300 else (code, said)

    def auth(self, mechanism: str, authobject: Callable[..., Any], *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        """As smtplib does it, in UTF-8 (RFC 4616) where it would insist on ASCII. Raises `SMTPAuthenticationError`."""
        self._questions = 0
        first = authobject() if initial_response_ok else None
        code, said = self.docmd("AUTH", mechanism.upper() if first is None else f"{mechanism.upper()} {_coded(first)}")
        self._questions += first is not None
        while code == 334 and self._questions < MOST_QUESTIONS:
            self._questions += 1
            code, said = self.docmd(_coded(authobject(base64.decodebytes(said))))
        if code not in (235, 503):
            raise smtplib.SMTPAuthenticationError(code, said)
        return code, said

    def auth_login(self, challenge: Any = None) -> str:
        """The user name, then the password, whatever the server calls them."""
        return self.user if challenge is None or self._questions < 2 else self.password

    def auth_cram_md5(self, challenge: Any = None) -> Any:
        """User name and keyed digest (RFC 2195)."""
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"

    def leave(self) -> None:
        """Say goodbye where that is still possible; what comes of it means nothing."""
        with suppress(OSError, smtplib.SMTPException):
            self._wait_for(FAREWELL_S)
            self.quit()
        self.close()

    def _wait_for(self, seconds: float) -> None:
        if self.sock is not None:
            self.sock.settimeout(seconds)


class ConnectionOverTls(Connection, smtplib.SMTP_SSL):
    """The same where TLS comes first."""


def connect(setting: Setting, timeout_s: float) -> Connection:
    """A connection that is protected as it is set. Raises `NotOffered`, or what `smtplib`, `ssl` and sockets raise."""
    context = ssl.create_default_context()
    if setting.smtp_security is SmtpSecurity.TLS:
        return ConnectionOverTls(setting.smtp_host, setting.smtp_port, timeout=timeout_s, context=context)
    server = Connection(setting.smtp_host, setting.smtp_port, timeout=timeout_s)
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


def sign_in(server: Connection, setting: Setting) -> None:
    """Raises `NotOffered`, or what `smtplib` raises."""
    try:
        server.login(setting.smtp_username, setting.smtp_password or "")
    except smtplib.SMTPException as error:
        # That none of the ways to sign in is known here has no exception of its own.
        if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
            instead = "Choose another security, or leave the user name empty."
            raise NotOffered("to sign in in a way the panel knows", instead, server) from None
        raise


def readable(said: bytes | str) -> str:
    """What a mail server said, as a text that is not too long to be shown."""
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).strip()[:200]


def _body(message: bytes | str) -> bytes:
    """Each dot that begins a line doubled, the last line ended (RFC 5321 4.5.2)."""
    body = re.sub(rb"(?m)^\.", b"..", message.encode("ascii") if isinstance(message, str) else message)
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
