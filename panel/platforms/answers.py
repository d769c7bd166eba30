"""What servers answer, taken in with care: bounded in size and time, as text that can be stored, and quoted without our own keys."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import requests
from urllib3.exceptions import HTTPError

#: How long one answer may take, from the sending of its request to its last byte, in seconds, however steadily it drips.
LONGEST_S = 120.0
CHUNK_BYTES = 65536
#: How many values, or parts of XML, one answer may consist of: small ones take many times the room of their text. What a server says of one
#: user comes to about a hundred.
MOST_VALUES = 1_500_000
#: One of these stands before, in or after each value.
SIGNS = (b",", b"[", b"{", b"<", b"=")

#: Headers that carry a key; in the last one it stands in quotes.
SECRET_HEADERS = ("x-plex-token", "x-emby-token", "authorization")
#: What JSON can say and no database stores: NUL, halves of a surrogate pair, numbers beyond all numbers.
SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[:,\[\s]-?\d[\d.]*[eE]\+?\d{3}")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

#: How many characters of a name, of an id that a server has for itself, and of its version are kept; every database has room for them.
MOST_NAME, MOST_ID, MOST_VERSION = 255, 80, 40


class TooMuch(Exception):
    """An answer passed a bound; `str(error)` says which, to go on after the name of the server."""


def body_of(response: requests.Response, most_bytes: int, until: float) -> bytes:
    """The whole body, unpacked; at most `most_bytes`, and no longer than `until` (`time.monotonic` seconds). Raises `TooMuch`, and
    `requests.ConnectionError` when it does not arrive in full."""
    chunks, size = [], 0
    try:
        # Whatever has arrived, not a full chunk: a server that drips must not keep us waiting for one.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > most_bytes:
                raise TooMuch(f"sent more than {most_bytes // 2**20} MB in one answer; it was not read.")
            if time.monotonic() >= until:
                raise _too_long()
            chunks.append(chunk)
    except HTTPError as error:
        if time.monotonic() >= until:
            raise _too_long() from None
        raise requests.ConnectionError(error) from error
    body = b"".join(chunks)
    if len(body) > MOST_VALUES and sum(map(body.count, SIGNS)) > MOST_VALUES:
        raise TooMuch("sent far too many values in one answer; it was not taken in.")
    return body


def _too_long() -> TooMuch:
    return TooMuch(f"took longer than {LONGEST_S:.0f} seconds for one answer; it was not read.")


def data_of(body: bytes) -> Any:
    """JSON as values that every database takes. Raises `ValueError` (or `RecursionError`) when it is none."""
    text = body.decode("utf-8-sig", "replace")
    value = json.loads(text, parse_constant=_no_number)
    return storable(value) if SUSPECT.search(text) else value


def storable(value: Any) -> Any:
    """The value with a replacement character for what cannot be stored, and nothing for numbers that are none."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    if isinstance(value, dict):
        return {storable(key): storable(inner) for key, inner in value.items()}
    return value


def cut_name(name: str) -> str:
    """A name as it can be stored: nobody is known by it (an address, of which a part is another one, is not for this)."""
    return name[:MOST_NAME]


def whole_address(address: str) -> str:
    """An e-mail address, or nothing for one that is too long to be any."""
    return address if len(address) <= MOST_NAME else ""


def secrets_in(headers: Mapping[str, str]) -> frozenset[str]:
    """The keys among these headers, in every form a server may repeat them in."""
    values = [value for name, value in headers.items() if name.lower() in SECRET_HEADERS]
    found = {form for value in values for form in (value, *re.findall(r'"([^"]+)"', value))}
    return frozenset(form for value in found for form in (value, unquote(value)) if len(form) >= 6)


def without(secrets: Iterable[str], text: str) -> str:
    """The text with dots for each of the secrets."""
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
