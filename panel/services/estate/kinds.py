"""The kinds of values an estate file holds, each checked strictly, with a sentence for what is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from panel.services import addresses
from panel.services.estate.text import WrittenFloat, WrittenInt

LONGEST = 255
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?( ?(Z|[+-]\d{2}:?\d{2}))?")


def fault(sentence: str) -> PydanticCustomError:
    """A refusal in our own words."""
    return PydanticCustomError("estate", "{sentence}", {"sentence": sentence})


def _as_written(value: object) -> str:
    if isinstance(value, WrittenInt | WrittenFloat):
        return value.written
    if isinstance(value, bool) or value is None:
        raise fault("must be a text: put it in quotes if this is one")
    if not isinstance(value, str):
        raise fault("must be a text")
    return value


def _one_line(value: str) -> str:
    if len(value) > LONGEST:
        raise fault(f"may have {LONGEST} characters at most, and has {len(value)}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise fault("must not hold control characters or line breaks")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise fault("must not be empty")
    return value


def _empty_for_nothing(value: object) -> object:
    return "" if value is None else value


def _address(value: str) -> str:
    value = value.strip()
    if value and (missed := addresses.missed(value)):
        raise fault(f"must be {missed}")
    return value


def _addresses(value: str) -> str:
    found = [_address(part) for part in value.split(",")]
    if len(found) > 1 and not all(found):
        raise fault("must be an e-mail address, or several parted by commas")
    return ", ".join(found)


def _sender(value: str) -> str:
    value = value.strip()
    if value and (missed := addresses.missed_by_sender(value)):
        raise fault(f"must be {missed}")
    return value


def _url(value: str) -> str:
    value = value.strip()
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise fault("is no valid URL") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", value):
        raise fault("must be a URL that begins with http:// or https://")
    if "@" in parts.netloc:
        raise fault("must not hold a user name or password")
    if parts.query or parts.fragment:
        raise fault("must end before any ? or #")
    return value.rstrip("/")


def _secret(value: object, info: ValidationInfo) -> SecretStr:
    text = _from_environment(value, info.context or {}) if isinstance(value, dict) else _one_line(_as_written(value))
    return SecretStr(_not_blank(text.strip()))


def _from_environment(value: Mapping[Any, object], environ: Mapping[str, str]) -> str:
    name = value.get("env")
    if set(value) != {"env"} or not isinstance(name, str):
        raise fault("must be a text, or {env: NAME} with the name of an environment variable")
    if not environ.get(name, "").strip():
        raise fault(f"takes the environment variable {name}, which is not set")
    return environ[name]


def _start(value: object) -> datetime:
    return _moment(value, time.min)


def _end(value: object) -> datetime:
    """A day includes all of itself."""
    return _moment(value, time.max)


def _moment(value: object, of_day: time) -> datetime:
    wrong = fault("must be a date like 2026-01-31, or a time like 2026-01-31T18:30:00Z")
    if not isinstance(value, str) or not (DAY.fullmatch(value) or MOMENT.fullmatch(value)):
        raise wrong
    try:
        if DAY.fullmatch(value):
            return datetime.combine(date.fromisoformat(value), of_day, UTC)
        found = datetime.fromisoformat(value.replace(" Z", "Z").replace(" +", "+").replace(" -", "-"))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise fault("is no date that exists") from None


def _list_for_nothing(value: object) -> object:
    return [] if value is None else value


Text = Annotated[str, BeforeValidator(_as_written), AfterValidator(_one_line)]
Name = Annotated[Text, AfterValidator(_not_blank)]
OptionalText = Annotated[Text, BeforeValidator(_empty_for_nothing)]
Address = Annotated[Name, AfterValidator(_address)]
OptionalAddress = Annotated[OptionalText, AfterValidator(_address)]
Addresses = Annotated[OptionalText, AfterValidator(_addresses)]
Sender = Annotated[OptionalText, AfterValidator(_sender)]
Url = Annotated[Name, AfterValidator(_url)]
SecretText = Annotated[SecretStr, BeforeValidator(_secret)]
StartMoment = Annotated[datetime, PlainValidator(_start)]
EndMoment = Annotated[datetime, PlainValidator(_end)]
Pace = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=36_500)]
ListOrNothing = BeforeValidator(_list_for_nothing)
