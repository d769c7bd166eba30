"""Column types: aware UTC times, enums as text, lists of reason codes, and secrets encrypted at rest."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from cryptography.fernet import InvalidToken, MultiFernet
from flask import current_app
from sqlalchemy import DateTime, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from panel.domain.reasons import Reason


def utc_now() -> datetime:
    """This moment, aware."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC datetimes out; stored without zone. Naive values are refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To naive UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To aware UTC."""
        return value.replace(tzinfo=UTC) if value is not None else None


class EnumText(TypeDecorator[Any]):
    """A `StrEnum` stored as its text, so that a new member needs no change of the schema."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__(20)
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To text; a value that is no member is refused."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:
        """To the member."""
        return None if value is None else self.kind(value)


class ReasonList(TypeDecorator[tuple[Reason, ...]]):
    """A few reason codes, kept in order."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """To text, codes parted by spaces."""
        return " ".join(Reason(code).value for code in value or ())

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Reason, ...]:
        """To members."""
        return tuple(Reason(code) for code in (value or "").split())


class SecretUnreadable(RuntimeError):
    """A stored secret cannot be decrypted with the keys at hand."""


class Secret(TypeDecorator[str]):
    """A secret, encrypted at rest with the first of PANEL_ENCRYPTION_KEYS and readable with any of them."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encrypt."""
        return None if value is None else _cipher().encrypt(value.encode()).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """Decrypt. Raises `SecretUnreadable`."""
        if value is None:
            return None
        try:
            return _cipher().decrypt(value.encode()).decode()
        except InvalidToken:
            raise SecretUnreadable(
                "A stored token cannot be decrypted: PANEL_ENCRYPTION_KEYS does not hold the key it was stored with."
            ) from None


def _cipher() -> MultiFernet:
    cipher: MultiFernet = current_app.extensions["panel_cipher"]
    return cipher
