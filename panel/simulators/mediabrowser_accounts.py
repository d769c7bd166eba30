"""What an Emby or Jellyfin server keeps: accounts, libraries, sign-ins, keys; and the identity header clients send."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

EMPTY_ID = "0" * 32

_PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|([^,]*))')


@dataclass(frozen=True)
class Avatar:
    """A profile picture as uploaded, and the tag under which it is listed."""

    content_type: str
    image: bytes
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def uploaded(cls, content_type: str, body: bytes) -> Avatar:
        """From an upload: the body is base64 text although the type is the image's. Raises `TypeError` (not an image type) or
        `ValueError` (not base64)."""
        kind = content_type.partition(";")[0].strip().lower()
        if not kind.startswith("image/"):
            raise TypeError(kind)
        try:
            return cls(kind, base64.b64decode(body, validate=True))
        except binascii.Error as error:
            raise ValueError("not base64") from error


@dataclass(eq=False)
class Account:
    """One user of the server. `password` is plain, `""` for none; `policy` and `configuration` are as the server shows them.

    The `connect_…` fields and `link_pending` are used by Emby alone.
    """

    id: str
    name: str
    password: str
    policy: dict[str, Any]
    configuration: dict[str, Any]
    created_at: datetime
    last_login_at: datetime | None = None
    avatar: Avatar | None = None
    connect_name: str = ""
    connect_email: str = ""
    link_pending: bool = False


@dataclass(eq=False)
class Library:
    """One library. `id` is what access lists take; `number` is Emby's short id; `scanned` is false while Jellyfin has no item for it."""

    name: str
    kind: str
    id: str
    number: str
    locations: list[str]
    scanned: bool = True

    @property
    def item_id(self) -> str:
        """Jellyfin's `ItemId`, the same as `id`."""
        return self.id


@dataclass(frozen=True)
class SignIn:
    """A user token and the device it was given to."""

    token: str
    account_id: str
    device_id: str
    device: str
    client: str
    version: str
    at: datetime


@dataclass(frozen=True)
class ApiKey:
    """An administrator's key without a user."""

    number: int
    key: str
    app: str
    at: datetime


@dataclass(frozen=True)
class Caller:
    """Who asks: a user by token, or nobody in particular with an API key (`account` is `None`)."""

    token: str
    account: Account | None

    @property
    def is_admin(self) -> bool:
        """API keys act as administrators."""
        return self.account is None or bool(self.account.policy["IsAdministrator"])


def identity(header: str, schemes: tuple[str, ...]) -> dict[str, str]:
    """The pairs of `MediaBrowser Client="…", Token="…"` with lower-case names, values URL-decoded; empty for another scheme word."""
    scheme, _, pairs = header.partition(" ")
    if scheme.lower() not in schemes:
        return {}
    return {name.lower(): unquote(quoted or bare.strip()) for name, quoted, bare in _PAIR.findall(pairs)}


def plain_id(text: str) -> str:
    """An id without dashes, in lower case."""
    return text.replace("-", "").lower()


def timestamp(at: datetime) -> str:
    """A UTC date as both servers write it: seven fractional digits and Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
