"""A mail as it was received."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage


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


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""
