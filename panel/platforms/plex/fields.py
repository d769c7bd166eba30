"""Single fields of what plex.tv and a Plex Media Server answer, read into values. Whatever is missing or of another type ends as a default
or as an `UnexpectedAnswer`, never as a crash."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from panel.platforms.base import UnexpectedAnswer

FALSE_WORDS = {"", "0", "false", "no", "null", "none"}


def text(value: object) -> str:
    """A string or a whole number as text; everything else is empty."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else ""


def flag(value: object) -> bool:
    """Yes or no out of JSON booleans, numbers and the words of XML attributes; what cannot be read is no."""
    if isinstance(value, str):
        return value.strip().lower() not in FALSE_WORDS
    return bool(value) if isinstance(value, bool | int | float) else False


def moment(value: object) -> datetime | None:
    """Epoch seconds or an ISO time as aware UTC; `None` for nothing usable."""
    written = text(value)
    try:
        if re.fullmatch(r"\d{1,11}", written):
            return datetime.fromtimestamp(int(written), UTC) if int(written) else None
        then = datetime.fromisoformat(written.replace(" UTC", "+00:00"))
    except (ValueError, OverflowError, OSError):
        return None
    return then if then.tzinfo else then.replace(tzinfo=UTC)


def id_of(value: object) -> str:
    """A plex.tv id as text; 0 and what is no number is none."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    written = text(value)
    return written if re.fullmatch(r"[0-9]{1,19}", written) and int(written) else ""


def required_id(value: object, who: str) -> str:
    """As `id_of`; raises `UnexpectedAnswer` for none."""
    found = id_of(value)
    if not found:
        raise UnexpectedAnswer(f"{who} listed something without its id.")
    return found


def sharing_settings(row: Mapping[Any, object]) -> dict[str, object]:
    """What a share row says about the person: every `allow…` (yes/no; `allowTuners` 0, 1 or 2) and every `filter…` exactly as stored:
    a filter's inner commas are percent-encoded already and must travel like that."""
    found: dict[str, object] = {}
    for name, value in row.items():
        if not isinstance(name, str):
            continue
        if name.startswith("filter") and (value is None or isinstance(value, str)):
            found[name] = value
        elif name.startswith("allow") and isinstance(value, bool | int | float | str):
            found[name] = _level(value) if name == "allowTuners" else flag(value)
    return found


def _level(value: object) -> int:
    try:
        return int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return 0
